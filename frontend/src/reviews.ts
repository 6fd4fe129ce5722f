// <audit-log-reviews>: what happened since the last time is looked at and signed; signed reviews as documents. A page of
// its own, in a file of its own, as that of alerts is.

import { html, nothing, unsafeCSS, type TemplateResult } from "lit";
import { icon } from "./lib/icons.js";
import { OwnPage } from "./lib/page.js";
import { save } from "./parts/files.js";
import { named, report, rows } from "./reviews/report.js";
import type { Item, List, Page, Review, Signed } from "./reviews/types.js";
import { CATALOGUES, type ReviewKey } from "./reviews/words.js";
import base from "./styles/base.css";
import sheet from "./styles/reviews.css";
import tokens from "./styles/tokens.css";

const LONGEST = 1000;

export class AuditLogReviews extends OwnPage<ReviewKey> implements Page {
  static override readonly styles = [tokens, base, sheet].map((text) => unsafeCSS(text));
  static override readonly properties = { ...OwnPage.properties, alerts: {} };

  declare alerts: string;

  #list: List | null = null;
  #open: Review | null = null;
  #signed: Signed | null = null;

  constructor() {
    super(CATALOGUES);
    this.alerts = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    window.addEventListener("popstate", this.#moved);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener("popstate", this.#moved);
  }

  protected override spoken(): void {
    // Sentences come from the server, in the language of the page.
    if (this.#list) void this.load();
  }

  // ------------------------------------------------------------------------------------------------------- loading

  readonly #moved = (): void => void this.load();

  protected override async fetched(): Promise<void> {
    const asked = new URLSearchParams(location.search).get("review") ?? "";
    const { language: lang } = this.words;
    const list = await this.client.get<List>("reviews");
    this.#open = list.open ? await this.client.get<Review>("reviews/open", { lang }) : null;
    this.#signed = /^\d{1,9}$/.test(asked) ? await this.client.get<Signed>(`reviews/${asked}`, { lang }) : null;
    this.#list = list;
    this.tell("alv-reviews", { overdue: list.overdue });
  }

  #post<T>(path: string, body: object): Promise<T> {
    return this.client.post<T>(`reviews${path}?lang=${this.words.language}`, body);
  }

  async #begin(): Promise<void> {
    if (await this.act(async () => (this.#open = await this.#post<Review>("", {})), this.t("begun"))) {
      await this.load();
      this.focusOn("#open");
    }
  }

  #mark(item: Item, seen: boolean): Promise<boolean> {
    return this.#change(item, "", { seen, comment: this.#comment(item) }, "saved");
  }

  async #raise(item: Item): Promise<void> {
    const note = this.#comment(item);
    if (note) await this.#change(item, "/raise", { note }, "raised");
    else {
      this.said = this.t("raise.why");
      this.requestUpdate();
      this.focusOn(`#comment-${item.id}`);
    }
  }

  #change(item: Item, path: string, body: object, done: ReviewKey): Promise<boolean> {
    return this.act(async () => {
      const changed = await this.#post<Item>(`/open/items/${item.id}${path}`, body);
      if (this.#open) this.#open = { ...this.#open, items: this.#open.items.map((one) => (one.id === item.id ? changed : one)) };
    }, this.t(done));
  }

