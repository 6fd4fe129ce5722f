// The card above the list: how much of what happened when. Drawn by hand, stacked by kind, with a table as its twin.

import { html, nothing, svg, type TemplateResult } from "lit";
import { guard } from "lit/directives/guard.js";
import { isAbort } from "../lib/api.js";
import { ms } from "../lib/format.js";
import type { Host } from "../lib/host.js";
import { icon } from "../lib/icons.js";
import type { Key } from "../lib/i18n.js";
import { chosen, toggled } from "../lib/query.js";
import { DAY, midnight, utc } from "../lib/time.js";
import { edge, KINDS, type Count, type Facets, type Histogram, type Kind } from "../lib/types.js";
import { filterKey } from "../lib/url.js";
import { filters, span } from "./feed.js";

/** From the base of a bar to its top: the commonest below, so that the rare ones stand out. */
const STACK: readonly Kind[] = ["update", "create", "status", "security", "delete"];
export const BUCKETS = 60;
const ACTORS = 200;
/** Who is counted in the line beside the total. */
const GROUPS: [Key, string][] = [["count.people", "user"], ["count.auto", "system scheduler"], ["count.keys", "api_key"]];

interface Bar {
  start: number;
  end: number;
  counts: Partial<Record<Kind, number>>;
  /** How many of them were refused. */
  denied: number;
  n: number;
}

/** The smallest round number that is not less: 1, 2 or 5 times a power of ten, at least 2. */
export function ceiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return Math.max(2, ([1, 2, 5].find((step) => step * power >= value) ?? 10) * power);
}

export class Activity {
  /** What the third file says below the bars. */
  under: (() => unknown) | null = null;
  /** A hand is marking bars. */
  dragging = false;
  #bars: Bar[] = [];
  #data: Histogram | null = null;
  #people: Facets | null = null;
  /** The filters that were counted. */
  #of = "";
  #fault = false;
  #width = 0;
  #plotted: HTMLElement | null = null;
  readonly #sizes = new ResizeObserver(([plot]) => this.#set(() => (this.#width = Math.round(plot?.contentRect.width ?? 0))));
  readonly #host: Host;
  #abort: AbortController | null = null;
  #hover: number | null = null;
  #from: number | null = null;
  #to = 0;
  #table = false;

  constructor(host: Host) {
    this.#host = host;
  }

  async load(): Promise<void> {
    this.stop();
    const { signal } = (this.#abort = new AbortController());
    const { client, state, clock, labels } = this.#host;
    const take = <T>(path: string, more: Record<string, string | number>): Promise<T | null> =>
      client.get<T>(path, { ...filters(state, clock.zone), ...more }, signal).catch((error: unknown) => {
        if (isAbort(error)) throw error;
        this.#fault = true;
        return null;
      });
    this.#fault = false;
    const of = filterKey(state);
    try {
      const asked = [take<Histogram>("histogram", { buckets: BUCKETS }), take<Facets>("facets", { field: "actor", limit: ACTORS })] as const;
      [this.#data, this.#people] = await Promise.all(asked);
    } catch {
      return; // A newer question took over.
    }
    this.#of = of;
    this.#bars = (this.#data?.buckets ?? []).map(({ start, end, counts, denied = 0 }) => ({
      start: ms(start), end: ms(end), counts, denied, n: KINDS.reduce((sum, kind) => sum + (counts[kind] ?? 0), 0),
    }));
    for (const { value, label } of this.#people?.values ?? []) labels.name(value, label);
    this.#set(() => (this.#from = this.#hover = null));
  }

