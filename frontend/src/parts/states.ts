// What stands where the list would be, and the lines above it: nothing yet, no match, failed, no right, slow, offline.

import { html, nothing, type TemplateResult } from "lit";
import { isAbort, Problem } from "../lib/api.js";
import type { Host } from "../lib/host.js";
import { icon, type Icon } from "../lib/icons.js";
import type { Page } from "../lib/types.js";
import { filterKey, type State } from "../lib/url.js";
import type { Bar } from "./bar.js";
import { filters, type Feed } from "./feed.js";

interface Closest {
  label: string;
  patch: Partial<State>;
  n: number;
  exact: boolean;
}

const MOST = 6;

export class States {
  readonly #host: Host;
  readonly #feed: Feed;
  readonly #bar: Bar;
  readonly #again: () => void;
  #asked = "";
  #closest: Closest[] = [];

  /** `again`: loads everything anew. */
  constructor(host: Host, feed: Feed, bar: Bar, again: () => void) {
    this.#host = host;
    this.#feed = feed;
    this.#bar = bar;
    this.#again = again;
  }

  /** Lines above the list that do not replace it; `lost`: what is new does not get through. */
  banners(offline: boolean, lost: boolean): unknown {
    const { words, state } = this.#host;
    const { slow, head, items, problem, cancelled } = this.#feed;
    const size = words.n(head.size);
    return [
      offline || (lost && !problem) ? html`<p class="banner" role="status">${icon("warn", "s")}<span>${words.t("offline")}</span></p>` : nothing,
      slow
        ? html`<p class="banner" role="status"><span class="spin"></span><span>${head.size ? words.t("slow", { size }) : words.t("slow.first")}</span>
            ${state.range === "7d" ? nothing : html`<button class="btn q sm" @click=${() => this.#host.go({ range: "7d", since: null, until: null })}>${words.t("slow.narrow")}</button>`}
            <button class="btn q sm" @click=${() => this.#feed.cancel(true)}>${words.t("cancel")}</button></p>`
        : nothing,
      cancelled && items.length ? html`<p class="banner" role="status">${icon("stop", "s")}<span>${words.t("cancelled")}. ${words.t("cancelled.old")}</span>${this.#retry()}</p>` : nothing,
      problem && items.length && problem.status !== 400 && !offline ? html`<p class="banner bad" role="alert">${icon("warn", "s")}<span><b>${this.#words(problem)[1]}</b> ${this.#words(problem)[2]}</span>${this.#retry()}</p>` : nothing,
    ];
  }

  /** What replaces the list, if anything. */
  render(): unknown {
    const { words } = this.#host;
    const { problem, items, complete, head, count, cancelled } = this.#feed;
    if (problem && !items.length && problem.status !== 400) {
      const [glyph, title, text] = this.#words(problem);
      return this.#frame(glyph, title, html`<p>${text}</p>${problem.request ? html`<p class="hint mono" translate="no">${problem.request}</p>` : nothing}${problem.status === 403 ? nothing : this.#retry()}`, "alert");
    }
    if (cancelled && !items.length) return this.#frame("stop", words.t("cancelled"), html`<p>${words.t("cancelled.text")}</p>${this.#retry()}`);
    if (!complete || !count || items.length) return nothing;
    return head.size ? this.#noMatch() : this.#first();
  }

  #words(problem: Problem): [Icon, string, string] {
    const { words } = this.#host;
    const said = [problem.detail, problem.remedy].filter(Boolean).join(" ");
    // What the server says of a token is for whoever sends it; what the page around says is for the reader.
    if (problem.status === 401) return ["lock", words.t("ended"), (problem.title ? "" : said) || words.t("ended.text")];
    if (problem.status === 403) return ["lock", words.t("denied"), said || words.t("denied.text")];
    return ["warn", words.t("failed"), said || words.t("failed.text")];
  }

  #retry(): TemplateResult {
    return html`<button class="btn" @click=${this.#again}>${this.#host.words.t("retry")}</button>`;
  }

  #frame(glyph: Icon, title: string, text: unknown, role: "status" | "alert" = "status"): TemplateResult {
    return html`<div class="list"><div class="empty" role=${role}><span class="big">${icon(glyph)}</span><h2>${title}</h2>${text}</div></div>`;
  }

  #first(): TemplateResult {
    const { words, docs } = this.#host;
    return this.#frame("inbox", words.t("first"), html`<p>${words.t("first.text")}</p>${docs ? html`<p><a class="lk" href=${docs}>${words.t("first.link")}</a></p>` : nothing}`);
  }

  #noMatch(): TemplateResult {
    const { words, state } = this.#host;
    const key = JSON.stringify([filterKey(state), state.chips]);
    if (this.#asked !== key) void this.#look(key);
    const best = this.#closest.reduce<Closest | null>((most, one) => (one.n > (most?.n ?? 0) ? one : most), null);
    return this.#frame("search", words.t("none"), html`<p>${best ? words.t("none.closest", { n: best.n, filter: best.label }) : words.t("none.text")}</p>
      ${this.#closest.length ? html`<ul class="lift">${this.#closest.map(({ label, patch, n, exact }) => html`<li><button class="btn" @click=${() => this.#host.go(patch)}>${icon("x", "s")}<span>${words.t("none.lift", { filter: label })}</span> <em class="num">${words.n(n)}${exact ? "" : "+"}</em></button></li>`)}</ul>` : nothing}`);
  }

  /** Count what each filter keeps away. */
  async #look(key: string): Promise<void> {
    this.#asked = key;
    this.#closest = [];
    const { client, state, clock, words } = this.#host;
    const lifted: [string, Partial<State>][] = state.chips.map((chip, at) => [this.#bar.chipText(chip).join(" "), { chips: state.chips.filter((_, n) => n !== at) }]);
    if (state.text) lifted.push([state.text, { text: "" }]);
    if (state.range !== "all") lifted.push([this.#bar.rangeText(), { range: "all", since: null, until: null }]);
    const counted = await Promise.all(
      lifted.slice(-MOST).map(async ([label, patch]): Promise<Closest[]> => {
        try {
          const { count } = await client.get<Page>("entries", { ...filters({ ...state, ...patch }, clock.zone), limit: 1, lang: words.language });
          return [{ label, patch, n: count.value, exact: count.exact }];
        } catch (error) {
          if (isAbort(error) || error instanceof Problem) return [];
          throw error;
        }
      }),
    );
    if (this.#asked !== key) return;
    this.#closest = counted.flat();
    this.#host.requestUpdate();
  }
}
