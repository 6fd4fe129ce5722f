// The list: days as headings, entries as items with one link each, one tab stop in all, runs folded.

import { html, nothing, type TemplateResult } from "lit";
import { guard } from "lit/directives/guard.js";
import { repeat } from "lit/directives/repeat.js";
import type { Host } from "../lib/host.js";
import { icon } from "../lib/icons.js";
import { fold, type Run } from "../lib/fold.js";
import { capital, ms } from "../lib/format.js";
import { midnight } from "../lib/time.js";
import type { Summary } from "../lib/types.js";
import { filterKey } from "../lib/url.js";
import { MOST, span, type Feed } from "./feed.js";
import { link, row } from "./row.js";

/** Pixels that a row is high at least, and about as many above the first; how few rows are worth no second drawing. */
const LEAST = 48;
const HEAD = 280;
const FEW = 8;

interface Day {
  at: number;
  runs: Run[];
}

export class List {
  /** The entry that holds the tab stop. */
  current: number | null = null;
  readonly #host: Host;
  readonly #feed: Feed;
  readonly #unfolded = new Set<number>();
  #groups: { items: Summary[] | null; zone: string; days: Day[] } = { items: null, zone: "", days: [] };
  readonly #open: (item: Summary) => void;

  constructor(host: Host, feed: Feed, open: (item: Summary) => void) {
    this.#host = host;
    this.#feed = feed;
    this.#open = open;
  }

  /** The entry next to a given one in the list, in its order; undefined at the ends. */
  neighbour(index: number, step: 1 | -1): Summary | undefined {
    const { items } = this.#feed;
    const at = items.findIndex((item) => item.index === index);
    return at < 0 ? undefined : items[at + step];
  }

