// The list of shortcuts, and the switch that turns them off (WCAG 2.1.4).

import { html, nothing } from "lit";
import type { Host } from "../lib/host.js";
import type { Key } from "../lib/i18n.js";
import { SHORTCUTS } from "../lib/keys.js";

export class Help {
  shown = false;
  readonly #host: Host;
  readonly #tour: () => void;

  constructor(host: Host, tour: () => void) {
    this.#host = host;
    this.#tour = tour;
  }

  open(): void {
    this.shown = true;
    this.#host.requestUpdate();
    void this.#host.updateComplete.then(() => this.#host.renderRoot.querySelector<HTMLDialogElement>("#help")?.showModal());
  }

  render(): unknown {
    if (!this.shown) return nothing;
    const { words } = this.#host;
    const closed = (): void => {
      this.shown = false;
      this.#host.requestUpdate();
    };
    return html`<dialog id="help" class="dlg" aria-labelledby="help-title" @close=${closed} @keydown=${(event: Event) => event.stopPropagation()}>
      <form method="dialog"><div class="top"><h2 id="help-title">${words.t("help.title")}</h2></div>
        <div class="bd"><dl class="keys">${SHORTCUTS.map(([name, keys]) => html`<dt>${keys.map((key) => html`<kbd>${key}</kbd>`)}</dt><dd>${words.t(`key.${name}` as Key)}</dd>`)}</dl>
          <label class="ckl"><input type="checkbox" .checked=${this.#host.shortcuts} @change=${(event: Event) => (this.#host.shortcuts = (event.target as HTMLInputElement).checked)}>${words.t("help.enabled")}</label></div>
        <div class="ft">${this.#host.about === null ? html`<button class="btn" @click=${this.#tour}>${words.t("tour")}</button>` : nothing}<span class="sp"></span><button class="btn p">${words.t("close")}</button></div></form></dialog>`;
  }
}
