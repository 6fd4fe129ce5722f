// New entries as they are recorded. They come in by themselves only where that moves nothing under the reader's eyes or
// hands; otherwise a pill says how many wait. A stream where it gets through, a question now and then where it does not.

import { html, nothing, type TemplateResult } from "lit";
import { asProblem, isAbort } from "../lib/api.js";
import type { Host } from "../lib/host.js";
import { icon } from "../lib/icons.js";
import { messages } from "../lib/sse.js";
import type { Page, Summary } from "../lib/types.js";
import { filters, span, type Feed } from "./feed.js";
import type { Activity } from "./histogram.js";
import type { List } from "./list.js";

/** Between two questions where no stream gets through. */
const POLL = 15_000;
const AGAIN = 1000;
/** A stream that says nothing for so long is held up on its way; the server gives a sign of life every 15 s. */
const SILENCE = 40_000;
const FIRST_WORD = 8000;
/** Between two summaries for those who listen. */
const SUMMARY = 10_000;
/** Between two looks at the chart. */
const CHART = 5000;
const TOP = 8;

interface News {
  items: Summary[];
  count: number;
  size: number;
}

export class Live {
  on = true;
  /** Whether neither a stream nor a question gets through. */
  lost = false;
  readonly #host: Host;
  readonly #feed: Feed;
  readonly #list: List;
  readonly #activity: Activity;
  #abort: AbortController | null = null;
  #waiting: Summary[] = [];
  #count = 0;
  #size = 0;
  #unsaid = 0;
  #summary: number | undefined;
  #chart: number | undefined;

  constructor(host: Host, feed: Feed, list: List, activity: Activity) {
    this.#host = host;
    this.#feed = feed;
    this.#list = list;
    this.#activity = activity;
  }

  toggle(): void {
    this.on = !this.on;
    if (this.on) {
      this.#size ||= this.#feed.head.size;
      this.#start();
    } else this.#abort?.abort();
    this.#host.tell(this.#host.words.t(this.on ? "live.on" : "live.off"));
    this.#host.requestUpdate();
  }

  /** Begin with the list as it is now. */
  restart(): void {
    this.#waiting = [];
    this.#count = 0;
    this.#size = this.#feed.head.size;
    document.addEventListener("visibilitychange", this.#seen);
    this.#start();
  }

  stop(): void {
    this.#abort?.abort();
    document.removeEventListener("visibilitychange", this.#seen);
    for (const timer of [this.#summary, this.#chart]) clearTimeout(timer);
    this.#summary = this.#chart = undefined;
  }

  /** The switch in the title row. */
  toggler(): TemplateResult {
    return html`<button class="btn q live ${this.lost || this.#feed.problem ? "lost" : ""}" aria-pressed=${this.on} title=${this.#host.words.t("live.title")} @click=${() => this.toggle()}><span class="dot"></span>${this.#host.words.t("live")}</button>`;
  }

  /** What waits above the list. */
  pill(): unknown {
    if (!this.#count) return nothing;
    return html`<div class="news"><button class="btn p" @click=${this.#show}>${icon("up", "s")}${this.#host.words.t("live.new", { n: this.#count })}</button></div>`;
  }

  readonly #show = (): void => {
    const many = this.#count > this.#waiting.length;
    this.#take();
    if (many) void this.#feed.load().then(() => this.#list.top());
    else this.#list.top();
  };

  /** A hidden tab needs no stream; seen again it is told what it missed. */
  readonly #seen = (): void => {
    if (document.hidden) this.#abort?.abort();
    else this.#start();
  };

  #start(): void {
    this.#abort?.abort();
    this.lost = false;
    const { state, clock } = this.#host;
    const { until } = span(state, clock.zone);
    const over = until !== null && until <= clock.now();
    if (!this.on || document.hidden || over || this.#feed.problem) return;
    this.#abort = new AbortController();
    void this.#run(this.#abort.signal).catch((error: unknown) => {
      if (!isAbort(error)) throw error;
    });
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && navigator.onLine) {
      const [streamed, ended] = await this.#attempt(() => this.#listen(signal));
      if (ended || signal.aborted) return;
      if (!streamed) {
        const [asked, refused] = await this.#attempt(() => this.#ask(signal));
        if (refused || signal.aborted) return;
        this.#reached(asked);
      }
      await pause(streamed ? AGAIN : POLL, signal);
    }
  }