  /** Move the tab stop among the rows that are shown. */
  move(step: 1 | -1): void {
    const rows = [...this.#host.renderRoot.querySelectorAll<HTMLElement>(".row[data-index]")];
    const at = rows.findIndex(({ dataset }) => Number(dataset.index) === this.current);
    const onRow = rows.some((one) => one.contains((this.#host.renderRoot as ShadowRoot).activeElement));
    const next = rows[onRow ? at + step : Math.max(at, 0)];
    if (!next) return;
    this.focus(Number(next.dataset.index));
    if (step === 1 && rows.indexOf(next) > rows.length - 3) void this.#feed.extend();
  }

  focus(index: number): void {
    this.current = index;
    this.#host.requestUpdate();
    this.link(index)?.focus();
  }

  /** What scrolls: the list, or the whole page where there is little room. */
  get scroller(): Element | undefined {
    const boxes = [".list", ".page"].flatMap((name) => [...this.#host.renderRoot.querySelectorAll(name)]);
    return boxes.find((box) => getComputedStyle(box).overflowY === "auto");
  }

  link(index: number): HTMLElement | null {
    return this.#host.renderRoot.querySelector(`.row[data-index="${index}"] .hit`);
  }

  render(): TemplateResult {
    const { words } = this.#host;
    const { skeleton, busy, brief } = this.#feed;
    if (skeleton) return this.#skeleton();
    const items = brief ? this.#feed.items.slice(0, Math.max(FEW, Math.ceil((innerHeight - HEAD) / LEAST))) : this.#feed.items;
    return html`<div class="list ${busy ? "dim" : ""}" role="region" aria-label=${words.t("list.label")} aria-busy=${busy} tabindex="-1">
      ${items.length ? this.#days(items) : nothing}
      ${!brief && (items.length || this.#feed.next) ? this.#end() : nothing}
    </div>`;
  }

  /** Runs by day; worked out once per list and zone, for drawing happens far more often. */
  #grouped(items: Summary[]): Day[] {
    const { zone } = this.#host.clock;
    if (this.#groups.items === items && this.#groups.zone === zone) return this.#groups.days;
    const days: Day[] = [];
    let from = Infinity;
    for (const run of fold(items)) {
      const at = ms(run.head.occurred_at);
      if (at < from) {
        from = midnight(at, zone);
        days.push({ at, runs: [] });
      }
      days.at(-1)?.runs.push(run);
    }
    this.#groups = { items, zone, days };
    return days;
  }

  #days(items: Summary[]): unknown {
    const days = this.#grouped(items);
    const selected = this.#host.state.entry;
    const key = filterKey(this.#host.state);
    const isSelected = (item: Summary): boolean => selected === String(item.index) || selected === item.id;
    if (!items.some(({ index }) => index === this.current)) this.current = (items.find(isSelected) ?? items[0])?.index ?? null;
    // Keyed, so that what comes in at the top leaves every other row as it is.
    return repeat(
      days,
      (day) => day.at,
      (day, at) => html`<h2 class="day">${this.#dayName(day.at)}${at ? nothing : this.#zone(day.at)}</h2>
        <ol>${repeat(day.runs, ({ head }) => head.index, (run) => this.#run(run, isSelected, key))}</ol>`,
    );
  }

  #run(run: Run, isSelected: (item: Summary) => boolean, key: string): unknown {
    const { head, rest, why } = run;
    const open = this.#unfolded.has(head.index);
    const toggle = (): void => {
      if (!this.#unfolded.delete(head.index)) this.#unfolded.add(head.index);
      this.#host.requestUpdate();
    };
    const one = (item: Summary, member: boolean): unknown => {
      const current = item.index === this.current;
      const count = why && !member ? rest.length + 1 : 0;
      const folded = count && why ? { count, open, why, toggle } : null;
      // A folded row says what its members have to say; all of them are asked about.
      const alerts = [item, ...(open || member ? [] : rest)].map(({ index }) => this.#host.resting(index)).find(Boolean);
      const state = { selected: isSelected(item) || (!open && !member && rest.some(isSelected)), current, member, fresh: this.#feed.fresh.has(item.index), fold: folded, alerts, open: this.#open };
      const { clock, words } = this.#host;
      return guard([item, state.selected, current, state.fresh, count, open, alerts, clock, words, key], () => row(this.#host, item, state));
    };
    return [one(head, false), open ? rest.map((item) => one(item, true)) : nothing];
  }

  #dayName(at: number): unknown {
    const { clock } = this.#host;
    const { zone } = clock;
    const back = [0, -1].find((days) => midnight(at, zone) === midnight(clock.now(), zone, days));
    return back === undefined
      ? html`${capital(clock.as("weekday", at))} <span>${clock.as("monthDay", at)}</span>`
      : html`${capital(clock.relative(back, "day"))} <span>${clock.as(this.#host.narrow ? "slimDay" : "day", at)}</span>`;
  }

  #zone(at: number): TemplateResult {
    const { clock, words, nextZone } = this.#host;
    return html`<button class="z" title=${words.t(`zone.${nextZone}`)} @click=${() => this.#host.turnZone()}>
      ${icon("clock", "s")}<bdi>${clock.zoneText(at)}</bdi></button>`;
  }

  #end(): unknown {
    const { words, clock, retention, state } = this.#host;
    const { next, more, items, before } = this.#feed;
    const last = items.at(-1);
    const older = (): void => void (items.length < MOST ? this.#feed.extend() : this.#feed.load(next).then(() => this.top()));
    if (next) {
      const label = more === "busy" ? words.t("list.loading") : more === "failed" ? words.t("list.failed") : words.t("list.older");
      const full = items.length >= MOST && last !== undefined;
      return html`<p class="end">${full ? words.t("list.most", { n: before + items.length }) : nothing}
        ${link(this.#host, {}, full ? words.t("list.continue", { time: clock.as("short", last.occurred_at) }) : label, older)}</p>`;
    }
    const purge = retention?.purges[0];
    const since = span(state, clock.zone).since;
    if (!purge?.until || (since !== null && since > ms(purge.until))) return nothing;
    const entries = retention?.purges.reduce((sum, one) => sum + (one.entries ?? 0), 0) ?? 0;
    return html`<p class="end">${words.tx("list.purged", {
      n: entries,
      until: clock.as("date", purge.until),
      link: link(this.#host, { entry: String(purge.index), tab: "changes" }, words.t("list.purge")),
    })}</p>`;
  }

  /** To the newest entry. */
  top(): void {
    this.scroller?.scrollTo({ top: 0 });
    const first = this.#feed.items[0];
    if (first) void this.#host.updateComplete.then(() => this.focus(first.index));
  }

  #skeleton(): TemplateResult {
    return html`<div class="list" role="status" aria-label=${this.#host.words.t("list.loading")}>
      ${Array.from({ length: 9 }, () => html`<div class="row bone" aria-hidden="true"><i></i><span class="k"></span><div class="m"><i></i><i></i></div><i class="src"></i><i class="code"></i></div>`)}
    </div>`;
  }
}
