// What can be typed next: fields, values with their counts, searches of before. A list box that belongs to the search
// field (the combobox pattern): the focus stays in the field, the arrows move through the list.

import { html, nothing, type TemplateResult } from "lit";
import { isAbort } from "../lib/api.js";
import type { Host } from "../lib/host.js";
import { icon } from "../lib/icons.js";
import { keep, recall } from "../lib/local.js";
import { split } from "../lib/query.js";
import { around, complete, termAt, type Typed } from "../lib/terms.js";
import type { Suggestions } from "../lib/types.js";
import type { Bar, Helper } from "./bar.js";
import { filters } from "./feed.js";

const DEBOUNCE = 150;
const RECENT = 6;
/** Offered in an empty field. */
const FIELDS = ["actor", "action", "type", "resource", "outcome", "change", "via", "ip", "country", "date"];
const DAYS = ["today", "yesterday", "7d", "30d"];

interface Option {
  group: "recent" | "fields" | "values";
  /** What is put in the place of the term, or of the whole text for a search of before. */
  term: string;
  label: string;
  count: number | null;
  /** A field alone goes on with its values. */
  goesOn: boolean;
}

export class Suggest implements Helper {
  open = false;
  #options: Option[] = [];
  #active = -1;
  #typed: Typed = termAt("", 0);
  #abort: AbortController | null = null;
  #timer: number | undefined;
  readonly #host: Host;
  readonly #bar: Bar;

  constructor(host: Host, bar: Bar) {
    this.#host = host;
    this.#bar = bar;
  }

  /** Id of the option that the arrows stand on. */
  get active(): string | null {
    return this.open && this.#active >= 0 ? `suggestion-${this.#active}` : null;
  }

