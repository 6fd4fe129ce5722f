// The editor of rules, in a file of its own that the page of alerts fetches when somebody opens it: a rule as a sentence
// or as Sigma, the numbers of a built-in rule, the budget. Nothing is saved that was not tried on the last 30 days.

import { html, nothing, type TemplateResult } from "lit";
import { asProblem, type Client, type Problem } from "./lib/api.js";
import type { Clock } from "./lib/format.js";
import { Words, type Key } from "./lib/i18n.js";
import { icon } from "./lib/icons.js";
import { reason, type Numbers } from "./lib/reason.js";
import { CATALOGUES, type RuleKey } from "./rules/words.js";
import sheet from "./styles/rules.css";

export const sheets = [sheet];

const LEVELS = ["low", "medium", "high", "critical"] as const;
const WHO = ["person", "role", "type"] as const;
const PER = ["person", "resource", "network", "everybody"] as const;
const HOURS = Array.from({ length: 24 }, (_, hour) => hour);
const DAYS = [1, 2, 3, 4, 5, 6, 7];
/** A Monday. */
const MONDAY = Date.UTC(2024, 0, 1);
const DAY = 86_400_000;
const START = "title: \nlevel: medium\nlogsource: {product: auditlog, service: audit}\ndetection:\n  wanted:\n    action: contact.exported\n    outcome: success\n  condition: wanted\n";

export interface Sentence {
  title: string;
  level?: (typeof LEVELS)[number];
  respond?: string;
  actions?: string[];
  outcome?: string;
  who?: (typeof WHO)[number];
  names?: string[];
  resource_type?: string;
  resource_id?: string;
  hours?: number[] | null;
  weekdays?: number[];
  zone?: string;
  count?: number;
  minutes?: number;
  per?: (typeof PER)[number];
  again?: number;
}

export interface RuleNumber {
  name: string;
  value: number;
  usual: number;
  unit: "count" | "seconds" | "share";
  least: number;
  most: number;
}

/** What the editor needs to know of a rule. */
export interface Edited {
  name: string;
  title: string;
  form: string;
  numbers: RuleNumber[];
  own: boolean;
  sentence: Sentence | null;
  text: string | null;
}

interface Tried {
  since: string;
  entries: number;
  whole: boolean;
  found: number;
  weekly: number;
  others: number;
  budget: number;
  over: boolean;
  last: { at: string; index: number; level: (typeof LEVELS)[number]; reason: string | { $: string }; template: string | null; numbers: Numbers }[];
  text: string | null;
  refused: string | null;
}

interface Labelled {
  value: string;
  label: string;
}

interface Catalog {
  actions: { name: string; label: string }[];
  categories: Labelled[];
  types: Labelled[];
  outcomes: Labelled[];
}

/** What the page of alerts gives to the editor. */
export interface Page {
  client: Client;
  words: Words;
  clock: Clock;
  zone: string;
  level(name: (typeof LEVELS)[number]): string;
  unsaid(): string;
  link(query: string, text: unknown): TemplateResult;
  update(): void;
  /** Close the editor; what was done is said, and the lists are loaded anew. */
  close(said: string): void;
}

export class Editor {
  readonly #page: Page;
  #words: Words;
  #rule: Edited | null = null;
  #budget: number | null = null;
  #how: "sentence" | "sigma" | "numbers" = "sentence";
  #sentence: Sentence = { title: "" };
  #text = "";
  #numbers: Record<string, number> = {};
  #catalog: Catalog | null = null;
  #tried: Tried | null = null;
  #problem: Problem | null = null;
  #busy = false;
  #sure = false;

  constructor(page: Page) {
    this.#page = page;
    this.#words = spoken(page.words);
  }

  /** Go on in another language. */
  speak(words: Words, clock: Clock): void {
    this.#words = spoken(words);
    Object.assign(this.#page, { words, clock });
    this.#tried = null;
    if (this.#catalog) void this.#fetch();
  }

  /** Begin with a rule that is there, or with nothing. */
  async open(rule: Edited | null): Promise<void> {
    this.#rule = rule;
    this.#how = rule && !rule.own ? "numbers" : rule && !rule.sentence ? "sigma" : "sentence";
    this.#sentence = rule?.sentence ? { ...rule.sentence } : { title: "", zone: this.#page.zone };
    this.#text = rule?.text ?? START;
    this.#numbers = Object.fromEntries((rule?.numbers ?? []).map((one) => [one.name, one.value]));
    if (this.#how !== "numbers") await this.#fetch();
  }

  async #fetch(): Promise<void> {
    try {
      this.#catalog = await this.#page.client.get<Catalog>("catalog", { lang: this.#words.language });
    } catch (error) {
      this.#problem = asProblem(error);
    }
    this.#page.update();
  }

  /** Begin with the budget of alerts. */
  openBudget(weekly: number): void {
    this.#budget = weekly;
  }

  #t(key: RuleKey, slots: Record<string, string | number> = {}): string {
    return this.#words.t(key as unknown as Key, slots);
  }

  // ------------------------------------------------------------------------------------------------------- acting

  #set(change: Partial<Sentence>): void {
    this.#sentence = { ...this.#sentence, ...change };
    this.#stale();
  }

