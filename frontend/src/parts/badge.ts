// The badge of the log in the title row, and the card behind it: what was checked in this browser, and all of it on request.

import { html, nothing, type TemplateResult } from "lit";
import { asProblem, isAbort, type Problem } from "../lib/api.js";
import { Checker, failureOf, type Checked, type Failure } from "../lib/check.js";
import type { Host } from "../lib/host.js";
import { icon, type Icon } from "../lib/icons.js";
import { toHex } from "../lib/bytes.js";
import type { Summary } from "../lib/types.js";
import type { Feed } from "./feed.js";
import { save } from "./files.js";
import { link } from "./row.js";

/** Rows are checked when the page has come to rest, and those that come by themselves a few at a time. */
const SOON = 150;
const LATER = 3000;
/** As wide as the style sheet has the card. */
const CARD = 400;

type Look = "busy" | "ok" | "pending" | "server" | "gap" | "bad" | "none";

interface Everything {
  done: number;
  total: number;
  state: "busy" | "ok" | "stopped" | "failed";
  at: number;
  problem?: Problem;
}

export class Badge {
  #checked: Checked | null = null;
  #failure: Failure | null = null;
  #problem: Problem | null = null;
  /** Whether this browser can check; null until that is known. */
  #able: boolean | null = null;
  #at = 0;
  #everything: Everything | null = null;
  #items: readonly Summary[] = [];
  #timer: number | undefined;
  #busy = false;
  #abort = new AbortController();
  #stop: AbortController | null = null;
  readonly #checker: Checker;
  readonly #host: Host;
  readonly #feed: Feed;

  constructor(host: Host, feed: Feed) {
    this.#host = host;
    this.#feed = feed;
    this.#checker = new Checker(host.client);
    host.addController({ hostUpdated: () => this.#look() });
  }

  /** Another log, another language or other rights: what was checked says nothing any more. */
  forget(): void {
    this.stop();
    this.#abort = new AbortController();
    this.#checker.forget();
    this.#checked = this.#failure = this.#problem = this.#everything = null;
    this.#items = [];
    this.#busy = false;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#abort.abort();
    this.#stop?.abort();
  }

  #look(): void {
    const { items, busy, fresh } = this.#feed;
    // Entries that wait above the list are checked too: the head has to hold them.
    const grown = this.#waiting > 0 && !this.#problem;
    // A list that found nothing has nothing to check, and its log has a head all the same.
    if ((items === this.#items && !grown) || busy || this.#failure || !this.#feed.head.size) return;
    this.#plan(fresh.size || grown ? LATER : SOON);
    this.#items = items;
  }

  #plan(after: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.check();
    }, after);
  }

