// A tour for somebody who is here for the first time: offered in a line, taken step by step, left at any time. It stands
// in a corner and takes neither focus nor clicks from the page; beside an open entry it steps aside.

import { html, nothing, type TemplateResult } from "lit";
import type { Host } from "../lib/host.js";
import { Words, type Key } from "../lib/i18n.js";
import { actionIcon, icon } from "../lib/icons.js";
import { CATALOGUES, type TourKey } from "./words.js";

const STEPS = ["rows", "open", "find", "ask", "trust"] as const;
const EXAMPLES = [
  ["create", "contact.created"], ["update", "template.edited"], ["delete", "contact.deleted"],
  ["status", "campaign.paused"], ["security", "auth.login"],
] as const;

export class Tour {
  /** The step that is shown; -1 while it is only offered, null when there is nothing to show. */
  #at: number | null = null;
  #words = new Words("en", CATALOGUES.en);
  readonly #host: Host;
  readonly #left: () => void;

  /** `left` is called when somebody took the tour, or does not want it. */
  constructor(host: Host, left: () => void) {
    this.#host = host;
    this.#left = left;
  }

  offer(): void {
    this.#show(-1);
  }

  start(): void {
    this.#show(0, true);
  }

  #show(at: number | null, focus = false): void {
    this.#at = at;
    this.#host.requestUpdate();
    // Later than a dialog that closes, which gives the focus back to where it was opened.
    if (focus) void this.#host.updateComplete.then(() => setTimeout(() => this.#host.renderRoot.querySelector<HTMLElement>("#tour-title")?.focus()));
  }

  readonly #leave = (): void => {
    const inside = this.#host.renderRoot.querySelector(".tour")?.matches(":focus-within") ?? false;
    this.#left();
    this.#show(null);
    // Whoever came by keyboard goes on where the log begins.
    if (inside) void this.#host.updateComplete.then(() => this.#host.renderRoot.querySelector<HTMLElement>(".row a, input[type=search], input")?.focus());
  };

  /** Esc leaves; other keys mean nothing to the page behind while the focus is here. */
  readonly #keys = (event: KeyboardEvent): void => {
    event.stopPropagation();
    if (event.key === "Escape") this.#leave();
  };

  #t(key: TourKey, slots: Record<string, string | number> = {}): string {
    return this.#words.t(key as unknown as Key, slots);
  }

  render(): unknown {
    const { words, state } = this.#host;
    if (this.#at === null || state.entry !== null) return nothing;
    if (this.#words.locale !== words.locale) this.#words = new Words(words.locale, CATALOGUES[words.language]);
    return this.#at < 0 ? this.#offer() : this.#card(this.#at);
  }

  #offer(): TemplateResult {
    return html`<section class="tour offer" aria-label=${this.#t("title")} @keydown=${this.#keys}>
      <p>${this.#t("offer")}</p>
      <button class="btn p sm" @click=${() => this.start()}>${this.#t("show")}</button>
      <button class="btn q sm" @click=${this.#leave}>${this.#t("no")}</button></section>`;
  }

  #card(at: number): TemplateResult {
    const step = STEPS[at] as (typeof STEPS)[number];
    const last = at === STEPS.length - 1;
    return html`<section class="tour" aria-labelledby="tour-title" @keydown=${this.#keys}>
      <p class="at num">${this.#t("step", { at: at + 1, n: STEPS.length })}</p>
      <h2 id="tour-title" tabindex="-1">${this.#t(step)}</h2>
      <p>${this.#t(`${step}.text`)}</p>
      ${step === "rows" ? this.#examples() : nothing}
      <p class="go"><button class="btn q sm" @click=${this.#leave}>${this.#t(last ? "done" : "skip")}</button><span class="sp"></span>
        ${at ? html`<button class="btn sm" @click=${() => this.#show(at - 1, true)}>${this.#t("back")}</button>` : nothing}
        ${last ? nothing : html`<button class="btn p sm" @click=${() => this.#show(at + 1, true)}>${this.#t("next")}</button>`}</p></section>`;
  }

  #examples(): TemplateResult {
    const { words } = this.#host;
    return html`<ul>${EXAMPLES.map(([kind, action]) => html`<li><span class="k ${kind}" aria-hidden="true">${icon(actionIcon(action, kind))}</span><span><b>${words.maybe(`kind.${kind}`)}</b><br><bdi>${this.#t(`example.${kind}`)}</bdi></span></li>`)}</ul>`;
  }
}
