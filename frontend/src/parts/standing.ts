// What stands out, in words, under the chart: for the part that is marked, else for the newest peak. Each phrase is a
// filter.

import { html, nothing, type TemplateResult } from "lit";
import { isAbort } from "../lib/api.js";
import type { Host } from "../lib/host.js";
import { icon } from "../lib/icons.js";
import type { Key } from "../lib/i18n.js";
import { split } from "../lib/query.js";
import { utc } from "../lib/time.js";
import type { Insights } from "../lib/types.js";
import { filterKey } from "../lib/url.js";
import { filters, type Feed } from "./feed.js";
import { BUCKETS, type Activity } from "./histogram.js";

/** A marked part is asked about when the hand has come to rest. */
const REST = 200;

export class Standing {
  #asked: string | null = null;
  #found: Insights | null = null;
  #failed = false;
  #abort: AbortController | null = null;
  #timer: number | undefined;
  readonly #host: Host;
  readonly #feed: Feed;
  readonly #activity: Activity;

  constructor(host: Host, feed: Feed, activity: Activity) {
    this.#host = host;
    this.#feed = feed;
    this.#activity = activity;
    activity.under = () => this.#line();
    host.addController({ hostUpdated: () => this.#look() });
  }

  forget(): void {
    this.#asked = null;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#abort?.abort();
  }

  #look(): void {
    const { state, clock, words } = this.#host;
    const { brush, dragging } = this.#activity;
    // What went down together is asked for anew together.
    if (this.#feed.problem) this.#asked = null;
    if (dragging || this.#feed.busy || this.#feed.problem || !this.#feed.head.size) return;
    const key = [filterKey(state), clock.zone, words.language, brush?.since, brush?.until].join("\n");
    if (key === this.#asked) return;
    this.stop();
    this.#asked = key;
    this.#timer = setTimeout(() => void this.#ask(key), REST);
  }

  async #ask(key: string): Promise<void> {
    const { client, state, clock, words } = this.#host;
    const { brush } = this.#activity;
    const { signal } = (this.#abort = new AbortController());
    const part = brush ? { from: new Date(brush.since).toISOString(), to: new Date(brush.until).toISOString() } : { buckets: BUCKETS };
    try {
      const found = await client.get<Insights>("insights", { ...filters(state, clock.zone), ...part, lang: words.language }, signal);
      if (this.#asked !== key) return;
      this.#found = found;
      this.#failed = false;
    } catch (error) {
      if (isAbort(error) || this.#asked !== key) return;
      this.#found = null;
      this.#failed = true;
    }
    this.#host.requestUpdate();
  }

  #line(): unknown {
    const { words, clock } = this.#host;
    const { brush } = this.#activity;
    const found = this.#found;
    const fits = found && (brush ? found.from !== null && Date.parse(found.from) === brush.since && Date.parse(found.to ?? "") === brush.until : true);
    const [from, to] = brush ? [brush.since, brush.until] : [found?.from ?? null, found?.to ?? null];
    const range = from !== null && to !== null ? clock.range(from, to) : "";
    const items = fits ? found.items : [];
    const label = items.length
      ? words.t("stands", { range })
      : this.#failed ? words.t("stands.failed") : brush ? `${range} · ${words.t("count.entries", { n: brush.n })}${fits ? ` · ${words.t("stands.none")}` : ""}` : fits ? words.t("stands.hint") : "";
    return html`<span class="lab ${items.length || brush ? "" : "mute"}">${label ? icon("spark", "s") : nothing}<span class="num">${label}</span></span>
      ${items.map((item) => this.#phrase(item, from, to))}<span class="sp"></span>
      ${brush
        ? html`<button class="btn q sm" @click=${this.#activity.zoom}>${icon("search", "s")}${words.t("chart.zoom")}</button><button class="btn q sm" @click=${() => this.#activity.clear()}>${words.t("chart.clear")}</button>`
        : nothing}`;
  }

  #phrase({ field, value, label, count, expected, first, term }: Insights["items"][number], from: number | string | null, to: number | string | null): TemplateResult {
    const { words, labels, state } = this.#host;
    const named = labels.value(words, field, value);
    const slots = {
      n: count,
      count: html`<b class="num">${words.n(count)}</b>`,
      label: html`<bdi>${named === value ? label : named}</bdi>`,
      usual: words.n(expected < 10 ? Math.round(expected * 10) / 10 : Math.round(expected)),
    };
    const said = words.tx(`stands.${field}` as Key, slots);
    const usual = first ? words.t("stands.first") : words.t("stands.usual", { usual: slots.usual });
    const narrowed = (): void => {
      const chips = [...state.chips, ...split(term).chips];
      const part = from !== null && to !== null ? { range: "custom" as const, since: utc(new Date(from).getTime()), until: utc(new Date(to).getTime()) } : {};
      this.#host.go({ chips, ...part });
    };
    const whole = `${words.t(`stands.${field}` as Key, { n: count, count: words.n(count), label: named === value ? label : named, usual: slots.usual })}, ${usual}`;
    return html`<button title=${whole} class="pill ${first ? "hot" : ""}" @click=${narrowed}><span>${said}</span> <span class="mute">${usual}</span></button>`;
  }
}
