// The editor of the custom range: typed from and to, two months to pick from, the zone stated. A day is chosen whole;
// a typed moment to the minute. `until` is shown inclusive for days and stored exclusive.

import { html, nothing, type TemplateResult } from "lit";
import type { Host } from "../lib/host.js";
import { icon } from "../lib/icons.js";
import { dayKey, instant, midnight, understand, utc, wall } from "../lib/time.js";
import { edge } from "../lib/types.js";
import type { Range } from "../lib/url.js";
import { span } from "./feed.js";

interface Month {
  year: number;
  month: number;
}

export class Dates {
  readonly #host: Host;
  readonly #done: () => void;
  #from = "";
  #to = "";
  #month: Month = { year: 2000, month: 1 };
  /** The day that arrow keys start from. */
  #focus = "";
  #wrong: "from" | "to" | "order" | null = null;

  constructor(host: Host, done: () => void) {
    this.#host = host;
    this.#done = done;
  }

  /** Take up the range that is active. */
  start(): void {
    const { state, clock } = this.#host;
    const { since, until } = span(state, clock.zone);
    this.#from = since === null ? "" : this.#write(since);
    this.#to = until === null ? "" : this.#write(until, true);
    this.#wrong = null;
    this.#look(this.#to ? (until as number) - 1 : this.#host.clock.now());
  }

  /** Show the month of an instant at the right. */
  #look(at: number): void {
    const { year, month } = wall(Math.min(at, this.#host.clock.now()), this.#host.clock.zone);
    this.#focus = dayKey(Math.min(at, this.#host.clock.now()), this.#host.clock.zone);
    this.#month = shift({ year, month }, this.#host.narrow ? 0 : -1);
  }

  #write(at: number, end = false): string {
    const { zone } = this.#host.clock;
    if (at === midnight(at, zone)) return dayKey(end ? at - 1 : at, zone);
    const { hour, minute } = wall(at, zone);
    return `${dayKey(at, zone)} ${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")}`;
  }

