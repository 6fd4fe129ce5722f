// The drawer: one entry in full. Beside the list where there is room, a dialog over it where there is not.

import { html, nothing, type TemplateResult } from "lit";
import { asProblem } from "../lib/api.js";
import type { Host } from "../lib/host.js";
import { icon, type Icon } from "../lib/icons.js";
import type { Key } from "../lib/i18n.js";
import { narrow, split } from "../lib/query.js";
import type { Detail as Answer, Summary } from "../lib/types.js";
import { TABS, WHOLE, type Tab } from "../lib/url.js";
import { QUESTION, type About } from "./asking.js";
import { changes } from "./changes.js";
import { Detail } from "./detail.js";
import { evidence } from "./evidence.js";
import { facts, why } from "./facts.js";
import { Json } from "./json.js";
import { History } from "./history.js";
import type { List } from "./list.js";
import { proofCard, proofTab } from "./proof.js";
import { alertTag, link, sentence, shown, tile } from "./row.js";

/** What retention removed, and when. */
const PURGES = { ...WHOLE, ...split("action:audit.purged") };

export class Drawer {
  sideBySide = false;
  #making = false;
  readonly #host: Host;
  readonly #detail: Detail;
  readonly #history: History;
  readonly #json: Json;
  readonly #list: List;

  constructor(host: Host, list: List) {
    this.#host = host;
    this.#list = list;
    this.#detail = new Detail(host);
    this.#json = new Json(host);
    this.#history = new History(host, this.#detail);
  }

  /** Show an entry, or nothing; `focus` when a person asked for it. */
  async open(key: string | null, focus: boolean): Promise<void> {
    const opening = this.#detail.key === null && focus;
    void this.#detail.open(key);
    await this.#host.updateComplete;
    if (opening) this.#host.renderRoot.querySelector<HTMLElement>(".drawer h2")?.focus();
  }

  /** Fetch an entry before it is asked for. */
  prefetch(key: string): void {
    this.#detail.prefetch(key);
  }

  /** Language or rights changed: what was fetched is no longer right. */
  forget(): void {
    this.#detail.forget();
  }

  close(): void {
    const index = this.#index;
    this.#host.go({ entry: null, tab: "changes" });
    void this.#host.updateComplete.then(() => (index === null ? null : this.#list.link(index))?.focus());
  }

  /** Go to the entry before or after, as the list has them. */
  step(by: 1 | -1): void {
    const next = this.#index === null ? undefined : this.#list.neighbour(this.#index, by);
    if (!next) return;
    this.#list.current = next.index;
    this.#host.go({ entry: String(next.index) }, "replace");
    this.#list.link(next.index)?.scrollIntoView({ block: "nearest" });
  }

  tab(tab: Tab): void {
    this.#host.go({ tab }, "replace");
  }

