// The export dialog: format, the filters in words, how many entries, and that the export is itself an entry.

import { html, nothing, type TemplateResult } from "lit";
import { asProblem, type Problem } from "../lib/api.js";
import type { Host } from "../lib/host.js";
import { icon } from "../lib/icons.js";
import type { ExportTicket } from "../lib/types.js";
import type { Bar } from "./bar.js";
import { evidence, questionOf } from "./evidence.js";
import { filters, type Feed } from "./feed.js";
import { download } from "./files.js";

const FORMATS = ["evidence", "csv", "ndjson", "parquet"] as const;
type Format = (typeof FORMATS)[number];

/** What evidence may be about: what the filters ask, everything in the range, or a ready-made question. */
const ABOUT = ["filters", "everything", "access", "approvals"] as const;
type About = (typeof ABOUT)[number];

export class Export {
  shown = false;
  #format: Format = "csv";
  #proofs = false;
  #about: About = "filters";
  #busy = false;
  #ticket: Pick<ExportTicket, "filename"> & Partial<ExportTicket> | null = null;
  #problem: Problem | null = null;
  readonly #host: Host;
  readonly #feed: Feed;
  readonly #bar: Bar;

  readonly #print: () => void;

  constructor(host: Host, feed: Feed, bar: Bar, print: () => void) {
    this.#host = host;
    this.#feed = feed;
    this.#bar = bar;
    this.#print = print;
  }

  open(): void {
    this.#ticket = this.#problem = null;
    this.shown = true;
    this.#host.requestUpdate();
    void this.#host.updateComplete.then(() => this.#dialog?.showModal());
  }

