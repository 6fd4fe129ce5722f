// The questions of an auditor: one is chosen, and its answer shown with what it rests on, what it cannot say, and its evidence.

import { html, nothing, type TemplateResult } from "lit";
import { asProblem, isAbort, type Problem } from "../lib/api.js";
import type { Host } from "../lib/host.js";
import { icon } from "../lib/icons.js";
import type { Summary } from "../lib/types.js";
import { QUESTION, type About } from "./asking.js";
import { evidence } from "./evidence.js";
import { sentenceText } from "./row.js";
import { standAt, storyIn } from "./story.js";

interface Question {
  question: string;
  title: string;
  types: string[];
  subject: boolean;
  period: boolean;
}

interface Subject { type: string; id: string; label: string }

interface Level { level: string; state: "held" | "part" | "failed" | "absent"; words: string }

interface Answer {
  title: string;
  finding: string;
  rows: { subject: Subject; said: string; entries: number[]; proven: boolean }[];
  limits: string[];
  /** Null until it is worked out, after the answer. */
  completeness: { levels: Level[]; words: string | null } | null;
  items: Summary[];
  count: { value: number };
  evidence: { ask: string[] } | null;
}

/** Proven; proven but for a part; refuted; not claimed. */
const LOOKS = { held: "check", part: "clock", failed: "warn", absent: "guard" } as const;