  render(): TemplateResult {
    const { words, clock, narrow, state } = this.#host;
    const preset = (range: Range): TemplateResult =>
      html`<button type="button" class="chip ${state.range === range ? "sel" : ""}" aria-pressed=${state.range === range} @click=${() => this.#preset(range)}>${words.t(`range.${range as "7d"}`)}</button>`;
    return html`<form class="dates" @submit=${this.#apply}>
      <div class="quick">${(narrow ? ["7d", "30d", "90d", "all"] : ["90d", "all"]).map((range) => preset(range as Range))}
        ${(["today", "yesterday"] as const).map((day) => html`<button type="button" class="chip" @click=${() => this.#day(day)}>${words.t(`range.${day}`)}</button>`)}</div>
      <div class="two">${this.#field("from", this.#from)}<span aria-hidden="true">–</span>${this.#field("to", this.#to)}</div>
      ${this.#wrong ? html`<p class="wrong" role="alert" id="dates-wrong">${icon("warn", "s")}${words.t(this.#wrong === "order" ? "dates.order" : "dates.wrong")}</p>` : html`<p class="hint">${words.t("dates.hint")}</p>`}
      <div class="months" @keydown=${this.#keys}>
        <button type="button" class="btn q ic pv" aria-label=${words.t("dates.before")} @click=${() => this.#turn(-1)}>${icon("left")}</button>
        ${this.#grid(this.#month)}${narrow ? nothing : this.#grid(shift(this.#month, 1))}
        <button type="button" class="btn q ic nx" aria-label=${words.t("dates.after")} @click=${() => this.#turn(1)}>${icon("right")}</button>
      </div>
      <div class="pf"><span class="hint">${icon("clock", "s")}${words.t("dates.zone", { zone: clock.zoneText() })}</span><span class="sp"></span>
        ${narrow ? nothing : html`<button type="button" class="btn" @click=${this.#done}>${words.t("cancel")}</button>`}<button class="btn ${narrow ? "" : "p"}">${words.t("dates.apply")}</button></div>
    </form>`;
  }

  #field(name: "from" | "to", value: string): TemplateResult {
    const wrong = this.#wrong === name;
    const set = (event: InputEvent): void => {
      const typed = (event.target as HTMLInputElement).value;
      if (name === "from") this.#from = typed;
      else this.#to = typed;
      const understood = understand(typed, this.#host.clock.now(), this.#host.clock.zone);
      if (understood) this.#look(understood.since);
      this.#wrong = null;
      this.#host.requestUpdate();
    };
    return html`<label>${this.#host.words.t(`dates.${name}`)}<input type="text" ?data-first=${name === "from" && !this.#host.narrow} autocomplete="off" spellcheck="false" .value=${value} aria-invalid=${wrong} aria-describedby=${wrong ? "dates-wrong" : ""} @input=${set}></label>`;
  }

  #grid({ year, month }: Month): TemplateResult {
    const { words, clock, retention } = this.#host;
    const { zone, locale } = clock;
    const first = firstDay(locale);
    const lead = (new Date(Date.UTC(year, month - 1, 1)).getUTCDay() + 6 - first + 7) % 7;
    const days = new Date(Date.UTC(year, month, 0)).getUTCDate();
    const today = dayKey(this.#host.clock.now(), zone);
    const oldest = dayKey(edge(retention), zone);
    const [from, to] = this.#days();
    const cell = (day: number): unknown => {
      if (day < 1 || day > days) return html`<td></td>`;
      const at = instant({ year, month, day, hour: 12, minute: 0, second: 0 }, zone);
      const key = dayKey(at, zone);
      const gone = edge(retention) > 0 && key < oldest;
      const kind = `${key === from ? "a " : ""}${key === to ? "z " : ""}${from && to && key >= from && key <= to ? "in " : ""}${key === today ? "now " : ""}${gone ? "gone" : ""}`;
      const label = `${clock.as("day", at)}${gone ? `, ${words.t("dates.gone")}` : ""}`;
      return html`<td><button type="button" class=${kind} data-day=${key} aria-label=${label} aria-pressed=${key === from || key === to} title=${gone ? words.t("dates.gone") : nothing}
        tabindex=${key === this.#focus ? 0 : -1} ?disabled=${key > today} @click=${() => this.#pick(key)}>${day}</button></td>`;
    };
    const weeks = Math.ceil((lead + days) / 7);
    return html`<table class="mon"><caption>${clock.as("month", instant({ year, month, day: 15, hour: 12, minute: 0, second: 0 }, zone))}</caption>
      <thead><tr>${clock.weekdays(first).map(({ slim, whole }) => html`<th scope="col" aria-label=${whole}>${slim}</th>`)}</tr></thead>
      <tbody>${Array.from({ length: weeks }, (_, week) => html`<tr>${Array.from({ length: 7 }, (_, n) => cell(week * 7 + n - lead + 1))}</tr>`)}</tbody></table>`;
  }

  /** The days that from and to lie in, as far as they are understood. */
  #days(): [string, string] {
    const { zone } = this.#host.clock;
    const now = this.#host.clock.now();
    const from = understand(this.#from, now, zone);
    const to = understand(this.#to, now, zone);
    return [from ? dayKey(from.since, zone) : "", to ? dayKey(to.until - 1, zone) : ""];
  }

  /** The first click begins a range, the second ends it, in either order. */
  #pick(key: string): void {
    const [from, to] = this.#days();
    if (!from || to) [this.#from, this.#to] = [key, ""];
    else if (key < from) [this.#from, this.#to] = [key, from];
    else this.#to = key;
    this.#focus = key;
    this.#wrong = null;
    this.#host.requestUpdate();
  }

  #turn(step: number): void {
    this.#month = shift(this.#month, step);
    this.#focus = `${this.#month.year}-${String(this.#month.month).padStart(2, "0")}-01`;
    this.#host.requestUpdate();
  }

  #preset(range: Range): void {
    this.#host.go({ range, since: null, until: null });
    this.#done();
  }

  #day(said: string): void {
    this.#from = this.#to = said;
    this.#apply();
  }

  readonly #apply = (event?: Event): void => {
    event?.preventDefault();
    const { zone } = this.#host.clock;
    const now = this.#host.clock.now();
    const from = this.#from.trim() ? understand(this.#from, now, zone) : null;
    const to = this.#to.trim() ? understand(this.#to, now, zone) : null;
    this.#wrong = this.#from.trim() && !from ? "from" : this.#to.trim() && !to ? "to" : from && to && from.since >= to.until ? "order" : null;
    if (this.#wrong) return this.#host.requestUpdate();
    this.#host.go({ range: from || to ? "custom" : "all", since: from && utc(from.since), until: to && utc(to.until) });
    this.#done();
  };

  readonly #keys = (event: KeyboardEvent): void => {
    const on = this.#host.words.direction === "rtl" ? -1 : 1;
    const step = { ArrowLeft: -on, ArrowRight: on, ArrowUp: -7, ArrowDown: 7, PageUp: -30, PageDown: 30 }[event.key];
    const day = (event.target as HTMLElement).dataset.day;
    if (!step || !day) return;
    const { zone } = this.#host.clock;
    const [year, month, date] = day.split("-").map(Number) as [number, number, number];
    const noon = { year, month, day: date, hour: 12, minute: 0, second: 0 };
    const moved = Math.abs(step) === 30 ? { ...noon, month: month + Math.sign(step) } : { ...noon, day: date + step };
    const at = Math.min(instant(moved, zone), this.#host.clock.now());
    this.#focus = dayKey(at, zone);
    const there = wall(at, zone);
    const right = this.#host.narrow ? this.#month : shift(this.#month, 1);
    const shown = [this.#month, right].some((one) => one.year === there.year && one.month === there.month);
    if (!shown) this.#month = step > 0 && !this.#host.narrow ? shift(there, -1) : { year: there.year, month: there.month };
    this.#host.requestUpdate();
    void this.#host.updateComplete.then(() => this.#host.renderRoot.querySelector<HTMLElement>(`[data-day="${this.#focus}"]`)?.focus());
    event.preventDefault();
    event.stopPropagation();
  };
}

function shift({ year, month }: Month, by: number): Month {
  const moved = new Date(Date.UTC(year, month - 1 + by, 1));
  return { year: moved.getUTCFullYear(), month: moved.getUTCMonth() + 1 };
}

/** Days after Monday that a week begins in a locale: 0 for Monday, 6 for Sunday. */
function firstDay(locale: string): number {
  const info = new Intl.Locale(locale) as Intl.Locale & { getWeekInfo?: () => { firstDay: number }; weekInfo?: { firstDay: number } };
  return (info.getWeekInfo?.() ?? info.weekInfo ?? { firstDay: 1 }).firstDay - 1;
}