  /** Whether it went well, and whether the server will not have us. */
  async #attempt(act: () => Promise<boolean>): Promise<[boolean, boolean]> {
    try {
      return [await act(), false];
    } catch (error) {
      return [false, [400, 401, 403].includes(asProblem(error).status)];
    }
  }

  #reached(reached: boolean): void {
    if (this.lost !== reached) return;
    this.lost = !reached;
    this.#host.requestUpdate();
  }

  /** Read the stream to its end; true if it said anything. */
  async #listen(signal: AbortSignal): Promise<boolean> {
    const { client, state, clock, words } = this.#host;
    const own = new AbortController();
    const end = (): void => own.abort();
    signal.addEventListener("abort", end);
    let watch = setTimeout(end, FIRST_WORD);
    let spoke = false;
    try {
      const params = { ...filters(state, clock.zone), after: this.#size, lang: words.language };
      const answer = await client.open("stream", params, own.signal, "text/event-stream");
      if (!answer.body || !answer.headers.get("content-type")?.startsWith("text/event-stream")) return false;
      for await (const message of messages(answer.body)) {
        clearTimeout(watch);
        watch = setTimeout(end, SILENCE);
        spoke = true;
        this.#reached(true);
        if (message?.event === "entries") this.#arrived(JSON.parse(message.data) as News);
        else if (message?.event === "head") this.#size = (JSON.parse(message.data) as News).size;
      }
    } catch (error) {
      if (!isAbort(error) && !spoke) throw error;
    } finally {
      clearTimeout(watch);
      signal.removeEventListener("abort", end);
      own.abort();
    }
    return spoke;
  }

  /** Without a stream: the newest page, and what of it is new. */
  async #ask(signal: AbortSignal): Promise<boolean> {
    const { client, state, clock, words } = this.#host;
    const page = await client.get<Page>("entries", { ...filters(state, clock.zone), limit: 50, lang: words.language }, signal);
    const items = page.items.filter(({ index }) => index >= this.#size);
    if (items.length) this.#arrived({ items, count: items.length, size: page.head.size });
    this.#size = page.head.size;
    return true;
  }

  #arrived({ items, count, size }: News): void {
    this.#size = size;
    this.#feed.head = { ...this.#feed.head, size };
    this.#waiting.push(...items);
    this.#count += count;
    this.#unsaid += count;
    this.#say();
    if (this.#calm() && this.#count === this.#waiting.length) this.#take();
    this.#chart ??= setTimeout(() => {
      this.#chart = undefined;
      void this.#activity.reload();
    }, CHART);
    this.#host.requestUpdate();
  }

  #take(): void {
    const [items, count] = [this.#waiting, this.#count];
    this.#waiting = [];
    this.#count = 0;
    this.#feed.arrive(items, count);
  }

  /** Whether nothing that is read or marked would move. */
  #calm(): boolean {
    const root = this.#host.renderRoot as ShadowRoot & { getSelection?: () => Selection | null };
    const selection = root.getSelection?.() ?? document.getSelection();
    const marked = selection !== null && !selection.isCollapsed;
    return this.#host.state.entry === null && !marked && (this.#list.scroller?.scrollTop ?? 0) < TOP;
  }

  #say(): void {
    if (this.#summary !== undefined || !this.#unsaid) return;
    this.#host.tell(this.#host.words.t("live.new", { n: this.#unsaid }));
    this.#unsaid = 0;
    this.#summary = setTimeout(() => {
      this.#summary = undefined;
      this.#say();
    }, SUMMARY);
  }
}

function pause(length: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      done();
    };
    const timer = setTimeout(end, length);
    signal.addEventListener("abort", end);
  });
}