  async #sign(): Promise<void> {
    const body = { comment: this.#field("#result"), unseen: this.#field("#unseen") };
    let signed: Signed | null = null;
    if (await this.act(async () => (signed = await this.#post<Signed>("/open/sign", body)), this.t("signed")) && signed) {
      this.#go((signed as Signed).number);
    }
  }

  /** Show a signed review, or all of them, under its own address. */
  #go(number: number | null): void {
    const search = new URLSearchParams(location.search);
    if (number === null) search.delete("review");
    else search.set("review", String(number));
    history.pushState(null, "", `${location.pathname}${search.size ? `?${search}` : ""}`);
    void this.load().then(() => this.focusOn(number === null ? "#past" : "#report"));
  }

  async #prove(ask: string[]): Promise<void> {
    let name = "evidence.html";
    const made = await this.act(async () => {
      const answer = await this.client.order("evidence", { ask });
      name = /filename="([^"]+)"/.exec(answer.headers.get("content-disposition") ?? "")?.[1] ?? name;
      save(name, await answer.blob());
    }, "");
    if (made) this.said = this.t("evidence.saved", { file: name });
    this.requestUpdate();
  }

  #comment(item: Item): string {
    return this.#field(`#comment-${item.id}`);
  }

  #field(selector: string): string {
    return (this.renderRoot.querySelector<HTMLInputElement>(selector)?.value ?? "").trim();
  }

  // ------------------------------------------------------------------------------------------------------- showing

  protected override render(): TemplateResult {
    return html`<div class="reviews" dir=${this.words.direction} lang=${this.words.language}>
      <header><h1>${this.t("title")}</h1><p>${this.t("about")}</p></header>
      <p class="told" role="status" aria-live="polite">${this.said}</p>
      ${this.#page()}</div>`;
  }

  #page(): TemplateResult {
    if (this.problem) return this.failure(this.problem);
    if (!this.#list) return html`<p class="empty">${this.t("loading")}</p>`;
    if (this.#signed) return this.#document(this.#signed);
    return html`${this.#open ? this.#review(this.#open) : this.#rest(this.#list)}
      <section aria-labelledby="past"><h2 id="past" tabindex="-1">${this.t("past")}</h2>
        ${this.#list.items.length ? nothing : html`<p class="dim">${this.t("past.none")}</p>`}
        <ul class="past">${this.#list.items.map((one) => html`<li><a href="?review=${one.number}" @click=${(event: MouseEvent) => this.#follow(event, one.number)}>${this.t("past.row", { n: one.number, who: named(one.signed_by), at: this.clock.full(one.signed_at) })}</a></li>`)}</ul></section>`;
  }

  #follow(event: MouseEvent, number: number | null): void {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.said = "";
    this.#go(number);
  }

  /** Nothing is under way: how it stands, and the way to begin. */
  #rest({ until, due_at: due, overdue, manage }: List): TemplateResult {
    return html`<section class="card" aria-label=${this.t("title")}>
      <p>${until ? this.t("reviewed", { at: this.clock.full(until) }) : this.t("never")}
        ${due ? html`<span class=${overdue ? "bad" : ""}>${this.t(overdue ? "overdue" : "due", { at: this.clock.full(due) })}</span>` : nothing}</p>
      ${manage ? html`<button class="btn p" ?disabled=${this.busy} @click=${() => this.#begin()}>${this.t("begin")}</button>` : nothing}</section>`;
  }

  #review(review: Review): TemplateResult {
    const { items, number, rest, more } = review;
    const seen = items.filter((item) => item.seen).length;
    const whys = [...new Set(items.map(({ why }) => why))];
    return html`<section aria-labelledby="open"><h2 id="open" tabindex="-1">${this.t("open", { n: number })}</h2>
      <p class="dim">${this.t("period", { since: this.clock.full(review.since), until: this.clock.full(review.until), first: review.start, last: review.stop - 1 })} ${more ? this.t("more") : nothing}</p>
      <p class="progress"><label for="progress">${this.t("progress", { seen, n: items.length })}</label> <progress id="progress" max=${items.length} value=${seen}></progress></p>
      ${whys.map((why) => html`<h3>${this.t(`why.${why}` as ReviewKey)}</h3>${why === "sample" ? html`<p class="dim">${this.t("rule", { rest })}</p>` : nothing}
        <ol>${items.filter((item) => item.why === why).map((item) => this.#item(item))}</ol>`)}
      ${this.#list?.manage ? this.#signature(items.length - seen) : nothing}</section>`;
  }

  #item(item: Item): TemplateResult {
    const { id, seen, alert, own } = item;
    const comment = seen && typeof seen.comment === "string" ? seen.comment : "";
    return html`<li class="item ${seen ? "seen" : ""}" id="item-${id}">
      ${rows(this, item)}
      ${seen || own || alert ? html`<p class="tags">${seen ? html`<span>${icon("check", "s")} ${this.t("seen", { who: named(seen.by), at: this.clock.full(seen.at) })}</span>` : nothing}
        ${own ? html`<span class="tag a">${this.t("own")}</span>` : nothing}
        ${alert ? (this.alerts ? html`<a class="tag r" href=${this.alerts}>${this.t("raised")}</a>` : html`<span class="tag r">${this.t("raised")}</span>`) : nothing}</p>` : nothing}
      ${this.#list?.manage
        ? html`<div class="acts" role="group" aria-label=${`${this.t(`why.${item.why}` as ReviewKey)} ${id}`}>
            <label class="sr" for="comment-${id}">${this.t("comment")}</label>
            <input id="comment-${id}" type="text" maxlength=${LONGEST} autocomplete="off" placeholder=${this.t("comment")} .value=${comment}>
            <button class="btn sm ${seen ? "" : "p"}" aria-pressed=${seen !== null} ?disabled=${this.busy || (seen !== null && alert !== null)} @click=${() => this.#mark(item, !seen)}>${this.t("look")}</button>
            ${alert ? nothing : html`<button class="btn q sm" ?disabled=${this.busy} @click=${() => this.#raise(item)}>${this.t("raise")}</button>`}</div>`
        : comment ? html`<p class="said"><q><bdi>${comment}</bdi></q></p>` : nothing}</li>`;
  }

  #signature(unseen: number): TemplateResult {
    return html`<form class="card sign" @submit=${(event: Event) => { event.preventDefault(); void this.#sign(); }}>
      <h3>${this.t("sign.title")}</h3>
      <label>${this.t("sign.comment")}<textarea id="result" maxlength=${LONGEST} rows="2"></textarea></label>
      ${unseen ? html`<label>${this.t("sign.unseen", { n: unseen })}<textarea id="unseen" required maxlength=${LONGEST} rows="2"></textarea></label>` : nothing}
      <button class="btn p" ?disabled=${this.busy}>${this.t("sign")}</button></form>`;
  }

  #document(signed: Signed): TemplateResult {
    const { evidence } = signed;
    return html`<p class="bar"><a class="btn q sm" href="?" @click=${(event: MouseEvent) => this.#follow(event, null)}>${this.t("back")}</a><span class="sp"></span>
        ${evidence ? html`<button class="btn sm" ?disabled=${this.busy} @click=${() => this.#prove(evidence.ask)}>${icon("shield")}${this.t("evidence")}</button>` : nothing}
        <button class="btn sm" @click=${() => window.print()}>${this.t("print")}</button></p>
      ${report(this, signed)}`;
  }
}

customElements.define("audit-log-reviews", AuditLogReviews);
