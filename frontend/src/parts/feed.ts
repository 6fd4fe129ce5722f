// The list's data: pages of entries for the current filters, newest first, and how the asking goes.

import type { ReactiveController } from "lit";
import { asProblem, isAbort, type Params, type Problem } from "../lib/api.js";
import type { Host } from "../lib/host.js";
import { join } from "../lib/query.js";
import { preset } from "../lib/time.js";
import type { Count, Page, Summary } from "../lib/types.js";
import type { State } from "../lib/url.js";

export const PAGE = 50;
/** Entries per page of a compact view. */
const FEW = 10;
/** The document holds this many rows at most; reading on starts a fresh list, so that find-in-page stays quick. */
export const MOST = 1000;
/** A page may find nothing in its stretch of the log and still go on; so many in a row are asked for at once. */
const PATIENCE = 10;
/** The next page is asked for when this many rows remain. */
const AHEAD = 15;

/** The filters of a state as the API takes them. */
export function filters(state: State, zone: string): Params {
  const custom = state.range === "custom";
  return {
    q: join(state),
    since: custom ? state.since : null,
    until: custom ? state.until : null,
    range: custom || state.range === "all" ? null : state.range,
    tz: zone,
  };
}

/** The span of a state, as far as it has ends. */
export function span(state: State, zone: string): { since: number | null; until: number | null } {
  if (state.range === "all") return { since: null, until: null };
  if (state.range !== "custom") return preset(state.range, Date.now(), zone);
  return { since: state.since ? Date.parse(state.since) : null, until: state.until ? Date.parse(state.until) : null };
}

/** The order of the list. */
function newestFirst(a: Summary, b: Summary): number {
  return Date.parse(b.occurred_at) - Date.parse(a.occurred_at) || b.index - a.index;
}

export class Feed implements ReactiveController {
  items: Summary[] = [];
  next: string | null = null;
  count: Count | null = null;
  head: Page["head"] = { size: 0, first: 0 };
  viewer: string | null = null;
  /** Entries read before this list, after "continue from". */
  before = 0;
  problem: Problem | null = null;
  busy = false;
  /** Nothing to show yet and the answer takes its time. */
  skeleton = false;
  slow = false;
  /** The reader stopped the asking. */
  cancelled = false;
  /** Those that came last, by themselves: they are shown coming in. */
  fresh: ReadonlySet<number> = new Set();
  more: "idle" | "busy" | "failed" = "idle";
  /** Nothing was seen yet: only the rows that fit on the screen are drawn. */
  brief = true;
  readonly #host: Host;
  #abort: AbortController | null = null;
  #timers: ReturnType<typeof setTimeout>[] = [];
  #observer: IntersectionObserver | null = null;
  /** The items whose last rows are watched. */
  #seen: readonly Summary[] | null = null;

  constructor(host: Host) {
    this.#host = host;
    host.addController(this);
  }

  hostConnected(): void {
    this.#observer = new IntersectionObserver((seen) => {
      if (seen.some(({ isIntersecting }) => isIntersecting)) void this.extend();
    });
  }

  hostUpdated(): void {
    // A compact view stands among other things: it grows only when asked.
    const ready = this.next && !this.brief && this.more === "idle" && !this.busy && !this.#host.about;
    const key = ready ? this.items : null;
    if (key === this.#seen) return;
    const rows = ready ? [...this.#host.renderRoot.querySelectorAll(".list .row[data-index]")].slice(-AHEAD) : [];
    this.#seen = rows.length ? key : null;
    this.#observer?.disconnect();
    // All of them: a jump to the end passes the first without ever showing it.
    for (const row of rows) this.#observer?.observe(row);
  }

  hostDisconnected(): void {
    this.cancel();
    this.#observer?.disconnect();
    this.#seen = null;
  }

  /** Ask anew for the current filters; a question still open is dropped. */
  async load(cursor: string | null = null): Promise<void> {
    this.cancel();
    const abort = new AbortController();
    this.#abort = abort;
    this.busy = true;
    this.problem = null;
    this.more = "idle";
    this.#timers = [
      setTimeout(() => this.#set({ skeleton: !this.items.length }), 120),
      setTimeout(() => this.#set({ slow: true }), 4000),
    ];
    this.#host.requestUpdate();
    try {
      let page = await this.#ask(cursor, abort.signal);
      for (let n = 0; !page.items.length && page.next && n < PATIENCE; n += 1) page = await this.#ask(page.next, abort.signal);
      this.before = cursor ? this.before + this.items.length : 0;
      this.items = page.items;
      this.fresh = new Set();
      this.#take(page);
    } catch (error) {
      if (isAbort(error) || this.#abort !== abort) return;
      this.problem = asProblem(error);
      this.#host.report(this.problem);
    }
    this.#rest();
  }

  /** Append the next page. */
  async extend(): Promise<void> {
    if (!this.next || this.busy || this.more === "busy" || this.items.length >= MOST) return;
    const abort = this.#abort ?? new AbortController();
    this.#set({ more: "busy" });
    try {
      const page = await this.#ask(this.next, abort.signal);
      if (abort.signal.aborted) return;
      const known = new Set(this.items.map(({ index }) => index));
      this.items = [...this.items, ...page.items.filter(({ index }) => !known.has(index))];
      this.#take(page);
      this.#set({ more: "idle" });
    } catch (error) {
      if (!isAbort(error)) this.#set({ more: "failed" });
    }
  }

  /** Take in entries that were recorded since; those older than what is listed wait for their page. */
  arrive(items: readonly Summary[], total: number): void {
    const known = new Set(this.items.map(({ index }) => index));
    const newer = items.filter(({ index }) => !known.has(index));
    const last = this.items.at(-1);
    const listed = newer.filter((item) => !this.next || !last || newestFirst(item, last) < 0);
    this.items = [...this.items, ...listed].sort(newestFirst);
    this.fresh = new Set(listed.map(({ index }) => index));
    if (this.count) this.count = { ...this.count, value: this.count.value + total };
    this.#host.labels.learn(listed);
    this.#host.requestUpdate();
  }

  /** Stop asking; what is on the page stays. `wanted` by the reader, who is told so. */
  cancel(wanted = false): void {
    this.cancelled = wanted;
    this.#abort?.abort();
    this.#abort = null;
    this.#rest();
  }

  get complete(): boolean {
    return !this.next && !this.busy && !this.problem && !this.cancelled;
  }

  async #ask(cursor: string | null, signal: AbortSignal): Promise<Page> {
    const { client, state, clock, words } = this.#host;
    const about = this.#host.about?.split(/:(.*)/s).map(encodeURIComponent);
    const path = about ? `resources/${about[0]}/${about[1]}/history` : "entries";
    return client.get<Page>(path, { ...filters(state, clock.zone), cursor, limit: about ? FEW : PAGE, lang: words.language }, signal);
  }

  #take(page: Page): void {
    this.next = page.next;
    // Reading may go further than counting did: no list says less than it shows, and one that was read to its end knows.
    const read = this.before + this.items.length;
    const { value, exact } = page.count;
    this.count = exact ? page.count : page.next ? { value: Math.max(value, read), exact } : { value: read, exact: true };
    this.head = page.head;
    this.viewer = page.viewer ?? null;
    this.#host.labels.learn(page.items);
  }

  #rest(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
    this.#set({ busy: false, skeleton: false, slow: false });
  }

  #set(patch: Partial<Feed>): void {
    Object.assign(this, patch);
    this.#host.requestUpdate();
  }
}