  get #dialog(): HTMLDialogElement | null {
    return this.#host.renderRoot.querySelector("#export");
  }

  render(): unknown {
    if (!this.shown) return nothing;
    const { words } = this.#host;
    return html`<dialog id="export" class="dlg" aria-labelledby="export-title" @close=${this.#closed} @keydown=${(event: Event) => event.stopPropagation()}>
      <form method="dialog" @submit=${this.#submit}>
        <div class="top"><h2 id="export-title">${words.t("export.title")}</h2><p>${this.#summary()}</p></div>
        ${this.#ticket ? this.#done(this.#ticket) : this.#choices()}
      </form></dialog>`;
  }

  /** How many, when, and which, as the reader would say it. */
  #summary(): TemplateResult {
    const { words, state } = this.#host;
    const { count } = this.#feed;
    const n = count?.value ?? 0;
    const entries = words.t(!count || count.exact ? "count.entries" : "count.more", { n });
    return html`${words.t("export.summary", { entries, range: this.#bar.rangeText(true) })}
      ${state.chips.length || state.text
        ? html`<ul class="said">${state.chips.map((chip) => html`<li><bdi>${this.#bar.chipText(chip).join(" ")}</bdi></li>`)}${state.text ? html`<li>${words.t("export.text", { text: state.text })}</li>` : nothing}</ul>`
        : html` ${words.t("export.everything")}`}`;
  }

  #choices(): TemplateResult {
    const { words } = this.#host;
    return html`<div class="bd"><div class="opt3" role="radiogroup" aria-label=${words.t("export.format")}>${FORMATS.map(
          (format) => html`<label class=${format === this.#format ? "on" : ""}><input type="radio" name="format" value=${format} .checked=${format === this.#format} @change=${() => this.#set({ format })}><b>${words.t(`export.${format}`)}</b><small>${words.t(`export.${format}.text`)}</small></label>`,
        )}</div>
        ${this.#format === "evidence" ? this.#asked() : nothing}
        ${this.#format === "ndjson" ? html`<label class="ckl"><input type="checkbox" .checked=${this.#proofs} @change=${(event: Event) => this.#set({ proofs: (event.target as HTMLInputElement).checked })}>${words.t("export.proofs")}</label>` : nothing}
        <div class="est">${icon("log", "s")}<span>${words.tx("export.recorded", { action: html`<span class="mono" translate="no">audit.exported</span>` })}</span></div>
        ${this.#problem ? html`<p class="wrong" role="alert">${icon("warn", "s")}<span>${this.#problem.detail || this.#problem.title || words.t("export.failed")} ${this.#problem.remedy}</span></p>` : nothing}</div>
      <div class="ft"><button class="btn q" value="cancel" formnovalidate @click=${this.#print}>${words.t("report.open")}</button><span class="sp"></span><button class="btn" value="cancel" formnovalidate>${words.t("cancel")}</button>
        <button class="btn p" value="go" ?disabled=${this.#busy}>${icon("download")}${words.t(this.#busy ? "export.busy" : "export.go")}</button></div>`;
  }

  /** What the file is about; filters that no sealed index can answer are not offered. */
  #asked(): TemplateResult {
    const { words, state } = this.#host;
    const able = ABOUT.filter((about) => about !== "filters" || questionOf(state)?.length);
    const about = able.includes(this.#about) ? this.#about : "everything";
    return html`<label class="ckl">${words.t("evidence.asks")} <select @change=${(event: Event) => this.#set({ about: (event.target as HTMLSelectElement).value as About })}>${able.map(
        (one) => html`<option value=${one} ?selected=${one === about}>${words.t(`evidence.${one}`)}</option>`,
      )}</select></label>
      ${questionOf(state) ? nothing : html`<p class="mute">${words.t("evidence.unable")}</p>`}`;
  }

  #done({ count, filename }: Pick<ExportTicket, "filename"> & Partial<ExportTicket>): TemplateResult {
    const { words } = this.#host;
    if (!count) {
      return html`<div class="bd"><div class="est ok" role="status">${icon("check", "s")}<span>${words.t("evidence.saved", { file: filename })}</span></div></div>
        <div class="ft"><span class="sp"></span><button class="btn p" value="cancel">${words.t("close")}</button></div>`;
    }
    return html`<div class="bd"><div class="est ok" role="status">${icon("check", "s")}<span>${words.t("export.started", { n: count.value, file: filename })}</span></div></div>
      <div class="ft"><span class="sp"></span><button class="btn p" value="cancel">${words.t("close")}</button></div>`;
  }

  #set(patch: { format?: Format; proofs?: boolean; about?: About }): void {
    if (patch.about) this.#about = patch.about;
    if (patch.format) this.#format = patch.format;
    if (patch.proofs !== undefined) this.#proofs = patch.proofs;
    this.#host.requestUpdate();
  }

  readonly #closed = (): void => {
    this.shown = false;
    this.#host.requestUpdate();
  };

  readonly #submit = (event: SubmitEvent): void => {
    if ((event.submitter as HTMLButtonElement | null)?.value !== "go") return;
    event.preventDefault();
    if (!this.#busy) void this.#start();
  };

  async #start(): Promise<void> {
    const { client, state, clock } = this.#host;
    this.#busy = true;
    this.#problem = null;
    this.#host.requestUpdate();
    try {
      const proofs = this.#proofs && this.#format === "ndjson";
      if (this.#format === "evidence") {
        const { q: _, ...period } = filters(state, clock.zone);
        const filtered = questionOf(state) ?? [];
        const ask = this.#about === "filters" ? filtered : this.#about === "everything" ? [] : [this.#about];
        this.#ticket = { filename: await evidence(this.#host, ask, period) };
        this.#busy = false;
        this.#host.requestUpdate();
        return;
      }
      const ticket = await client.post<ExportTicket>("exports", { format: this.#format, proofs, ...filters(state, clock.zone) });
      // The address works once and carries no token.
      download(client.resolve(ticket.href), ticket.filename);
      this.#ticket = ticket;
    } catch (error) {
      this.#problem = asProblem(error);
      this.#host.report(this.#problem);
    }
    this.#busy = false;
    this.#host.requestUpdate();
  }
}