  get #index(): number | null {
    const { key, data } = this.#detail;
    return data?.entry.index ?? (key && /^\d+$/.test(key) ? Number(key) : null);
  }

  /** Everything that ever happened to a resource. */
  history(type: string, id: string): void {
    const own = this.#detail.data?.entry.resource;
    if (own?.type === type && own.id === id) return this.tab("history");
    this.#host.go({ chips: narrow([], "resource", `${type}:${id}`, false), text: "", range: "all", since: null, until: null });
  }

  render(known: Summary | undefined): unknown {
    if (this.#detail.key === null) return nothing;
    const { words, wide, about } = this.#host;
    const { data, problem } = this.#detail;
    return html`${wide ? nothing : html`<div class="scrim" @click=${() => this.close()}></div>`}
      <div class="drawer" part="drawer" role=${wide ? "complementary" : about ? "group" : "dialog"} aria-modal=${wide || about ? nothing : "true"} aria-label=${words.t("drawer.label")}>
        ${this.#head()}
        <div class="db">${problem ? this.#problem() : this.#body(data, data ?? known)}</div>
        ${data ? this.#foot(data) : nothing}
      </div>`;
  }

  #head(): TemplateResult {
    const { words } = this.#host;
    const index = this.#index;
    const data = this.#detail.data;
    const button = (glyph: Icon, key: Key, act: () => void, off = false): TemplateResult =>
      html`<button class="btn q ic" aria-label=${words.t(key)} title=${words.t(key)} ?disabled=${off} @click=${act}>${icon(glyph)}</button>`;
    const near = (by: 1 | -1): boolean => index !== null && Boolean(this.#list.neighbour(index, by));
    return html`<div class="dh"><span class="seq num">${index === null ? nothing : words.t("drawer.entry", { n: index })}</span>
      ${button("up", "drawer.newer", () => this.step(-1), !near(-1))}${button("down", "drawer.older", () => this.step(1), !near(1))}<span class="sep"></span>
      ${button("link", "drawer.link", () => this.#host.copyLink())}${button("copy", "drawer.json", () => this.copyJson(), !data)}${button("x", "drawer.close", () => this.close())}</div>`;
  }

  copyJson(): void {
    const { data } = this.#detail;
    if (data) void this.#host.copy(JSON.stringify(data.entry, null, 2), this.#host.words.t("copied.json"));
  }

  #body(data: Answer | null, known: Answer | Summary | undefined): unknown {
    if (!known) return html`<div class="bone drawer-bone" role="status" aria-label=${this.#host.words.t("list.loading")}><i></i><i></i><i></i></div>`;
    const { action, kind } = "entry" in known ? known.entry : known;
    return html`<div class="dt ${kind}">${tile(action, kind)}<div><h2 tabindex="-1">${sentence(this.#host, known.sentence, 0, true)}</h2><p class="mono" translate="no"><bdi>${action}</bdi></p></div></div>
      ${data ? html`${this.#alerts(data.entry.index)}${why(this.#host, data)}
        ${facts(this.#host, data, (type, id) => this.history(type, id))}${this.#question(data)}${this.#tabs(data)}` : html`<div class="bone drawer-bone" role="status" aria-label=${this.#host.words.t("list.loading")}><i></i><i></i><i></i></div>`}`;
  }

  /** The alerts that rest on the entry. */
  #alerts(index: number): unknown {
    const found = this.#host.resting(index);
    return found ? html`<p class="als">${found.map((alert) => alertTag(this.#host, alert, 0))}</p>` : nothing;
  }

  #tabs(data: Answer): TemplateResult {
    const { words, state } = this.#host;
    const counts: Partial<Record<Tab, string>> = { changes: data.entry.changes?.length ? words.n(data.entry.changes.length) : "" };
    const past = this.#detail.history?.count;
    if (past) counts.history = past.exact ? words.n(past.value) : `${words.n(past.value)}+`;
    return html`<div class="tabs" role="tablist" aria-label=${words.t("drawer.label")} @keydown=${this.#keys}>${TABS.map(
        (tab) => html`<button role="tab" id="tab-${tab}" aria-selected=${tab === state.tab} aria-controls="tabpanel" tabindex=${tab === state.tab ? 0 : -1} @click=${() => this.tab(tab)}>${words.t(`tab.${tab}`)}${counts[tab] ? html` <span class="c num">${counts[tab]}</span>` : nothing}</button>`,
      )}</div>
      <div role="tabpanel" id="tabpanel" aria-labelledby="tab-${state.tab}" tabindex="-1">${this.#panel(data, state.tab)}</div>`;
  }

  readonly #keys = (event: KeyboardEvent): void => {
    const along = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!along) return;
    const step = this.#host.words.direction === "rtl" ? -along : along;
    const next = TABS[(TABS.indexOf(this.#host.state.tab) + step + TABS.length) % TABS.length] as Tab;
    this.tab(next);
    void this.#host.updateComplete.then(() => this.#host.renderRoot.querySelector<HTMLElement>(`#tab-${next}`)?.focus());
    event.preventDefault();
    event.stopPropagation();
  };

  #panel(data: Answer, tab: Tab): unknown {
    const again = (): void => void this.#detail.verify();
    if (tab === "history") return this.#history.render(data);
    if (tab === "json") return this.#json.render(data.entry, () => this.copyJson());
    if (tab === "proof") return proofTab(this.#host, this.#detail, again);
    const toggle = (on: boolean): void => {
      this.sideBySide = on;
      this.#host.requestUpdate();
    };
    return html`${changes(this.#host, data, this.sideBySide, toggle)}${proofCard(this.#host, this.#detail)}`;
  }

  #foot(data: Answer): TemplateResult {
    const { words, labels, openTypes } = this.#host;
    const { resource } = data.entry;
    // There is one log, and its id says nothing.
    const name = shown(this.#host, resource.name, resource.type === "log" ? labels.type("log") : resource.id);
    const key = `${resource.type}:${resource.id}`;
    const opens = openTypes === "*" || openTypes.split(/\s+/).includes(resource.type);
    return html`<div class="df">
      <button class="btn" @click=${() => this.tab("history")}>${icon("clock")}<span>${words.t("drawer.history", { name })}</span></button>
      <button class="btn dk" @click=${() => this.#host.filter("resource", key)}>${icon("filter")}<span>${words.t("drawer.only", { name })}</span></button>
      <button class="btn dk" ?disabled=${this.#making} @click=${() => void this.#evidence(key)}>${icon("shield")}<span>${words.t(this.#making ? "evidence.busy" : "evidence.about", { name })}</span></button>
      ${opens ? html`<button class="btn apart" @click=${() => this.#host.openResource(resource.type, resource.id)}>${words.t("drawer.open")}</button>` : nothing}</div>`;
  }

  /** The way to the questions about what the entry is about; a compact view has none. */
  #question({ entry: { index, resource, kind, action, context } }: Answer): unknown {
    const { words, about } = this.#host;
    if (about !== null) return nothing;
    const deleted = kind === "delete";
    const name = shown(this.#host, resource.name, resource.id);
    // Also a sign-in without an id has a story: until the next one.
    const story = context?.session ? `session:${context.session}` : /^auth\.(sso_)?login$/.test(action) ? `entry:${index}` : "";
    const ask = (detail: About, text: string): TemplateResult => html`<button class="btn" @click=${() => this.#ask(detail)}>${icon("ask")}<span>${text}</span></button>`;
    return html`<p class="ask">${resource.type === "log" ? nothing : ask({ subject: `${resource.type}:${resource.id}`, deleted }, words.t(deleted ? "questions.deleted" : "questions.about", { name }))}
      ${story ? ask({ subject: story, deleted: false, question: "session" }, words.t("questions.session")) : nothing}</p>`;
  }

  #ask(detail: About): void {
    this.#host.renderRoot.dispatchEvent(new CustomEvent(QUESTION, { detail }));
  }

  /** Everything about a resource, as a file that proves itself. */
  async #evidence(resource: string): Promise<void> {
    const { words } = this.#host;
    this.#making = true;
    this.#host.requestUpdate();
    try {
      this.#host.say(words.t("evidence.saved", { file: await evidence(this.#host, { ask: [`resource:${resource}`] }) }));
    } catch (error) {
      const problem = asProblem(error);
      this.#host.say(`${problem.detail || problem.title || words.t("evidence.failed")} ${problem.remedy}`);
      this.#host.report(problem);
    }
    this.#making = false;
    this.#host.requestUpdate();
  }

  #problem(): TemplateResult {
    const { words } = this.#host;
    const problem = this.#detail.problem as NonNullable<Detail["problem"]>;
    const told = (title: string, text: unknown, glyph: Icon = "bin"): TemplateResult => html`<div class="empty" role="alert">${icon(glyph)}<h2 tabindex="-1">${title}</h2>${text}</div>`;
    if (problem.status === 404) return told(words.t("drawer.missing"), nothing);
    if (problem.status === 410) return told(words.t("drawer.gone"), html`<p>${words.t("drawer.gone.text")}</p>${link(this.#host, { ...PURGES, entry: null }, words.t("drawer.gone.link"))}`);
    return told(problem.title || words.t("drawer.failed"), html`<p>${problem.detail} ${problem.remedy}</p><button class="btn" @click=${() => this.#detail.retry()}>${words.t("retry")}</button>`, "warn");
  }
}