  /** How many entries there are as far as the bars know, which look further than counting does; null before that. */
  get total(): Count | null {
    if (!this.#data || this.#of !== filterKey(this.#host.state)) return null;
    const { exact = false, total } = this.#data;
    const value = this.#bars.reduce((sum, { n }) => sum + n, 0);
    return exact || (!total.exact && value > total.value) ? { value, exact } : total;
  }

  /** Count again, unless somebody is reading a bar or has marked some. */
  async reload(): Promise<void> {
    if (this.#hover === null && this.#from === null) await this.load();
  }

  stop(): void {
    this.#abort?.abort();
  }

  /** The card; `told` when the list already says what went wrong. */
  render(told: boolean): unknown {
    const { words, clock, narrow, state } = this.#host;
    const total = this.total ?? this.#data?.total;
    if ((total && !total.value) || (!this.#data && this.#fault && told)) return nothing;
    const flip = words.t(this.#table ? "chart.bars" : "chart.table");
    return html`<section class="histo" part="histogram" aria-label=${words.t("chart.title")}>
      <div class="hh"><b class="num">${total ? words.t(total.exact ? "count.entries" : "count.more", { n: total.value }) : "\u00a0"}</b>
        <span class="tot num">${guard([this.#data, this.#people, words, clock, narrow, filterKey(state)], () => this.#subline())}</span>
        <div class="leg" role="group" aria-label=${words.t("chart.kinds")} ?inert=${this.#host.covered}>${KINDS.map((kind) => this.#legend(kind))}
          <button class="tw" aria-pressed=${this.#table} aria-label=${flip} title=${flip} @click=${() => this.#set(() => (this.#table = !this.#table))}>${icon(this.#table ? "bars" : "table", "s")}</button></div></div>
      ${!this.#data && this.#fault ? html`<p class="note">${words.t("chart.failed")}</p>` : this.#table ? this.#twin() : this.#plot()}
    </section>`;
  }

  /** After drawing: the hover card over its bucket, and an eye on how wide there is to draw. */
  placed(): void {
    const plot = this.#host.renderRoot.querySelector<HTMLElement>(".pw");
    const tip = plot?.querySelector<HTMLElement>(".tip");
    if (tip && this.#hover !== null) tip.style.left = `${Math.max(0, Math.min((this.#hover + 0.5) * this.#step - 90, this.#width - 190))}px`;
    if (plot === this.#plotted) return;
    // The browser tells the width when it has laid the page out; asking for it would make it do so at once.
    this.#sizes.disconnect();
    if (plot) this.#sizes.observe(plot);
    this.#plotted = plot;
  }

  /** Pixels from bar to bar; the numbers of the axis stand at the right. */
  get #step(): number {
    return (this.#width - (this.#host.narrow ? 28 : 34)) / (this.#bars.length || 1);
  }

  #subline(): string {
    const { clock, words, state, narrow } = this.#host;
    const { since, until } = span(state, clock.zone);
    const [from, to] = [since ?? this.#bars[0]?.start, until ?? this.#bars.at(-1)?.end];
    const parts = from && to ? [clock.range(from, to)] : [];
    const actors = this.#people?.exact && this.#people.values.length < ACTORS && !narrow ? this.#people.values : [];
    for (const [key, types] of GROUPS) {
      const n = actors.filter(({ type }) => type && types.includes(type)).length;
      if (n) parts.push(words.t(key, { n }));
    }
    return parts.join(" · ");
  }

  #legend(kind: Kind): unknown {
    const { state, words, labels } = this.#host;
    const n = this.#data?.kinds[kind] ?? 0;
    const on = chosen(state.chips, "kind").includes(kind);
    return n || on
      ? html`<button class=${kind} aria-pressed=${on} @click=${() => this.#host.go({ chips: toggled(state.chips, "kind", kind) })}><i></i>${labels.kind(words, kind)} <em class="num">${words.n(n)}</em></button>`
      : nothing;
  }

  #plot(): TemplateResult {
    const { clock, words, narrow, retention } = this.#host;
    const height = narrow ? 56 : 78;
    const hover = this.#hover === null ? undefined : this.#bars[this.#hover];
    return html`<div class="pw" dir="ltr" tabindex="0" role="group" aria-label=${guard([this.#bars, clock, words], () => this.#sentence())} @keydown=${this.#keys} @dblclick=${this.zoom}
        @pointerdown=${this.#down} @pointermove=${this.#moved} @pointerup=${() => this.#set(() => (this.dragging = false))} @pointerleave=${this.#leave} @focusout=${this.#leave}>
        <svg class="plot" viewBox="0 0 ${this.#width || 1} ${height}" aria-hidden="true">${this.#width && this.#data ? guard([this.#bars, this.#width, this.#hover, this.#from, this.#to, narrow, retention, clock], () => this.#drawing(height)) : nothing}</svg>
        <div class="tip" dir=${words.direction} aria-live="polite" ?hidden=${!hover}>${hover ? this.#card(hover) : nothing}</div>
        <span class="sr">${this.#host.words.t("chart.keys")}</span></div>
      <div class="expl">${this.under?.() ?? nothing}</div>`;
  }

  #drawing(height: number): unknown {
    const { retention, clock, narrow } = this.#host;
    const floor = height - 16;
    const step = this.#step;
    const plot = step * this.#bars.length;
    const gap = narrow ? 1 : Math.min(2, step / 4);
    const top = ceiling(Math.max(0, ...this.#bars.map(({ n }) => n)));
    const y = (value: number): number => floor * (1 - value / top);
    const box = (of: string, x: number, up: number, width: number, tall: number, rx: number): unknown =>
      svg`<rect class=${of} x=${x.toFixed(1)} y=${up.toFixed(1)} width=${width.toFixed(1)} height=${tall.toFixed(1)} rx=${rx}></rect>`;
    const begin = this.#bars.findIndex(({ n, end }) => n || end > edge(retention));
    const gone = (begin < 0 ? this.#bars.length : begin) * step;
    const [from, to] = this.#range() ?? [0, -1];
    return [
      [0, top / 2, top].map((value) => svg`<line class="ax" x1="0" x2=${plot} y1=${y(value)} y2=${y(value)}></line>${value ? svg`<text x=${plot + 8} y=${y(value) + 4}>${value < 1000 ? value : `${value / 1000}k`}</text>` : nothing}`),
      gone ? svg`<defs><pattern id="gone" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path d="M0 0v7" class="ht"></path></pattern></defs>${box("gone", 0, 0, gone, floor, 0)}` : nothing,
      this.#bars.map(({ counts }, at) => {
        let below = 0;
        return STACK.map((kind) => {
          const n = counts[kind];
          if (!n) return nothing;
          const upper = y(below + n);
          const tall = Math.max(0.8, y(below) - upper - 0.6);
          below += n;
          return box(`b ${kind}`, at * step + gap / 2, upper, Math.max(1.5, step - gap), tall, 1.5);
        });
      }),
      this.#bars.map(({ denied }, at) => (denied ? box("den", at * step + gap / 2, floor + 1, Math.max(1.5, step - gap), 2, 0) : nothing)),
      this.#marks().map((at) => svg`<text x=${at * step + 2} y=${height - 2}>${clock.as(this.#form(), this.#bars[at]?.start ?? 0)}</text>`),
      this.#hover === null ? nothing : box("hv", this.#hover * step, -3, step, floor + 4, 4),
      to < from ? nothing : box("brush", from * step - 1, -3, (to - from + 1) * step + 2, floor + 5, 5),
    ];
  }

  get #length(): number {
    return (this.#bars.at(-1)?.end ?? 0) - (this.#bars[0]?.start ?? 0);
  }

  #form(): "hour" | "number" | "axisDate" | "axisDay" {
    return this.#length < 2 * DAY ? "hour" : this.#host.narrow ? "number" : this.#length > 15 * DAY ? "axisDate" : "axisDay";
  }

  /** The bars that are labelled: where a day begins, or any in a chart of hours; as many as there is room for. */
  #marks(): number[] {
    const { zone } = this.#host.clock;
    const days = this.#form() === "hour" ? this.#bars.map((_, at) => at) : this.#bars.flatMap(({ start }, at) => (!at || midnight(start, zone) > (this.#bars[at - 1] as Bar).start ? [at] : []));
    const every = Math.ceil((days.length * (this.#host.narrow ? 34 : 64)) / this.#width);
    return days.filter((_, n) => n % every === 0);
  }

  #sentence(): string {
    const { words, clock } = this.#host;
    const [first, ...rest] = this.#bars;
    if (!first) return words.t("chart.title");
    const most = rest.reduce((best, bar) => (bar.n > best.n ? bar : best), first);
    return words.t("chart.sentence", { range: clock.range(first.start, (rest.at(-1) ?? first).end), peak: this.#when(most), n: most.n });
  }

  #when({ start, end }: { start: number; end: number }): string {
    return this.#host.clock.range(start, end);
  }

  #card(bar: Bar): unknown {
    const { words, labels } = this.#host;
    return html`<b class="num">${this.#when(bar)}</b><span class="num">${words.t("count.entries", { n: bar.n })}</span>
      ${KINDS.map((kind) => (bar.counts[kind] ? html`<span class="ln ${kind}"><i></i>${labels.kind(words, kind)}<em class="num">${words.n(bar.counts[kind])}</em></span>` : nothing))}
      ${bar.denied ? html`<span class="ln den"><i></i>${words.t("outcome.denied")}<em class="num">${words.n(bar.denied)}</em></span>` : nothing}`;
  }

  #twin(): TemplateResult {
    const { words, labels } = this.#host;
    const kinds = KINDS.filter((kind) => this.#data?.kinds[kind]);
    const denied = this.#bars.some((bar) => bar.denied);
    return html`<div class="twin" tabindex="0" role="group" aria-label=${words.t("chart.title")}><table>
      <thead><tr><th scope="col">${words.t("chart.when")}</th>${kinds.map((kind) => html`<th scope="col">${labels.kind(words, kind)}</th>`)}${denied ? html`<th scope="col">${words.t("outcome.denied")}</th>` : nothing}<th scope="col">${words.t("chart.all")}</th></tr></thead>
      <tbody class="num">${this.#bars.map((bar) => (bar.n ? html`<tr><th scope="row">${this.#when(bar)}</th>${kinds.map((kind) => html`<td>${words.n(bar.counts[kind] ?? 0)}</td>`)}${denied ? html`<td>${words.n(bar.denied)}</td>` : nothing}<td>${words.n(bar.n)}</td></tr>` : nothing))}</tbody>
    </table></div>`;
  }

  /** The span that is marked, and how many entries it holds. */
  get brush(): { since: number; until: number; n: number } | null {
    const range = this.#range();
    const picked = range ? this.#bars.slice(range[0], range[1] + 1) : [];
    const [first, last] = [picked[0], picked.at(-1)];
    return first && last ? { since: first.start, until: last.end, n: picked.reduce((sum, bar) => sum + bar.n, 0) } : null;
  }

  clear(): void {
    this.#set(() => (this.#from = null));
  }

  /** Show only the brushed span. */
  readonly zoom = (): void => {
    const { brush } = this;
    if (brush) this.#host.go({ range: "custom", since: utc(brush.since), until: utc(brush.until) });
  };

  #range(): [number, number] | null {
    return this.#from === null ? null : [Math.min(this.#from, this.#to), Math.max(this.#from, this.#to)];
  }

  #within(at: number): number {
    return Math.max(0, Math.min(this.#bars.length - 1, at));
  }

  #at(event: PointerEvent): number {
    return this.#within(Math.floor((event.clientX - (event.currentTarget as Element).getBoundingClientRect().left) / this.#step));
  }

  readonly #leave = (): void => this.#set(() => (this.#hover = null));

  readonly #down = (event: PointerEvent): void => {
    if (event.button) return;
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    this.#set(() => {
      this.#from = this.#to = this.#at(event);
      this.dragging = true;
    });
  };

  readonly #moved = (event: PointerEvent): void => {
    const at = this.#at(event);
    if (at === this.#hover && !this.dragging) return;
    this.#set(() => {
      this.#hover = at;
      if (this.dragging) this.#to = at;
    });
  };

  readonly #keys = (event: KeyboardEvent): void => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const here = this.#hover ?? (step === 1 ? -1 : this.#bars.length);
    if (step) {
      this.#set(() => {
        this.#hover = this.#within(here + step);
        if (!event.shiftKey) return;
        this.#from ??= this.#within(here);
        this.#to = this.#hover;
      });
    } else if (event.key === "Enter") {
      if (this.#from === null && this.#hover !== null) this.#from = this.#to = this.#hover;
      this.zoom();
    } else if (event.key === "Escape" && (this.#from ?? this.#hover) !== null) {
      this.#set(() => (this.#from = this.#hover = null));
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  #set(change: () => void): void {
    change();
    this.#host.requestUpdate();
  }
}
