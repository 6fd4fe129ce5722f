// <audit-log-alerts>: what detection noticed, and what the reader does about it. A page of its own, in a file of its own:
// it shares the API, the words and the tokens of the viewer, and no state.

import { html, nothing, unsafeCSS, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { asProblem } from "./lib/api.js";
import { beside } from "./lib/files.js";
import { icon } from "./lib/icons.js";
import { OwnPage } from "./lib/page.js";
import { reason, shown, type Numbers } from "./lib/reason.js";
import { CATALOGUES, type AlertKey } from "./alerts/words.js";
import type { Edited, Editor } from "./rules.js";
import sheet from "./styles/alerts.css";
import base from "./styles/base.css";
import tokens from "./styles/tokens.css";

const EVERY = 15_000;
const SHOWN = 5;
const FILTERS = ["open", "acknowledged", "all"] as const;
const VERDICTS = ["mine", "harmless", "confirmed"] as const;
const MUTE_DAYS = 7;

interface Who {
  type: string;
  id: string;
  name?: string;
}

interface Act {
  at: string;
  by: Who;
  note: string;
}

interface Alert {
  id: string;
  rule: string;
  title: string;
  level: "info" | "low" | "medium" | "high" | "critical";
  status: "open" | "acknowledged" | "resolved" | "muted" | "inhibited";
  reason: string | { $: string };
  template: string | null;
  numbers: Numbers;
  respond: string;
  harmless: string[];
  person: Who | null;
  index: number;
  entries: number[];
  at: string;
  last_at: string;
  times: number;
  acknowledged: Act | null;
  resolved: Act | null;
  verdict: (typeof VERDICTS)[number] | null;
}

interface Rule extends Edited {
  level: Alert["level"];
  active: boolean;
  always: boolean;
  failed: string | null;
  last_at: string | null;
  recent: number;
  mutes: { person: Who; until: string }[];
}

interface Budget {
  weekly: number;
  recent: number;
}

interface Row {
  index: number;
  at: string;
  text: string;
}

interface Entry {
  entry: { index: number; occurred_at: string };
  sentence: { template: string; parts: Record<string, { text: string }> };
}

export class AuditLogAlerts extends OwnPage<AlertKey> {
  static override readonly styles = [tokens, base, sheet].map((text) => unsafeCSS(text));

  #filter: (typeof FILTERS)[number] = "open";
  #alerts: Alert[] | null = null;
  #next: string | null = null;
  #rules: Rule[] = [];
  #budget: Budget | null = null;
  #editor: Editor | null = null;
  #available = true;
  /** Id of the alert that the address of the page names: it stands first. */
  #named = new URLSearchParams(location.search).get("alert") ?? "";
  #open = 0;
  #manage = false;
  #editing = false;
  readonly #rows = new Map<string, Row[]>();
  #timer: number | undefined;

  constructor() {
    super(CATALOGUES);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#timer = setInterval(() => document.hidden || this.busy || void this.load(), EVERY);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#timer);
  }

  protected override spoken(): void {
    this.#editor?.speak(this.words, this.clock);
    // Titles, sentences and reasons are of the server.
    if (this.#alerts) void this.load();
  }

  // ------------------------------------------------------------------------------------------------------- loading

  protected override async fetched(): Promise<void> {
    const [list, rules] = await Promise.all([
      this.client.get<{ items: Alert[]; open: number; manage: boolean; next: string | null }>("alerts", { status: this.#filter, lang: this.words.language }),
      this.client.get<{ items: Rule[]; available: boolean; budget: Budget }>("alert-rules", { lang: this.words.language }),
    ]);
    const named = await this.#asked();
    const first = named && !this.#alerts;
    this.#alerts = named ? [named, ...list.items.filter(({ id }) => id !== named.id)] : list.items;
    if (first) void this.#lead(named);
    this.#next = list.next;
    this.#open = list.open;
    this.#manage = list.manage;
    this.#rules = rules.items;
    this.#available = rules.available;
    this.#budget = rules.budget;
    this.tell("alv-alerts", { open: list.open });
  }

  readonly #more = async (): Promise<void> => {
    const page = await this.client.get<{ items: Alert[]; next: string | null }>("alerts", { status: this.#filter, after: this.#next, lang: this.words.language });
    this.#alerts = [...(this.#alerts ?? []), ...page.items.filter(({ id }) => id !== this.#named)];
    this.#next = page.next;
    this.requestUpdate();
  };

  /** The alert that the address names; one that is not there is said, once. */
  async #asked(): Promise<Alert | null> {
    if (!this.#named) return null;
    try {
      return await this.client.get<Alert>(`alerts/${encodeURIComponent(this.#named)}`, { lang: this.words.language });
    } catch (error) {
      const { status, detail } = asProblem(error);
      if (status !== 404) throw error;
      this.said = detail;
      this.#named = "";
      return null;
    }
  }

  /** Take the reader to the alert that was asked for, with its entries open. */
  async #lead(alert: Alert): Promise<void> {
    this.requestUpdate();
    await this.updateComplete;
    const card = this.renderRoot.querySelector<HTMLElement>(`#${CSS.escape(alert.id)}`);
    card?.querySelector("details")?.setAttribute("open", "");
    card?.querySelector<HTMLElement>("h3")?.focus();
  }

  async #show(alert: Alert): Promise<void> {
    if (this.#rows.has(alert.id)) return;
    const asked = alert.entries.slice(-SHOWN).map((index) => this.client.get<Entry>(`entries/${index}`, { lang: this.words.language }).catch(() => null));
    const found = (await Promise.all(asked)).filter((one): one is Entry => one !== null);
    this.#rows.set(alert.id, found.map(({ entry, sentence }) => ({ index: entry.index, at: entry.occurred_at, text: filled(sentence) })));
    this.requestUpdate();
  }

  async #act(act: () => Promise<unknown>, done: string): Promise<void> {
    if (this.busy) return;
    await this.act(act, done);
    await this.load();
    // The button that had the focus may be gone.
    if (!this.shadowRoot?.activeElement) this.focusOn("#alerts");
  }

  // ------------------------------------------------------------------------------------------------------- showing

  /** The sentence of a rule, with its numbers. */
  #spoken({ form, numbers }: Rule): string {
    const known = new Map(numbers.map((one) => [one.name, one]));
    return form.replace(/\{(\w+)\}/g, (_, name: string) => {
      const one = known.get(name);
      return one ? shown(this.words, one.unit === "seconds" ? "span" : one.unit === "share" ? "rare" : name, one.value, "") : name;
    });
  }

  /** Open the editor, fetching its file first, for a rule, for a new one, or for the budget. */
  async #edit(what: Rule | Budget | null): Promise<void> {
    try {
      const file = (await import(beside("rules.js"))) as typeof import("./rules.js");
      for (const text of file.sheets) {
        const sheet = new CSSStyleSheet();
        sheet.replaceSync(text);
        const root = this.renderRoot as ShadowRoot;
        if (!this.#editing) root.adoptedStyleSheets.push(sheet);
        this.#editing = true;
      }
      this.#editor = new file.Editor({
        client: this.client,
        words: this.words,
        clock: this.clock,
        zone: this.shownZone,
        unsaid: () => this.t("unsaid"),
        level: (name) => this.t(`level.${name}`),
        link: (query, text) => this.#link(query, text),
        update: () => this.requestUpdate(),
        close: (said) => {
          this.#editor = null;
          this.said = said;
          void this.load().then(() => this.focusOn("#rules"));
        },
      });
      if (what && "weekly" in what) this.#editor.openBudget(what.weekly);
      else void this.#editor.open(what);
      this.said = "";
    } catch (error) {
      this.said = asProblem(error).detail || this.t("failed");
    }
    this.requestUpdate();
    this.focusOn("#editor");
  }

  protected override render(): TemplateResult {
    return html`<div class="alerts" dir=${this.words.direction} lang=${this.words.language}>
      <header><h1>${this.t("title")}</h1><p>${this.t("about")}</p></header>
      <p class="said" role="status" aria-live="polite">${this.said}</p>
      ${this.#editor?.render() ?? nothing}
      <div class="cols">
        <section aria-labelledby="alerts"><div class="head"><h2 id="alerts" tabindex="-1">${this.t("open.count", { n: this.#open })}</h2>
          <div class="seg" role="group" aria-label=${this.t("filter")}>${FILTERS.map((one) => html`<button aria-pressed=${this.#filter === one} @click=${() => this.#choose(one)}>${this.t(`filter.${one}`)}</button>`)}</div></div>
          ${this.#list()}</section>
        <section aria-labelledby="rules"><div class="head"><h2 id="rules" tabindex="-1">${this.t("rules")}</h2>
          ${this.#available && this.#manage ? html`<button class="btn sm" @click=${() => this.#edit(null)}>${icon("plus")} ${this.t("rules.write")}</button>` : nothing}</div>
          ${this.#available && this.#budget ? html`<p class="budget">${this.t("budget", { n: this.#budget.recent, budget: this.#budget.weekly })}
            ${this.#manage ? html`<button class="lk" @click=${() => this.#edit(this.#budget)}>${this.t("rules.change")}</button>` : nothing}</p>` : nothing}
          ${this.#available ? html`<ul class="rules">${this.#rules.map((rule) => this.#rule(rule))}</ul>` : html`<p class="empty">${this.t("rules.none")}</p>`}</section>
      </div></div>`;
  }

  #choose(filter: (typeof FILTERS)[number]): void {
    this.#filter = filter;
    this.#alerts = null;
    this.#named = "";
    this.requestUpdate();
    void this.load();
  }

  #list(): TemplateResult {
    if (this.problem) return this.failure(this.problem);
    if (!this.#alerts) return html`<p class="empty">${this.t("loading")}</p>`;
    if (!this.#alerts.length) return html`<p class="empty">${this.t(`none.${this.#filter}`)}</p>`;
    // What somebody types stays with its alert, whichever come or go before it.
    return html`<ol>${repeat(this.#alerts, ({ id }) => id, (alert) => this.#alert(alert))}</ol>
      ${this.#next ? html`<button class="btn" @click=${this.#more}>${this.t("more")}</button>` : nothing}`;
  }

  #alert(alert: Alert): TemplateResult {
    const active = alert.status === "open" || alert.status === "acknowledged";
    const why = alert.template ? reason(this.words, alert.template, alert.numbers, this.t("unsaid")) : typeof alert.reason === "string" ? alert.reason : "";
    const hidden = typeof alert.reason !== "string";
    return html`<li class="alert ${alert.level} ${alert.id === this.#named ? "named" : ""}" id=${alert.id}>
      <h3 tabindex="-1"><bdi>${alert.title}</bdi></h3>
      <p class="tags"><span class="tag ${alert.level}">${this.t(`level.${alert.level}`)}</span>${alert.status === "open" ? nothing : html`<span class="tag">${this.t(`status.${alert.status}`)}</span>`}
        ${alert.verdict ? html`<span class="tag">${this.t(`verdict.${alert.verdict}`)}</span>` : nothing}
        <time datetime=${alert.last_at}>${this.clock.full(alert.last_at)}</time>${alert.times > 1 ? html`<span>${this.t("times", { n: alert.times })}</span>` : nothing}
        ${alert.person ? html`<span><bdi>${alert.person.name ?? alert.person.id}</bdi></span>` : nothing}</p>
      ${why ? html`<p class="why" lang=${alert.template ? this.words.language : "en"}>${alert.template ? why : html`<bdi>${why}</bdi>`}</p>` : html`<p class="why dim">${this.t(hidden ? "hidden" : "erased")}</p>`}
      ${[alert.acknowledged, alert.resolved].map((act) => (act ? this.#done(act) : nothing))}
      <details @toggle=${(event: Event) => (event.target as HTMLDetailsElement).open && void this.#show(alert)}>
        <summary>${this.t("evidence", { n: alert.entries.length })}</summary>
        <ol class="rows">${(this.#rows.get(alert.id) ?? []).map((row) => html`<li><time datetime=${row.at}>${this.clock.full(row.at)}</time> ${this.#link(`?range=all&entry=${row.index}`, row.text)}</li>`)}</ol>
        ${this.log && alert.entries.length ? html`<p>${this.#link(`?range=all&q=${encodeURIComponent(`index:${these(alert.entries)}`)}`, this.t("log"))} · ${this.#link(`?range=all&story=entry:${alert.index}`, this.t("story"))}</p>` : nothing}
        <dl>${alert.respond ? html`<dt>${this.t("respond")}</dt><dd>${alert.respond}</dd>` : nothing}
          ${alert.harmless.length ? html`<dt>${this.t("harmless")}</dt>${alert.harmless.map((one) => html`<dd>${one}</dd>`)}` : nothing}</dl>
      </details>
      ${active && this.#manage ? this.#form(alert) : nothing}</li>`;
  }

  #done({ at, by, note }: Act): TemplateResult {
    return html`<p class="act">${this.t("done", { who: by.name ?? by.id, at: this.clock.full(at) })}${note ? html` <q><bdi>${note}</bdi></q>` : nothing}</p>`;
  }

  #link(query: string, text: unknown): TemplateResult {
    return this.log ? html`<a href=${this.log + query}><bdi>${text}</bdi></a>` : html`<bdi>${text}</bdi>`;
  }

  #form(alert: Alert): TemplateResult {
    const note = (): string => (this.renderRoot.querySelector<HTMLInputElement>(`#note-${alert.id}`)?.value ?? "").trim();
    const send = (path: string, body: object, done: AlertKey): void => void this.#act(() => this.client.post(`alerts/${alert.id}/${path}`, { note: note(), ...body }), this.t(done));
    return html`<div class="acts" role="group" aria-label=${this.t("acts", { title: alert.title })}>
      <label class="sr" for="note-${alert.id}">${this.t("note")}</label>
      <input id="note-${alert.id}" type="text" maxlength="1000" autocomplete="off" placeholder=${this.t("note")}>
      ${alert.status === "open" ? html`<button class="btn p sm" ?disabled=${this.busy} @click=${() => send("acknowledge", {}, "acknowledged")}>${this.t("acknowledge")}</button>` : nothing}
      ${VERDICTS.map((verdict) => html`<button class="btn sm" ?disabled=${this.busy} @click=${() => send("resolve", { verdict }, "resolved")}>${this.t(`say.${verdict}`)}</button>`)}
      ${alert.person ? html`<button class="btn q sm" ?disabled=${this.busy} @click=${() => send("mute", { days: MUTE_DAYS }, "muted")}>${this.t("mute", { n: MUTE_DAYS })}</button>` : nothing}</div>`;
  }

  #rule(rule: Rule): TemplateResult {
    const form = this.#spoken(rule);
    const turn = (): void => void this.#act(() => this.client.post(`alert-rules/${rule.name}`, { active: !rule.active }, "PUT"), this.t("switched"));
    return html`<li><div><span id="rule-${rule.name}"><bdi>${rule.title}</bdi></span>${form ? html`<p class="form">${form}</p>` : nothing}
      <small>${this.t(`level.${rule.level}`)} · ${rule.own ? `${this.t("rules.own")} · ` : ""}${rule.recent ? this.t("recent", { n: rule.recent }) : this.t("recent.none")}${rule.mutes.map((mute) => html`<br>${this.t("muted.until", { who: mute.person.name ?? mute.person.id, at: this.clock.full(mute.until) })}`)}
      ${rule.failed ? html`<br><span class="bad">${this.t("broken")}: <bdi lang="en">${rule.failed}</bdi></span>` : nothing}</small>
      ${this.#manage && (rule.own ? rule.text !== null : rule.numbers.length > 0) ? html`<button class="lk" aria-label=${this.t("rules.change.of", { title: rule.title })} @click=${() => this.#edit(rule)}>${this.t("rules.change")}</button>` : nothing}</div>
      ${rule.always
        ? html`<span class="tag">${this.t("always")}</span>`
        : html`<button class="switch" role="switch" aria-checked=${rule.active} aria-labelledby="rule-${rule.name}" ?disabled=${!this.#manage || this.busy} @click=${turn}><span></span></button>`}</li>`;
  }
}

/** Exactly these entries, as a value of the query language. */
function these(entries: readonly number[]): string {
  const [first = 0, last = 0] = [entries[0], entries.at(-1)];
  return last - first > 1 && last - first === entries.length - 1 ? `${first}..${last}` : entries.join();
}

/** A sentence as plain text. */
function filled({ template, parts }: Entry["sentence"]): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => parts[name]?.text ?? "");
}

customElements.define("audit-log-alerts", AuditLogAlerts);