export class Questions {
  shown = false;
  #items: Question[] = [];
  #chosen = "";
  #subject = "";
  #on = "";
  /** What the question may be about, newest first as far as the log tells: to be chosen instead of typed. */
  #subjects: { value: string; label: string }[] = [];
  #answer: Answer | null = null;
  #problem: Problem | null = null;
  #busy = false;
  #asking = new AbortController();
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
    host.renderRoot.addEventListener(QUESTION, (event) => this.open((event as CustomEvent<About>).detail));
    const story = host.urlSync ? storyIn(location.search) : "";
    if (story) this.open({ subject: story, deleted: false, question: "session" });
  }

  open({ subject, deleted, question = deleted ? "deletion" : "" }: About = { subject: "", deleted: false }): void {
    this.#subject = subject;
    this.#chosen = question;
    this.#answer = this.#problem = null;
    this.shown = true;
    this.#host.go({ dialog: "questions" }, "replace");
    this.#host.requestUpdate();
    void this.#run(async (signal) => {
      const { words } = this.#host;
      this.#items = (await this.#host.client.get<{ items: Question[] }>("answers", { lang: words.language }, signal)).items;
      this.#chosen ||= this.#suggested();
      if (subject) await this.#fetch(signal);
      else await this.#offer(signal);
    });
  }

  /** Another log, another language or other rights, or no page any more. */
  stop(): void {
    this.shown = false;
    this.#asking.abort();
    this.#items = [];
    this.#answer = null;
  }

  get dialog(): HTMLDialogElement | null {
    return this.#host.renderRoot.querySelector("#questions");
  }

  /** Whether a question can be asked about the subject at hand: anything can be deleted. */
  #fits({ question, types }: Question): boolean {
    const [type = ""] = this.#subject.split(":");
    return !type || question === "deletion" || types.includes(type);
  }

  /** The question that a subject suggests: the one that names its type, before the one about anything. */
  #suggested(): string {
    const fit = this.#items.filter((one) => this.#fits(one));
    return (this.#subject ? fit.find(({ question }) => question !== "deletion") ?? fit[0] : fit[0])?.question ?? "";
  }

  /** The way here from the page. */
  button(): TemplateResult {
    return html`<button class="btn asks" aria-label=${this.#host.words.t("questions.open")} title=${this.#host.words.t("questions.open")} @click=${() => this.#host.go({ dialog: "questions" }, "replace")}>${icon("ask")}<span class="t">${this.#host.words.t("questions.open")}</span></button>`;
  }

  render(): unknown {
    if (!this.shown) return nothing;
    const { words } = this.#host;
    const closed = (): void => {
      this.#asking.abort();
      this.shown = false;
      if (this.#host.urlSync) standAt("");
      // Another one may stand by now.
      if (this.#host.state.dialog === "questions") this.#host.go({ dialog: null }, "replace");
      this.#host.requestUpdate();
    };
    return html`<dialog id="questions" class="dlg" aria-labelledby="questions-title" @close=${closed} @keydown=${(event: Event) => event.stopPropagation()}>
      <form method="dialog" @submit=${this.#submit}><div class="top"><h2 id="questions-title">${words.t("questions.title")}</h2></div>
        <div class="bd">${this.#form()}
          ${this.#problem ? html`<p class="wrong" role="alert">${icon("warn", "s")}<span>${this.#problem.detail || this.#problem.title || words.t("questions.failed")} ${this.#problem.remedy}</span></p>` : nothing}
          <div aria-live="polite">${this.#answer ? this.#told(this.#answer) : nothing}</div></div>
        <div class="ft">${this.#answer?.evidence ? html`<button class="btn" type="button" ?disabled=${this.#busy} @click=${() => void this.#prove()}>${icon("shield")}${words.t("questions.evidence")}</button>` : nothing}
          <span class="sp"></span><button class="btn" value="cancel" formnovalidate>${words.t("close")}</button>
          <button class="btn p" value="ask" ?disabled=${this.#busy || !this.#chosen}>${words.t(this.#busy ? "questions.busy" : "questions.ask")}</button></div></form></dialog>`;
  }

  #form(): TemplateResult {
    const { words } = this.#host;
    const chosen = this.#items.find(({ question }) => question === this.#chosen);
    const hint = chosen?.types[0] ? `${chosen.types[0]}:…` : "";
    return html`<div class="asked"><label>${words.t("questions.question")}<select @change=${(event: Event) => this.#set({ chosen: (event.target as HTMLSelectElement).value })}>${this.#items.map(
        ({ question, title }) => html`<option value=${question} ?selected=${question === this.#chosen}>${title}</option>`,
      )}</select></label>
      <label>${words.t("questions.subject")}<input class="mono" dir="ltr" spellcheck="false" maxlength="600" ?required=${chosen?.subject ?? false} placeholder=${hint} list="subjects" .value=${this.#subject} @input=${(event: Event) => (this.#subject = (event.target as HTMLInputElement).value.trim())}></label>
      <datalist id="subjects">${this.#subjects.map(({ value, label }) => html`<option value=${value}>${label}</option>`)}</datalist>
      ${chosen?.period ? html`<label>${words.t("questions.on")}<input dir="ltr" spellcheck="false" maxlength="64" placeholder="2026-11-20" .value=${this.#on} @input=${(event: Event) => (this.#on = (event.target as HTMLInputElement).value.trim())}></label>` : nothing}</div>`;
  }

  #told({ finding, rows, limits, completeness, items, count }: Answer): TemplateResult {
    const { words } = this.#host;
    return html`<p class="found"><bdi>${finding}</bdi></p>
      ${rows.length ? html`<ul class="told">${rows.map(({ subject, said, proven }) => html`<li>${about(subject, said)}${proven ? nothing : html` <small>${words.t("questions.unproven")}</small>`}</li>`)}</ul>` : nothing}
      <h3>${words.t("questions.rests")} <small class="num">${words.t("count.entries", { n: count.value })}</small></h3>
      <ul class="rests">${items.map((item) => html`<li><a href=${this.#host.href({ entry: String(item.index) })} @click=${(event: MouseEvent) => this.#show(event, item.index)}><span class="num">${item.index}</span> <bdi>${sentenceText(this.#host, item.sentence)}</bdi></a></li>`)}</ul>
      <h3>${words.t("questions.complete")}</h3>
      <ul class="levels">${completeness === null ? html`<li>${words.t(this.#busy ? "questions.busy" : "questions.unknown")}</li>` : joined(completeness.levels).map(({ level, state, words: said }) => html`<li class=${state}>${icon(LOOKS[state], "s")}<b>${level}</b> <bdi>${said}</bdi></li>`)}${completeness?.words ? html`<li class="part">${icon(LOOKS.part, "s")}<bdi>${completeness.words}</bdi></li>` : nothing}</ul>
      <h3>${words.t("questions.limits")}</h3>
      <ul class="limits">${limits.map((limit) => html`<li><bdi>${limit}</bdi></li>`)}</ul>`;
  }

  #show(event: MouseEvent, index: number): void {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.dialog?.close();
    this.#host.go({ entry: String(index), dialog: null });
  }

  #set({ chosen }: { chosen: string }): void {
    this.#chosen = chosen;
    const next = this.#items.find(({ question }) => question === chosen);
    // A campaign is nobody who could have a role.
    if (next && !this.#fits(next)) this.#subject = "";
    this.#answer = null;
    void this.#run((signal) => this.#offer(signal));
  }

  /** Offer what a question can be about: what was deleted, or the resources of its types. */
  async #offer(signal: AbortSignal): Promise<void> {
    const chosen = this.#items.find(({ question }) => question === this.#chosen);
    const q = this.#chosen === "deletion" ? "kind:delete" : `type:${chosen?.types.join(",") ?? ""}`;
    const asked = { field: "resource", q, limit: "200", lang: this.#host.words.language };
    this.#subjects = chosen?.types.length ? (await this.#host.client.get<{ values: { value: string; label: string }[] }>("facets", asked, signal)).values : [];
  }

  readonly #submit = (event: SubmitEvent): void => {
    if ((event.submitter as HTMLButtonElement | null)?.value === "cancel") return;
    event.preventDefault();
    void this.#run((signal) => this.#fetch(signal));
  };

  async #fetch(signal: AbortSignal): Promise<void> {
    const { words, clock, client } = this.#host;
    const period = this.#items.find(({ question }) => question === this.#chosen)?.period;
    const asked = { subject: this.#subject, on: period ? this.#on : "", tz: clock.zone, lang: words.language };
    this.#answer = await client.get<Answer>(`answers/${this.#chosen}`, { ...asked, completeness: "no" }, signal);
    if (this.#host.urlSync) standAt(this.#chosen === "session" ? this.#subject : "");
    this.#host.requestUpdate();
    // Proving takes longer than finding: the answer does not wait for it.
    this.#answer = await client.get<Answer>(`answers/${this.#chosen}`, asked, signal);
  }

  async #prove(): Promise<void> {
    const ask = this.#answer?.evidence?.ask;
    if (ask) await this.#run(async () => this.#host.say(this.#host.words.t("evidence.saved", { file: await evidence(this.#host, { ask }) })));
  }

  async #run(act: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.#asking.abort();
    const { signal } = (this.#asking = new AbortController());
    this.#busy = true;
    this.#problem = null;
    this.#host.requestUpdate();
    try {
      await act(signal);
    } catch (error) {
      if (isAbort(error)) return;
      this.#problem = asProblem(error);
      this.#host.report(error);
    }
    this.#busy = false;
    this.#host.requestUpdate();
  }
}

/** What is said, after whom or what it is about; a session is what was asked about, and of a request nobody knows the name. */
function about({ type, id, label }: Subject, said: string): TemplateResult {
  if (type === "session") return html`<bdi>${said}</bdi>`;
  if (type === "request") return html`<bdi>${said}</bdi> <small class="mono mute" translate="no">${id}</small>`;
  return html`<b><bdi>${label}</bdi></b> <bdi>${said}</bdi>`;
}

/** Levels of which the same is said are one line: C0–C3. */
function joined(levels: Level[]): Level[] {
  const lines: Level[] = [];
  for (const one of levels) {
    const last = lines.at(-1);
    if (last?.words === one.words && last.state === one.state) last.level = `${last.level.split("–")[0]}–${one.level}`;
    else lines.push({ ...one });
  }
  return lines;
}