  /** Check the signed head, and of the rows those that were not checked yet. */
  async check(): Promise<void> {
    if (this.#busy) return this.#plan(LATER);
    this.#busy = true;
    this.#problem = null;
    const { signal } = this.#abort;
    const rows = this.#feed.items;
    try {
      this.#able ??= await this.#checker.able();
      if (!this.#able) return;
      const failed = (await failureOf(async () => {
        const checked = await this.#checker.head(signal);
        this.#checked = checked;
        this.#host.memory = checked.viewer;
      })) ?? (await this.#checker.rows(rows, signal));
      if (signal.aborted) return;
      this.#failure = failed;
      this.#at = Date.now();
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      this.#problem = asProblem(error);
    } finally {
      if (!signal.aborted) this.#busy = false;
      this.#host.requestUpdate();
    }
  }

  async #all(): Promise<void> {
    const stop = (this.#stop = new AbortController());
    const everything: Everything = (this.#everything = { done: 0, total: 1, state: "busy", at: 0 });
    this.#host.requestUpdate();
    try {
      const failure = await this.#checker.everything(stop.signal, (done, total) => {
        Object.assign(everything, { done, total });
        this.#host.requestUpdate();
      });
      this.#failure ??= failure;
      everything.state = failure ? "failed" : "ok";
    } catch (error) {
      everything.state = isAbort(error) ? "stopped" : "failed";
      if (!isAbort(error)) everything.problem = asProblem(error);
    }
    everything.at = Date.now();
    this.#host.requestUpdate();
  }

  get #waiting(): number {
    return this.#checked ? Math.max(0, this.#feed.head.size - this.#checked.head.size) : 0;
  }

  #state(): [Look, Icon, string, string] {
    const { words, clock } = this.#host;
    const at = this.#at ? words.t("badge.title", { time: clock.as("time", this.#at) }) : "";
    if (this.#failure) {
      const { index } = this.#failure;
      return ["bad", "warn", index === null ? words.t("badge.failed.log") : words.t("badge.failed", { index }), at];
    }
    if (this.#able === false) return ["server", "guard", words.t("badge.server"), words.t("proof.server.text")];
    if (this.#problem) return ["none", "guard", words.t("proof.none"), this.#problem.detail];
    if (!this.#checked || !this.#at) return ["busy", "guard", words.t("badge.busy"), ""];
    if (this.#waiting) return ["pending", "clock", words.t("badge.pending", { n: this.#waiting }), at];
    if (this.#checked.first) return ["gap", "shield", words.t("badge.gap", { index: this.#checked.first }), at];
    return ["ok", "shield", words.t("badge.verified"), at];
  }

  /** The badge itself; none on a log that has nothing to check. */
  render(): unknown {
    if (!this.#feed.head.size || this.#problem?.status === 404) return nothing;
    const { words } = this.#host;
    const [look, glyph, text, title] = this.#state();
    const count = look === "ok" ? html`<small class="num">${words.t("count.entries", { n: this.#checked?.head.size ?? 0 })}</small>` : nothing;
    const { narrow } = this.#host;
    // Little room: the colour says that something is gone, the card says what.
    const short = narrow && look === "gap" ? words.t("badge.verified") : text;
    return html`<button class="btn proof ${look}" part="badge" popovertarget="seal" title=${title || nothing} aria-label=${narrow ? text : nothing}>${icon(glyph)}<span class="t">${short} ${count}</span></button>`;
  }

  /** The card behind it. */
  card(): unknown {
    if (!this.#feed.head.size) return nothing;
    const { words } = this.#host;
    const [look, glyph, title] = this.#state();
    const busy = this.#everything?.state === "busy";
    return html`<div id="seal" class="pop seal" popover role="dialog" aria-labelledby="seal-title" @beforetoggle=${this.#place} @toggle=${this.#shown} @keydown=${this.#keys}>
      <div class="bd"><h2 id="seal-title" class=${look} tabindex="-1">${icon(glyph)}${title}</h2>
        <p role=${look === "bad" ? "alert" : nothing}>${this.#text(look)}</p>${this.#facts()}${this.#progress()}</div>
      <div class="pf">${look === "server" ? nothing : html`
        <button class="btn sm" ?disabled=${this.#busy} @click=${() => void this.check()}>${words.t("proof.again")}</button>
        ${busy
          ? html`<button class="btn sm" @click=${() => this.#stop?.abort()}>${words.t("cancel")}</button>`
          : html`<button class="btn sm" ?disabled=${!this.#checked} @click=${() => void this.#all()}>${icon("shield", "s")}${words.t("seal.all")}</button>`}
        ${this.#failure ? html`<button class="btn sm" @click=${this.#both}>${icon("download", "s")}${words.t("seal.both")}</button>` : nothing}`}</div>
    </div>`;
  }

  #text(look: Look): unknown {
    const { words } = this.#host;
    if (this.#failure) {
      const { why, field, index } = this.#failure;
      return html`${words.t("seal.failed", { why: words.t(`flaw.${why}`, { field }) })} ${index === null ? nothing : link(this.#host, { entry: String(index), tab: "proof" }, words.t("seal.entry", { index }))}`;
    }
    if (look === "server") return words.t("proof.server.text");
    if (look === "none") return [this.#problem?.detail, this.#problem?.remedy].filter(Boolean).join(" ") || words.t("proof.none.text");
    if (look === "busy") return words.t("proof.busy.text");
    const { before, first } = this.#checked as Checked;
    const said = this.#checker.checked ? [words.t("seal.page", { n: this.#checker.checked })] : [];
    if (before) said.push(words.t("seal.before", { n: before }));
    if (first) said.push(words.t("seal.gap", { last: first - 1 }));
    if (look === "pending") said.push(words.t("badge.pending", { n: this.#waiting }));
    return said.join(" ");
  }

  #facts(): unknown {
    const { words, clock } = this.#host;
    if (!this.#checked) return nothing;
    const { head } = this.#checked;
    const fact = (label: string, value: string, mono = true): TemplateResult => html`<dt>${label}</dt><dd class=${mono ? "mono" : "num"} translate=${mono ? "no" : nothing}>${value}</dd>`;
    return html`<dl class="kv">${fact(words.t("proof.size"), words.n(head.size), false)}${this.#at ? fact(words.t("seal.at"), clock.full(this.#at), false) : nothing}
      ${fact(words.t("proof.origin"), head.origin)}${fact(words.t("proof.key"), head.key)}${fact(words.t("proof.root"), toHex(head.root))}
      ${head.witnesses.length
        ? head.witnesses.map(({ name, at }) => fact(words.t("seal.witness"), at === null ? name : words.t("seal.witness.at", { name, time: clock.full(at) }), false))
        : fact(words.t("seal.witness"), words.t("seal.witness.none"), false)}</dl>`;
  }

  #progress(): unknown {
    const { words, clock } = this.#host;
    const all = this.#everything;
    if (!all) return nothing;
    if (all.state === "busy") {
      return html`<p class="all"><progress aria-label=${words.t("seal.all")} max=${all.total} value=${all.done}></progress>
        <span class="num">${new Intl.NumberFormat(words.locale, { style: "percent" }).format(all.done / all.total)}</span></p>`;
    }
    const text = {
      ok: words.t("seal.ok", { n: this.#checked?.head.size ?? 0, time: clock.as("time", all.at) }),
      stopped: words.t("seal.stopped"),
      failed: all.problem ? words.t("seal.broken", { why: all.problem.detail }) : "",
    }[all.state];
    return text ? html`<p class="all" role="status">${icon(all.state === "ok" ? "check" : "warn", "s")}${text}</p>` : nothing;
  }

  /** What is shown and what the log proves, in one file for whoever looks into it. */
  readonly #both = (): void => {
    const { why, field, index, evidence } = this.#failure as Failure;
    const head = this.#checked && { ...this.#checked.head, root: toHex(this.#checked.head.root) };
    save(`check-failed-${index ?? "log"}.json`, JSON.stringify({ why, field, index, head, evidence }, null, 2));
  };

  /** Keys belong to the card while it is open; Escape leads back to the badge. */
  readonly #keys = (event: KeyboardEvent): void => {
    event.stopPropagation();
    if (event.key !== "Escape") return;
    (event.currentTarget as HTMLElement).hidePopover();
    this.#host.renderRoot.querySelector<HTMLElement>(".proof")?.focus();
  };

  /** Not by `autofocus`, which a browser complains of in a frame of another origin. */
  readonly #shown = (event: Event): void => {
    if ((event as ToggleEvent).newState === "open") this.#host.renderRoot.querySelector<HTMLElement>("#seal-title")?.focus();
  };

  readonly #place = (event: Event): void => {
    const card = event.target as HTMLElement;
    if (this.#host.narrow) return card.removeAttribute("style");
    const box = this.#host.renderRoot.querySelector(".proof")?.getBoundingClientRect();
    if (!box) return;
    card.style.top = `${box.bottom + 6}px`;
    const start = this.#host.words.direction === "rtl" ? box.right - CARD : box.left;
    card.style.left = `${Math.max(8, Math.min(start, document.documentElement.clientWidth - CARD - 8))}px`;
  };
}
