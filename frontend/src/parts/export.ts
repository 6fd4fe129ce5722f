// The export dialog: format, the filters in words, how many entries, how far the file is, and the files of the last day.

import { html, nothing, type TemplateResult } from "lit";
import { asProblem, isAbort, Problem } from "../lib/api.js";
import { isOver, link, order, watch, type Wish } from "../lib/exporting.js";
import type { Host } from "../lib/host.js";
import { icon } from "../lib/icons.js";
import type { ExportJob } from "../lib/types.js";
import type { Bar } from "./bar.js";
import { evidence, questionOf, type Question } from "./evidence.js";
import { filters, type Feed } from "./feed.js";
import { download } from "./files.js";
import { Hide } from "./hide.js";
import { bar, far, jobs } from "./jobs.js";
import { Layout } from "./layout.js";

const FORMATS = ["evidence", "csv", "ndjson", "parquet"] as const;
type Format = (typeof FORMATS)[number];

/** What evidence may be about: what the filters ask, everything in the range, or a ready-made question. */
const ABOUT = ["filters", "everything", "access", "approvals"] as const;
type About = (typeof ABOUT)[number];

/** Between two looks at files that are made. */
const AGAIN = 1_500;

/** Before that, how long it takes is a guess. */
const SURE = 3_000;

export class Export {
  shown = false;
  #format: Format = "csv";
  #proofs = false;
  #about: About = "filters";
  #busy = false;
  /** Name of the evidence that was saved last while the dialog stands. */
  #saved = "";
  /** What is being made, or was made last while the dialog stands. */
  #job: ExportJob | null = null;
  #begun = 0;
  #recent: ExportJob[] = [];
  #problem: Problem | null = null;
  #watching = new AbortController();
  #again: number | undefined;
  readonly #layout: Layout;
  readonly #hide: Hide;
  readonly #host: Host;
  readonly #feed: Feed;
  readonly #bar: Bar;
  readonly #print: () => void;

  constructor(host: Host, feed: Feed, bar: Bar, print: () => void) {
    this.#host = host;
    this.#layout = new Layout(host);
    this.#hide = new Hide(host);
    this.#feed = feed;
    this.#bar = bar;
    this.#print = print;
  }