  /** The text or the place in it changed. */
  typed(): void {
    const { field } = this.#bar;
    if (!field) return;
    this.#typed = termAt(field.value, field.selectionStart ?? field.value.length);
    clearTimeout(this.#timer);
    this.#abort?.abort();
    if (!this.#typed.asked) return this.#show(field.value.trim() ? [] : [...this.#recent(), ...this.#fields("")]);
    this.#timer = setTimeout(() => void this.#ask(), DEBOUNCE);
  }

  hide(): void {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#show([]);
  }

  /** A search was made: it is offered again. */
  learned(query: string): void {
    const { memory } = this.#host;
    const text = query.trim();
    if (memory && text) keep(`alv-recent:${memory}`, [text, ...this.#kept().filter((one) => one !== text)].slice(0, RECENT));
  }

  /** Whether a key was meant for the list. */
  keys(event: KeyboardEvent): boolean {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && !this.open) this.typed();
    else if (step) {
      const count = this.#options.length;
      // Past either end the field itself has its turn.
      this.#active = ((this.#active + 1 + step + count + 1) % (count + 1)) - 1;
      this.#host.requestUpdate();
      void this.#host.updateComplete.then(() => this.#host.renderRoot.querySelector(`#${this.active}`)?.scrollIntoView({ block: "nearest" }));
    } else if (event.key === "Enter" && this.open && this.#active >= 0) this.#choose(this.#options[this.#active] as Option);
    else if (event.key === "Escape" && this.open) this.hide();
    else return false;
    return true;
  }

  async #ask(): Promise<void> {
    const { client, state, clock, words } = this.#host;
    const { field } = this.#bar;
    if (!field) return;
    const typed = this.#typed;
    const abort = (this.#abort = new AbortController());
    const rest = split(around(field.value, typed));
    const within = { ...state, chips: [...state.chips, ...rest.chips], text: rest.text };
    try {
      const { items } = await client.get<Suggestions>("suggest", { ...filters(within, clock.zone), term: typed.asked, lang: words.language }, abort.signal);
      if (abort.signal.aborted) return;
      const said = items.map((item): Option => item.kind === "field"
        ? this.#field(item.term)
        : { group: "values", term: item.term, label: this.#named(item.field, item.label), count: item.count, goesOn: false });
      this.#show([...said, ...this.#days(typed.asked)]);
    } catch (error) {
      if (!isAbort(error)) this.#show([]);
    }
  }

  #named(field: string, label: string): string {
    const { words } = this.#host;
    return field === "country" ? words.country(label) : (words.maybe(`${field}.${label}`) ?? label);
  }

  #field(term: string): Option {
    const name = term.replace(/^-|:$/g, "");
    return { group: "fields", term, label: name === "type" ? this.#host.words.t("menu.types") : (this.#host.words.maybe(`field.${name}`) ?? name), count: null, goesOn: true };
  }

  #fields(sign: string): Option[] {
    return FIELDS.map((name) => this.#field(`${sign}${name}:`));
  }

  #days(asked: string): Option[] {
    const [, sign = "", begun = ""] = /^(-?)date:(.*)$/.exec(asked) ?? [];
    if (!/^-?date:/.test(asked)) return [];
    return DAYS.filter((day) => day.startsWith(begun)).map((day) => {
      const label = this.#host.words.maybe(`range.${day}`) ?? day;
      return { group: "values", term: `${sign}date:${day}`, label, count: null, goesOn: false };
    });
  }

  #kept(): string[] {
    const { memory } = this.#host;
    const kept = memory ? recall<unknown>(`alv-recent:${memory}`) : null;
    return Array.isArray(kept) ? kept.filter((one): one is string => typeof one === "string") : [];
  }

  #recent(): Option[] {
    return this.#kept().map((text) => ({ group: "recent", term: text, label: text, count: null, goesOn: false }));
  }

  #show(options: Option[]): void {
    const field = this.#bar.field;
    const focused = field !== null && (this.#host.renderRoot as ShadowRoot).activeElement === field;
    // An answer that comes late takes no choice away that it has too.
    const chosen = this.#options[this.#active]?.term;
    this.#options = focused ? options : [];
    this.open = this.#options.length > 0;
    this.#active = this.#options.findIndex(({ term }) => term === chosen);
    this.#host.requestUpdate();
  }

  #choose(option: Option): void {
    const { field } = this.#bar;
    if (!field) return;
    if (option.group === "recent") {
      this.#bar.write(option.term, option.term.length, true);
      return this.hide();
    }
    const { text, caret } = complete(field.value, this.#typed, option.term);
    this.#bar.write(text, caret, !option.goesOn);
    if (option.goesOn) this.typed();
    else this.hide();
  }

  render(): unknown {
    const { words } = this.#host;
    if (!this.open) return nothing;
    const groups = (["recent", "fields", "values"] as const).map((name) => ({ name, listed: this.#options.map((option, at) => ({ option, at })).filter(({ option }) => option.group === name) }));
    return html`<div id="suggest" class="sug" role="listbox" aria-label=${words.t("suggest")} @pointerdown=${(event: Event) => event.preventDefault()}>
      ${groups.filter(({ listed }) => listed.length).map(({ name, listed }) => html`<div role="group" aria-label=${words.t(`suggest.${name}`)}><div class="gt" aria-hidden="true">${words.t(`suggest.${name}`)}</div>${listed.map(({ option, at }) => this.#option(option, at))}</div>`)}</div>`;
  }

  #option(option: Option, at: number): TemplateResult {
    const on = at === this.#active;
    const code = option.group === "recent" ? nothing : html`<span class="mono" translate="no">${option.term}</span>`;
    return html`<div role="option" id="suggestion-${at}" class=${on ? "on" : ""} aria-selected=${on} @click=${() => this.#choose(option)}>
      ${icon(option.group === "recent" ? "clock" : option.group === "fields" ? "filter" : "search", "s")}<span class="nm"><bdi>${option.label}</bdi> ${code}</span><em class="num">${option.count === null ? nothing : this.#host.words.n(option.count)}</em></div>`;
  }
}