  /** What was tried is not what is written any more. */
  #stale(): void {
    this.#tried = this.#problem = null;
    this.#page.update();
  }

  #wish(): Record<string, unknown> {
    if (this.#how === "numbers") return { rule: this.#rule?.name, numbers: this.#numbers };
    const written = this.#how === "sigma" ? { text: this.#text } : { sentence: this.#asked() };
    return this.#rule ? { rule: this.#rule.name, ...written } : written;
  }

  /** The sentence without what says nothing. */
  #asked(): Sentence {
    const { hours, weekdays, zone, count, minutes, per, names, who, ...rest } = this.#sentence;
    const timed = hours || weekdays?.length;
    return {
      ...rest,
      per: per ?? "person",
      ...(names?.length ? { who: who ?? "person", names } : {}),
      ...(timed ? { zone: zone ?? "UTC" } : {}),
      ...(hours ? { hours } : {}),
      ...(weekdays?.length ? { weekdays } : {}),
      ...((count ?? 1) > 1 ? { count: count ?? 1, minutes: minutes ?? 10 } : {}),
    };
  }

  async #work(act: () => Promise<void>): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    this.#problem = null;
    this.#page.update();
    try {
      await act();
    } catch (error) {
      this.#problem = asProblem(error);
    }
    this.#busy = false;
    this.#page.update();
  }

  readonly #try = (event: Event): void => {
    event.preventDefault();
    void this.#work(async () => {
      this.#tried = await this.#page.client.post<Tried>("alert-rules/preview", { ...this.#wish(), lang: this.#words.language });
      if (this.#how === "sentence" && this.#tried.text) this.#text = this.#tried.text;
    });
  };

  readonly #save = (): void => {
    void this.#work(async () => {
      const { client } = this.#page;
      const { rule: _, ...wish } = this.#wish();
      if (this.#rule) await client.post(`alert-rules/${this.#rule.name}`, wish, "PUT");
      else await client.post("alert-rules", wish);
      this.#page.close(this.#t("saved"));
    });
  };

  readonly #delete = (): void => {
    void this.#work(async () => {
      await this.#page.client.post(`alert-rules/${this.#rule?.name}`, {}, "DELETE");
      this.#page.close(this.#t("deleted"));
    });
  };

  readonly #saveBudget = (event: Event): void => {
    event.preventDefault();
    void this.#work(async () => {
      await this.#page.client.post("alert-budget", { weekly: this.#budget }, "PUT");
      this.#page.close(this.#t("budget.saved"));
    });
  };

  // ------------------------------------------------------------------------------------------------------ showing

  render(): TemplateResult {
    if (this.#budget !== null) return this.#budgetForm(this.#budget);
    const title = this.#rule ? this.#t("change", { title: this.#rule.title }) : this.#t("write");
    const ready = this.#tried !== null && this.#tried.refused === null;
    return html`<form class="rule" @submit=${this.#try} aria-labelledby="editor">
      <h2 id="editor" tabindex="-1">${title}</h2>
      ${this.#how === "numbers" ? this.#numbersForm() : this.#written()}
      <div class="acts">
        <button class="btn p" ?disabled=${this.#busy}>${this.#t(this.#busy ? "trying" : "try")}</button>
        <button type="button" class="btn" ?disabled=${!ready || this.#busy} aria-describedby="first" @click=${this.#save}>${this.#t("save")}</button>
        <button type="button" class="btn q" @click=${() => this.#page.close("")}>${this.#t("cancel")}</button>
        <span id="first" class="hint" ?hidden=${ready}>${this.#t("save.first")}</span>
        <span class="sp"></span>
        ${this.#rule?.own ? this.#deletion() : nothing}
      </div>
      <div role="status" aria-live="polite">${this.#problem ? this.#wrong([this.#problem.detail || this.#problem.title, this.#problem.remedy].join(" ")) : nothing}
        ${this.#tried ? this.#result(this.#tried) : nothing}</div>
    </form>`;
  }

  #wrong(text: string): TemplateResult {
    return html`<p class="wrong" lang="en">${icon("warn")} <bdi>${text}</bdi></p>`;
  }

  #deletion(): TemplateResult {
    if (!this.#sure) return html`<button type="button" class="btn q sm" @click=${() => ((this.#sure = true), this.#page.update())}>${icon("bin")} ${this.#t("delete")}</button>`;
    return html`<span>${this.#t("delete.sure")}</span> <button type="button" class="btn sm" ?disabled=${this.#busy} @click=${this.#delete}>${this.#t("delete.yes")}</button>`;
  }

  #result(tried: Tried): TemplateResult {
    const { words, clock } = this.#page;
    const rate = (value: number): string => new Intl.NumberFormat(words.locale, { maximumFractionDigits: 1 }).format(value);
    return html`<section class="tried" aria-labelledby="found">
      <h3 id="found">${this.#t("found", { n: tried.found })}</h3>
      ${tried.refused ? this.#wrong(tried.refused) : nothing}
      <p>${this.#t("rate", { weekly: rate(tried.weekly), others: rate(tried.others), budget: tried.budget })} ${tried.over ? html`<strong class="bad">${this.#t("over")}</strong>` : nothing}</p>
      <p class="dim">${this.#t("looked", { n: tried.entries, since: clock.full(tried.since) })} ${tried.whole ? nothing : this.#t("part")}</p>
      ${tried.last.length
        ? html`<h4>${this.#t("last")}</h4><ol class="rows">${tried.last.map(
            (one) => html`<li><time datetime=${one.at}>${clock.full(one.at)}</time> <span class="tag ${one.level}">${this.#page.level(one.level)}</span>
              ${this.#page.link(`?range=all&entry=${one.index}`, one.template ? reason(words, one.template, one.numbers, this.#page.unsaid()) : typeof one.reason === "string" ? one.reason : this.#t("hidden"))}</li>`,
          )}</ol>`
        : nothing}
      ${tried.text && this.#how === "sentence" ? html`<details><summary>${this.#t("as.sigma")}</summary><pre lang="en" dir="ltr" tabindex="0">${tried.text}</pre></details>` : nothing}
    </section>`;
  }

  #budgetForm(weekly: number): TemplateResult {
    return html`<form class="rule" @submit=${this.#saveBudget} aria-labelledby="editor">
      <h2 id="editor" tabindex="-1">${this.#t("budget")}</h2>
      <div class="line"><label for="weekly">${this.#t("budget")}</label>
        <input id="weekly" type="number" min="1" max="10000" required .value=${String(weekly)} @input=${(event: Event) => (this.#budget = number(event))}></div>
      <div class="acts"><button class="btn p" ?disabled=${this.#busy}>${this.#t("save")}</button>
        <button type="button" class="btn q" @click=${() => this.#page.close("")}>${this.#t("cancel")}</button></div>
      <div role="status" aria-live="polite">${this.#problem ? this.#wrong([this.#problem.detail || this.#problem.title, this.#problem.remedy].join(" ")) : nothing}</div>
    </form>`;
  }

  // ------------------------------------------------------------------------------------------------------ numbers

  #numbersForm(): TemplateResult {
    const rule = this.#rule as Edited;
    const known = new Map(rule.numbers.map((one) => [one.name, one]));
    const shown = rule.form.split(/\{(\w+)\}/).map((part, at) => {
      const one = at % 2 ? known.get(part) : undefined;
      return one ? this.#number(one, this.#t("number", { name: part })) : part;
    });
    const again = known.get("again");
    const usual = (): void => {
      this.#numbers = Object.fromEntries(rule.numbers.map((one) => [one.name, one.usual]));
      this.#stale();
    };
    return html`<p class="form">${shown}</p>
      ${again ? html`<p class="form">${this.#t("number.again")} ${this.#number(again, this.#t("number.again"))}</p>` : nothing}
      ${rule.numbers.some((one) => this.#numbers[one.name] !== one.usual) ? html`<p><button type="button" class="btn q sm" @click=${usual}>${this.#t("usual")}</button></p>` : nothing}`;
  }

  /** One number, with a length of time in minutes and a share in percent. */
  #number(one: RuleNumber, label: string): TemplateResult {
    const size = one.unit === "seconds" ? 60 : one.unit === "share" ? 0.01 : 1;
    const shown = (value: number): string => String(Number((value / size).toPrecision(6)));
    const set = (event: Event): void => {
      this.#numbers = { ...this.#numbers, [one.name]: Number((number(event) * size).toPrecision(6)) };
      this.#stale();
    };
    return html`<span class="number"><input type="number" required aria-label=${label} min=${shown(one.least)} max=${shown(one.most)} step=${one.unit === "share" ? "0.1" : "1"}
      .value=${shown(this.#numbers[one.name] ?? one.value)} @change=${set}>${one.unit === "seconds" ? ` ${this.#t("number.minutes")}` : one.unit === "share" ? " %" : ""}</span>`;
  }

  // ----------------------------------------------------------------------------------------------------- sentence

  #written(): TemplateResult {
    const choose = (how: "sentence" | "sigma"): void => {
      this.#how = how;
      this.#stale();
    };
    return html`<div class="seg" role="group" aria-label=${this.#t("how")}>${(["sentence", "sigma"] as const).map(
        (one) => html`<button type="button" aria-pressed=${this.#how === one} @click=${() => choose(one)}>${this.#t(one)}</button>`,
      )}</div>
      ${this.#how === "sentence" ? this.#sentenceForm() : this.#sigmaForm()}`;
  }

  #sigmaForm(): TemplateResult {
    const set = (event: Event): void => {
      this.#text = (event.target as HTMLTextAreaElement).value;
      if (this.#tried) this.#stale();
    };
    return html`<p class="dim" id="sigma">${this.#t("sigma.help")}</p>
      <textarea class="sigma" rows="18" maxlength="8000" spellcheck="false" dir="ltr" required aria-label=${this.#t("text")} aria-describedby="sigma" .value=${this.#text} @input=${set}></textarea>`;
  }

  #sentenceForm(): TemplateResult {
    const s = this.#sentence;
    return html`
      ${this.#line("title", html`<input id="title" type="text" required maxlength="100" autocomplete="off" .value=${s.title} @input=${(event: Event) => this.#set({ title: text(event) })}>`)}
      ${this.#line("who", html`${this.#select("who", s.names?.length ? (s.who ?? "person") : (s.who ?? ""), [["", this.#t("who.anyone")], ...WHO.map((one) => [one, this.#t(`who.${one}`)] as const)], (who) => this.#who(who))}
        ${s.who ? html`<input type="text" required maxlength="2000" autocomplete="off" aria-label=${this.#t("who.names")} placeholder=${this.#t("who.names")} .value=${(s.names ?? []).join(", ")} @change=${(event: Event) => this.#set({ names: listed(text(event)) })}>` : nothing}`)}
      ${this.#line("what", this.#actions(s.actions ?? []))}
      ${this.#line("outcome", this.#select("outcome", s.outcome ?? "any", [["any", this.#t("outcome.any")], ...pairs(this.#catalog?.outcomes)], (outcome) => this.#set({ outcome })))}
      ${this.#line("resource", html`${this.#select("resource", s.resource_type ?? "", [["", this.#t("resource.any")], ...pairs(this.#catalog?.types)], (resource_type) => this.#set({ resource_type }))}
        <input type="text" maxlength="200" autocomplete="off" aria-label=${this.#t("resource.id")} placeholder=${this.#t("resource.id")} .value=${s.resource_id ?? ""} @change=${(event: Event) => this.#set({ resource_id: text(event).trim() })}>`)}
      ${this.#line("when", this.#hours(s))}
      ${this.#days(s.weekdays ?? [])}
      ${this.#line("count", html`<input id="count" type="number" min="1" max="1000" required .value=${String(s.count ?? 1)} @change=${(event: Event) => this.#set({ count: number(event) })}>
        ${(s.count ?? 1) > 1 ? html`<label for="minutes">${this.#t("minutes")}</label><input id="minutes" type="number" min="1" max="10080" required .value=${String(s.minutes ?? 10)} @change=${(event: Event) => this.#set({ minutes: number(event) })}>` : nothing}
        <label for="per">${this.#t("per")}</label>${this.#select("per", s.per ?? "person", PER.map((one) => [one, this.#t(`per.${one}`)]), (per) => this.#set({ per: per as (typeof PER)[number] }))}`)}
      ${this.#line("level", html`${this.#select("level", s.level ?? "medium", LEVELS.map((one) => [one, this.#page.level(one)]), (level) => this.#set({ level: level as (typeof LEVELS)[number] }))}
        <label for="again">${this.#t("again")}</label><input id="again" type="number" min="1" max="43200" required .value=${String(s.again ?? 1440)} @change=${(event: Event) => this.#set({ again: number(event) })}>`)}
      ${this.#line("respond", html`<input id="respond" type="text" maxlength="500" autocomplete="off" .value=${s.respond ?? ""} @change=${(event: Event) => this.#set({ respond: text(event) })}>`)}`;
  }

  #line(name: "title" | "who" | "what" | "outcome" | "resource" | "when" | "count" | "level" | "respond", fields: TemplateResult): TemplateResult {
    return html`<div class="line"><label for=${name}>${this.#t(name)}</label><div class="fields">${fields}</div></div>`;
  }

  #select(id: string, value: string, options: readonly (readonly [string, string])[], set: (value: string) => void): TemplateResult {
    return html`<select id=${id} @change=${(event: Event) => set(text(event))}>${options.map(([one, label]) => html`<option value=${one} ?selected=${one === value}>${label}</option>`)}</select>`;
  }

  #who(who: string): void {
    const { who: _, names: __, ...rest } = this.#sentence;
    this.#sentence = who ? { ...rest, who: who as (typeof WHO)[number], names: [] } : rest;
    this.#stale();
  }

  #actions(chosen: string[]): TemplateResult {
    const known = new Map((this.#catalog?.actions ?? []).map((one) => [one.name, one.label]));
    for (const { value, label } of this.#catalog?.categories ?? []) known.set(`${value}.*`, this.#t("what.all", { category: label }));
    const byLabel = new Map([...known].map(([name, label]) => [label, name]));
    const add = (event: Event): void => {
      const field = event.target as HTMLInputElement;
      const typed = field.value.trim();
      const name = byLabel.get(typed) ?? typed;
      field.value = "";
      if (name && !chosen.includes(name)) this.#set({ actions: [...chosen, name] });
    };
    const typed = (event: KeyboardEvent): void => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      add(event);
    };
    return html`${chosen.map((one) => {
        const label = known.get(one) ?? one;
        return html`<span class="chip">${label}<button type="button" aria-label=${this.#t("what.remove", { action: label })} @click=${() => this.#set({ actions: chosen.filter((other) => other !== one) })}>${icon("x")}</button></span>`;
      })}
      <input id="what" type="text" list="actions" maxlength="100" autocomplete="off" placeholder=${chosen.length ? this.#t("what.add") : this.#t("what.any")} @change=${add} @keydown=${typed}>
      <datalist id="actions">${[...known].map(([name, label]) => html`<option value=${label}>${name}</option>`)}</datalist>`;
  }

  #hours(s: Sentence): TemplateResult {
    const [from = 20, to = 7] = s.hours ?? [];
    const hour = (one: number): readonly [string, string] => [String(one), `${String(one).padStart(2, "0")}:00`];
    return html`${this.#select("when", s.hours ? "hours" : "", [["", this.#t("when.any")], ["hours", this.#t("when.hours")]], (chosen) => this.#set({ hours: chosen ? [20, 7] : null }))}
      ${s.hours
        ? html`<label for="from">${this.#t("when.from")}</label>${this.#select("from", String(from), HOURS.map(hour), (value) => this.#set({ hours: [Number(value), to] }))}
            <label for="to">${this.#t("when.to")}</label>${this.#select("to", String(to), [...HOURS.slice(1), 24].map(hour), (value) => this.#set({ hours: [from, Number(value)] }))}`
        : nothing}
      ${s.hours || s.weekdays?.length ? html`<span class="dim">${this.#t("when.zone", { zone: s.zone ?? "UTC" })}</span>` : nothing}`;
  }

  #days(chosen: number[]): TemplateResult {
    const format = new Intl.DateTimeFormat(this.#words.locale, { weekday: "short", timeZone: "UTC" });
    const turn = (day: number): void => this.#set({ weekdays: chosen.includes(day) ? chosen.filter((one) => one !== day) : [...chosen, day].sort() });
    return html`<fieldset class="line"><legend>${this.#t("days")}</legend><div class="fields">${DAYS.map(
      (day) => html`<label class="day"><input type="checkbox" .checked=${chosen.includes(day)} @change=${() => turn(day)}> ${format.format(MONDAY + (day - 1) * DAY)}</label>`,
    )}</div></fieldset>`;
  }
}

function spoken({ language, locale }: Words): Words {
  return new Words(locale, CATALOGUES[language] ?? CATALOGUES.en);
}

function text(event: Event): string {
  return (event.target as HTMLInputElement).value;
}

function number(event: Event): number {
  return Number(text(event));
}

function listed(given: string): string[] {
  return given.split(",").map((one) => one.trim()).filter(Boolean);
}

function pairs(given: Labelled[] | undefined): readonly (readonly [string, string])[] {
  return (given ?? []).map(({ value, label }) => [value, label] as const);
}
