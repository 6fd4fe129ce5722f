// Saved views: filters under a name, kept in this browser for this viewer.

import { html, nothing, type TemplateResult } from "lit";
import type { Host } from "../lib/host.js";
import { icon } from "../lib/icons.js";
import { keep, keeps, recall } from "../lib/local.js";
import { filterKey, readState, START } from "../lib/url.js";
import type { Bar } from "./bar.js";
import { link } from "./row.js";

/** As many as a browser is asked to keep. */
const MOST = 20;
const LONGEST = 60;

interface View {
  name: string;
  query: string;
}

export class Views {
  #views: View[] = [];
  #of: string | null = null;
  #full = false;
  readonly #able = keeps();
  readonly #host: Host;

  constructor(host: Host, bar: Bar) {
    this.#host = host;
    bar.views = (form) => (this.#able && (host.memory || form === "bar") ? this.#button(form) : nothing);
  }

  /** The button of the menu: an icon in the bar, words beside the chips. */
  #button(form: "bar" | "save" | "line"): TemplateResult {
    const { words } = this.#host;
    const open = (event: Event): void => this.#open(event.currentTarget as HTMLElement);
    if (form === "save") return html`<button class="btn q sm" @click=${open}>${words.t("views.save")}</button>`;
    if (form === "line") return html`<button class="chip" @click=${open}>${icon("mark", "s")}${words.t("views")}</button>`;
    return html`<button class="btn fb ic ${this.#host.memory ? "" : "ghost"}" aria-label=${words.t("views")} title=${words.t("views")} @click=${open}>${icon("mark")}</button>`;
  }

  #open(anchor: HTMLElement): void {
    const card = this.#host.renderRoot.querySelector<HTMLElement>("#views");
    if (!card) return;
    this.#read();
    this.#full = false;
    this.#host.requestUpdate();
    const box = anchor.getBoundingClientRect();
    card.style.top = this.#host.narrow ? "" : `${box.bottom + 6}px`;
    card.style.left = this.#host.narrow ? "" : `${Math.max(8, Math.min(box.left, document.documentElement.clientWidth - 328))}px`;
    void this.#host.updateComplete.then(() => {
      card.showPopover();
      card.querySelector<HTMLElement>("input")?.focus();
    });
    this.#anchor = anchor;
  }

  #anchor: HTMLElement | null = null;

  get #name(): string {
    return `alv-views:${this.#host.memory ?? ""}`;
  }

  #read(): void {
    this.#of = this.#host.memory;
    const kept = recall<unknown>(this.#name);
    this.#views = Array.isArray(kept) ? kept.filter((one): one is View => typeof one?.name === "string" && typeof one?.query === "string").slice(0, MOST) : [];
  }

  #keep(views: View[]): boolean {
    const done = keep(this.#name, views);
    if (done) this.#views = views;
    this.#host.requestUpdate();
    return done;
  }

  readonly #save = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const field = form.elements.namedItem("name") as HTMLInputElement;
    const name = field.value.trim().slice(0, LONGEST);
    const others = this.#views.filter((one) => one.name !== name);
    this.#full = others.length >= MOST;
    if (!name || this.#full) return this.#host.requestUpdate();
    if (!this.#keep([...others, { name, query: filterKey(this.#host.state) }])) return;
    field.value = "";
    this.#close();
    this.#host.say(this.#host.words.t("views.saved", { name }));
  };

  #drop(view: View): void {
    this.#keep(this.#views.filter((one) => one !== view));
    // The button that had the focus is gone.
    void this.#host.updateComplete.then(() => this.#host.renderRoot.querySelector<HTMLElement>("#view-name")?.focus());
  }

  #close(): void {
    this.#host.renderRoot.querySelector<HTMLElement>("#views")?.hidePopover();
    if (this.#anchor?.isConnected) this.#anchor.focus();
  }

  readonly #keys = (event: KeyboardEvent): void => {
    event.stopPropagation();
    if (event.key === "Escape") this.#close();
  };

  card(): unknown {
    const { words, memory } = this.#host;
    if (!this.#able || !memory) return nothing;
    if (this.#of !== memory) this.#read();
    return html`<div id="views" class="pop views" popover role="dialog" aria-label=${words.t("views")} @keydown=${this.#keys}>
      <div class="opts">${this.#views.length
        ? html`<ul>${this.#views.map((view) => this.#item(view))}</ul>`
        : html`<p class="note">${words.t("views.none")}</p>`}</div>
      <form class="pf" @submit=${this.#save}><label class="sr" for="view-name">${words.t("views.name")}</label>
        <input id="view-name" name="name" type="text" maxlength=${LONGEST} required autocomplete="off" placeholder=${words.t("views.name")}>
        <button class="btn sm">${words.t("views.save")}</button></form>
      <p class="hint ${this.#full ? "wrong" : ""}" role=${this.#full ? "alert" : nothing}>${words.t(this.#full ? "views.full" : "views.where", { n: MOST })}</p></div>`;
  }

  #item(view: View): TemplateResult {
    const { words, state } = this.#host;
    const { chips, text, range, since, until, tz } = { ...START, ...readState(`?${view.query}`) };
    const patch = { chips, text, range, since, until, tz };
    const now = filterKey(state) === view.query;
    const act = (): void => {
      this.#close();
      this.#host.go({ ...patch, entry: null });
    };
    return html`<li class="opt ${now ? "now" : ""}">${link(this.#host, { ...patch, entry: null }, html`${icon("mark", "s")}<span class="nm"><bdi>${view.name}</bdi></span>`, act)}
      <button class="btn q ic sm" aria-label=${words.t("views.drop", { name: view.name })} title=${words.t("views.drop", { name: view.name })} @click=${() => this.#drop(view)}>${icon("bin", "s")}</button></li>`;
  }
}
