// What happened to one resource, as a short list for a page of the host: rows with dates, the details in a dialog over
// the host's page. Filters and everything else lead to the full log, which is the host's to open.

import { html, nothing, type TemplateResult } from "lit";
import type { Host } from "../lib/host.js";
import type { Summary } from "../lib/types.js";
import type { Feed } from "./feed.js";
import { link, row, shown } from "./row.js";

export class Compact {
  readonly #host: Host;
  readonly #feed: Feed;
  readonly #open: (item: Summary) => void;

  constructor(host: Host, feed: Feed, open: (item: Summary) => void) {
    this.#host = host;
    this.#feed = feed;
    this.#open = open;
  }

  /** The list, and over it the details when an entry is open. */
  render(details: unknown, close: () => void): TemplateResult {
    const { words } = this.#host;
    const { items, busy, skeleton, problem } = this.#feed;
    return html`<div class="compact" aria-busy=${busy}>
      <h2 id="title">${words.tx("drawer.history", { name: html`<bdi>${this.#name()}</bdi>` })}</h2>
      ${problem ? this.#problem(problem.status) : nothing}
      ${!problem && !busy && !items.length ? html`<p class="note" role="status">${words.t("compact.none")}</p>` : nothing}
      ${skeleton && !items.length ? html`<p class="note" role="status">${words.t("list.loading")}</p>` : nothing}
      ${items.length ? html`<ol class="past">${items.map((item) => row(this.#host, item, { selected: false, current: true, past: "list", open: this.#open }))}</ol>` : nothing}
      ${this.#more()}
    </div>
    <dialog class="over" aria-label=${words.t("drawer.label")} @cancel=${(event: Event) => {
      event.preventDefault();
      close();
    }}>${details}</dialog>`;
  }

  /** After drawing: the dialog is open while there are details. */
  placed(open: boolean): void {
    const dialog = this.#host.renderRoot.querySelector<HTMLDialogElement>("dialog.over");
    if (open && dialog && !dialog.open) dialog.showModal();
    if (!open && dialog?.open) dialog.close();
  }

  #name(): string {
    const about = this.#host.about ?? "";
    const named = this.#feed.items.find(({ resource }) => `${resource.type}:${resource.id}` === about)?.resource;
    return named ? shown(this.#host, named.name, named.id) : about.slice(about.indexOf(":") + 1);
  }

  #more(): unknown {
    const { words } = this.#host;
    const { next, more } = this.#feed;
    const label = more === "busy" ? words.t("list.loading") : more === "failed" ? words.t("list.failed") : words.t("list.older");
    return next ? html`<p class="end">${link(this.#host, {}, label, () => void this.#feed.extend())}</p>` : nothing;
  }

  #problem(status: number): TemplateResult {
    const { words } = this.#host;
    return html`<p class="note" role="alert">${words.t(status === 401 ? "ended" : status === 403 ? "denied" : "failed")}
      ${status === 403 ? nothing : html`<button class="btn sm" @click=${() => void this.#feed.load()}>${words.t("retry")}</button>`}</p>`;
  }
}