  open(): void {
    if (this.#job && isOver(this.#job)) this.#job = null;
    this.#problem = null;
    this.#saved = "";
    this.#layout.forget();
    this.shown = true;
    this.#host.requestUpdate();
    void this.#look();
  }

  /** The element left the page, or shows another log: whoever comes back finds the file in the list. */
  stop(): void {
    this.shown = false;
    this.#watching.abort();
    clearTimeout(this.#again);
    this.#layout.forget();
    this.#hide.forget();
    this.#job = null;
    this.#recent = [];
  }

  get dialog(): HTMLDialogElement | null {
    return this.#host.renderRoot.querySelector("#export");
  }

  render(): unknown {
    if (!this.shown) return nothing;
    const { words } = this.#host;
    return html`<dialog id="export" class="dlg" aria-labelledby="export-title" @close=${this.#closed} @keydown=${(event: Event) => event.stopPropagation()}>
      <form method="dialog" @submit=${this.#submit}>
        <div class="top"><h2 id="export-title">${words.t("export.title")}</h2><p>${this.#summary()}</p></div>
        ${this.#saved ? this.#made(this.#saved) : this.#job ? this.#progress(this.#job) : this.#choices()}
      </form></dialog>`;
  }

  /** How many, when, and which, as the reader would say it. */
  #summary(): TemplateResult {
    const { words, state } = this.#host;
    const { count } = this.#feed;
    // What was ordered stays what it was: the record of the export itself comes in while the file is made.
    const { value, exact } = this.#job && this.#job.state !== "waiting" ? this.#job.count : { value: count?.value ?? 0, exact: !count || count.exact };
    const entries = words.t(exact ? "count.entries" : "count.more", { n: value });
    return html`${words.t("export.summary", { entries, range: this.#bar.rangeText(true) })}
      ${state.chips.length || state.text
        ? html`<ul class="said">${state.chips.map((chip) => html`<li><bdi>${this.#bar.chipText(chip).join(" ")}</bdi></li>`)}${state.text ? html`<li>${words.t("export.text", { text: state.text })}</li>` : nothing}</ul>`
        : html` ${words.t("export.everything")}`}`;
  }

  #choices(): TemplateResult {
    const { words } = this.#host;
    return html`<div class="bd"><div class="opt3" role="radiogroup" aria-label=${words.t("export.format")}>${FORMATS.map(
          (format) => html`<label class=${format === this.#format ? "on" : ""}><input type="radio" name="format" value=${format} .checked=${format === this.#format} ?autofocus=${format === this.#format} @change=${() => this.#set({ format })}><b>${words.t(`export.${format}`)}</b><small>${words.t(`export.${format}.text`)}</small></label>`,
        )}</div>
        ${this.#format === "evidence" ? this.#asked() : this.#layout.render(this.#wish())}
        ${this.#format === "ndjson" ? html`<label class="ckl"><input type="checkbox" .checked=${this.#proofs} @change=${(event: Event) => this.#set({ proofs: (event.target as HTMLInputElement).checked })}>${words.t("export.proofs")}</label>` : nothing}
        ${this.#hide.render()}
        <div class="est">${icon("log", "s")}<span>${this.#format === "evidence" ? "" : html`<b class="num">${this.#layout.size()}</b> `}<span class="hid" role="status">${this.#hide.told(this.#layout.estimate)}</span> ${words.tx("export.recorded", { action: html`<span class="mono" translate="no">audit.exported</span>` })}</span></div>
        ${this.#wrong()}${jobs(this.#host, this.#recent, (job) => void this.#fetch(job), (job) => void this.#remove(job))}</div>
      <div class="ft"><button class="btn q" value="cancel" formnovalidate @click=${this.#print}>${words.t("report.open")}</button><span class="sp"></span><button class="btn" value="cancel" formnovalidate>${words.t("cancel")}</button>
        <button class="btn p" value="go" ?disabled=${this.#busy}>${icon("download")}${words.t(this.#busy ? "export.busy" : "export.go")}</button></div>`;
  }

  /** What the file is about; filters that no sealed index can answer are not offered. */
  #asked(): TemplateResult {
    const { words, state } = this.#host;
    const able = ABOUT.filter((about) => about !== "filters" || questionOf(state)?.length);
    const about = able.includes(this.#about) ? this.#about : "everything";
    this.#layout.ask(this.#question(about), "evidence");
    return html`<label class="ckl">${words.t("evidence.asks")} <select @change=${(event: Event) => this.#set({ about: (event.target as HTMLSelectElement).value as About })}>${able.map(
        (one) => html`<option value=${one} ?selected=${one === about}>${words.t(`evidence.${one}`)}</option>`,
      )}</select></label>
      <p class="mute">${words.t("evidence.period")} ${questionOf(state) ? nothing : words.t("evidence.unable")}</p>`;
  }

  /** What evidence about this is to answer, and what it hides. */
  #question(about: About): Question {
    const { state, clock } = this.#host;
    const { q: _, ...period } = filters(state, clock.zone);
    const ask = about === "filters" ? (questionOf(state) ?? []) : about === "everything" ? [] : [about];
    return { ask, ...period, ...this.#hide.wish };
  }

  #made(file: string): TemplateResult {
    const { words } = this.#host;
    return html`<div class="bd"><div class="est ok" role="status">${icon("check", "s")}<span>${words.t("evidence.saved", { file })}</span></div></div>
      <div class="ft"><span class="sp"></span><button class="btn p" value="cancel">${words.t("close")}</button></div>`;
  }

  #wrong(): unknown {
    const { words } = this.#host;
    return this.#problem
      ? html`<p class="wrong" role="alert">${icon("warn", "s")}<span>${this.#problem.detail || this.#problem.title || words.t("export.failed")} ${this.#problem.remedy}</span></p>`
      : nothing;
  }

  /** How far the file is; the dialog may be closed meanwhile. */
  #progress(job: ExportJob): TemplateResult {
    const { words } = this.#host;
    if (job.state === "ready") {
      return html`<div class="bd"><div class="est ok" role="status">${icon("check", "s")}<span>${words.t("export.started", { n: job.done, file: job.filename })}</span></div>${this.#wrong()}</div>
        <div class="ft"><span class="sp"></span><button class="btn p" value="cancel">${words.t("close")}</button></div>`;
    }
    const rest = [words.t("export.size", { size: words.bytes(job.estimate) }), this.#left(job)].filter(Boolean).join(" · ");
    return html`<div class="bd"><label class="far"><span>${far(this.#host, job)}</span><span>${rest}</span>${bar(job)}</label>
        <div class="est">${icon("clock", "s")}<span role="status">${words.t("export.close")}</span></div>${this.#wrong()}</div>
      <div class="ft"><button class="btn" type="button" @click=${() => void this.#remove(job)}>${words.t("export.stop")}</button><span class="sp"></span><button class="btn p" value="cancel">${words.t("close")}</button></div>`;
  }

  /** How long it will take, as soon as that is more than a guess. */
  #left({ done, count }: ExportJob): string {
    const took = Date.now() - this.#begun;
    if (!done || !count.exact || took < SURE) return "";
    const seconds = Math.max(1, Math.round(((took / done) * (count.value - done)) / 1000));
    const [amount, unit] = seconds < 90 ? [seconds, "second"] : [Math.round(seconds / 60), "minute"];
    const { words } = this.#host;
    const time = new Intl.NumberFormat(words.locale, { style: "unit", unit, unitDisplay: "long" }).format(amount);
    return words.t("export.left", { time });
  }

  #set(patch: { format?: Format; proofs?: boolean; about?: About }): void {
    if (patch.about) this.#about = patch.about;
    if (patch.format) this.#format = patch.format;
    if (patch.proofs !== undefined) this.#proofs = patch.proofs;
    this.#host.requestUpdate();
  }

  readonly #closed = (): void => {
    this.shown = false;
    // Another one may stand by now.
    if (this.#host.state.dialog === "exports") this.#host.go({ dialog: null }, "replace");
    this.#host.requestUpdate();
  };

  readonly #submit = (event: SubmitEvent): void => {
    if ((event.submitter as HTMLButtonElement | null)?.value !== "go") return;
    event.preventDefault();
    if (!this.#busy) void this.#start();
  };

  /** What would be ordered now. */
  #wish(): Wish {
    const { state, clock } = this.#host;
    return { ...this.#layout.wish(this.#format, this.#proofs && this.#format === "ndjson", filters(state, clock.zone)), ...this.#hide.wish };
  }

  async #start(): Promise<void> {
    this.#busy = true;
    await this.#try(async () => {
      if (this.#format === "evidence") {
        this.#saved = await evidence(this.#host, this.#question(this.#about));
        return;
      }
      const job = await order(this.#host.client, this.#wish());
      this.#watching = new AbortController();
      this.#busy = false;
      this.#begun = Date.now();
      void this.#follow(job, this.#watching.signal);
    });
    this.#busy = false;
    this.#host.requestUpdate();
  }

  /** Watch a job to its end, and hand the file over, whether or not the dialog still stands. */
  async #follow(job: ExportJob, signal: AbortSignal): Promise<void> {
    const show = (now: ExportJob): void => {
      this.#job = now;
      this.#host.requestUpdate();
    };
    show(job);
    await this.#try(async () => {
      const { client, words } = this.#host;
      const ended = await watch(client, job, show, signal);
      if (ended.state === "ready") {
        await this.#fetch(ended);
        if (!this.shown) this.#host.say(words.t("export.started", { n: ended.done, file: ended.filename }));
        return;
      }
      this.#job = null;
      throw new Problem(410, { detail: ended.fault, remedy: ended.remedy });
    });
  }

  async #fetch(job: ExportJob): Promise<void> {
    await this.#try(async () => download(await link(this.#host.client, job), job.filename));
  }

  /** End a job that runs, or remove the file of one that is over. */
  async #remove(job: ExportJob): Promise<void> {
    if (job.id === this.#job?.id) this.#watching.abort();
    await this.#try(async () => {
      await this.#host.client.post(`exports/${job.id}`, {}, "DELETE");
      this.#job = null;
      await this.#look();
    });
  }

  async #look(): Promise<void> {
    try {
      const { items } = await this.#host.client.get<{ items: ExportJob[] }>("exports");
      this.#recent = items.filter(({ id }) => id !== this.#job?.id);
      clearTimeout(this.#again);
      if (this.shown && !this.#recent.every(isOver)) this.#again = setTimeout(() => void this.#look(), AGAIN);
      this.#host.requestUpdate();
    } catch {
      // Without the list the dialog does what it is for all the same.
    }
  }

  async #try(work: () => Promise<void>): Promise<void> {
    this.#problem = null;
    this.#host.requestUpdate();
    try {
      await work();
    } catch (error) {
      if (isAbort(error)) return;
      this.#problem = asProblem(error);
      this.#host.report(this.#problem);
      if (!this.shown) this.#host.say(this.#problem.detail || this.#host.words.t("export.failed"));
    }
    this.#host.requestUpdate();
  }
}
