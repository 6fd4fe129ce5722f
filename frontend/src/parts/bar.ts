// The filter bar: the search field, the menus' buttons, the date presets, and the chips of what is active.

import { html, nothing, type TemplateResult } from "lit";
import type { Problem } from "../lib/api.js";
import type { Host } from "../lib/host.js";
import { icon, typeIcon, type Icon } from "../lib/icons.js";
import type { Key } from "../lib/i18n.js";
import { operator, operators } from "../lib/operators.js";
import { join, split, type Term } from "../lib/query.js";
import { START, type Range } from "../lib/url.js";
import { span } from "./feed.js";
import type { Menus, MenuName } from "./menus.js";

/** Keeps the place of a button that is still to come. */
const GHOST = html`<span class="btn fb ic ghost"></span>`;
const DEBOUNCE = 150;
const BEGUN = /(?:^|\s)-?[a-z]+:(?:\S*,)?$/i;

/** Which menu edits a field, and the glyph of its chip. */
const EDITORS: Record<string, [MenuName, Icon]> = {
  actor: ["user", "user"], action: ["action", "pen"], kind: ["action", "pen"], category: ["action", "pen"],
  type: ["resource", "doc"], resource: ["resource", "doc"],
  outcome: ["more", "filter"], severity: ["more", "warn"], via: ["more", "web"], country: ["more", "web"], ip: ["more", "web"],
  change: ["more", "pen"], request: ["more", "link"], session: ["more", "login"],
};

/** Completes what is typed: part of the third file. */
export interface Helper {
  readonly open: boolean;
  /** Id of the option that the arrows stand on. */
  readonly active: string | null;
  typed(): void;
  hide(): void;
  learned(query: string): void;
  /** Whether a key was meant for the list. */
  keys(event: KeyboardEvent): boolean;
  render(): unknown;
}

export class Bar {
  helper: Helper | null = null;
  /** The button of the saved views, in its forms. */
  views: ((form: "bar" | "save" | "line") => unknown) | null = null;
  /** What the buttons open: part of the third file as well. */
  menus: Menus | null = null;
  readonly #host: Host;
  readonly #withMenus: (act: (menus: Menus) => void) => void;
  #timer: number | undefined;
  #typing = false;
  #stepped = false;

  constructor(host: Host, withMenus: (act: (menus: Menus) => void) => void) {
    this.#host = host;
    this.#withMenus = withMenus;
  }

  /** The handler of a button that opens a menu. */
  #opens(menu: MenuName): (event: Event) => void {
    return ({ currentTarget }) => this.#withMenus((menus) => menus.toggle(menu, currentTarget as HTMLElement));
  }

  get field(): HTMLInputElement | null {
    return this.#host.renderRoot.querySelector("#q");
  }

  render(problem: Problem | null): TemplateResult {
    const { words, narrow } = this.#host;
    const { helper } = this;
    // What is still being typed cannot be wrong yet.
    const wrong = problem?.status === 400 && problem.start !== undefined && !helper?.open ? problem : null;
    return html`<div class="bar" part="bar">
        <div class="search ${wrong ? "bad" : ""}"><label>${icon("search")}<span class="sr">${words.t("search.label")}</span><span class="in" dir=${this.#shown() ? "auto" : nothing}>${wrong ? this.#underline(wrong) : nothing}
            <input id="q" type="text" enterkeyhint="search" autocomplete="off" autocapitalize="off" spellcheck="false" placeholder=${words.t(narrow ? "search.short" : "search.hint")}
              role=${helper ? "combobox" : nothing} aria-autocomplete=${helper ? "list" : nothing} aria-expanded=${helper ? helper.open : nothing} aria-controls=${helper?.open ? "suggest" : nothing} aria-activedescendant=${helper?.active ?? nothing}
              .value=${this.#shown()} aria-invalid=${wrong ? "true" : "false"} aria-describedby=${wrong ? "wrong" : ""}
              @input=${this.#input} @keydown=${this.#keys} @click=${() => helper?.typed()} @focus=${() => helper?.typed()} @blur=${this.#left} @scroll=${() => this.#host.requestUpdate()}></span></label>
          ${this.#shown() ? html`<button class="cl" aria-label=${words.t("search.clear")} @click=${this.#clear}>${icon("x", "s")}</button>` : html`<kbd aria-hidden="true">/</kbd>`}
          ${helper?.render()}
        </div>
        ${narrow
          ? html`<button class="btn ic" aria-label=${words.t("filters")} aria-haspopup="dialog" @click=${this.#opens("dates")}>${icon("filter")}</button>`
          : html`<div class="fbs" ?inert=${this.#host.covered}>${this.#button("user", "user", "filter.user")}${this.#button("action", "pen", "filter.action")}${this.#button("resource", "doc", "filter.resource")}${this.#plus()}${this.views ? this.views("bar") : GHOST}</div>${this.#presets()}`}
      </div>
      ${wrong ? this.#explain(wrong) : nothing}
      ${narrow ? this.#scroller() : this.#chips()}`;
  }

  #draft = "";

  #shown(): string {
    return this.#typing ? this.#draft : this.#host.state.text;
  }

  /** The handler of the middle of a chip. */
  #compares(at: number): (event: Event) => void {
    return ({ currentTarget }) => this.#withMenus((menus) => menus.compare(at, currentTarget as HTMLElement));
  }

  #button(menu: MenuName, glyph: Icon, key: Key): TemplateResult {
    const open = this.menus?.open === menu;
    return html`<button class="btn fb" id="menu-${menu}" aria-haspopup="dialog" aria-expanded=${open} @click=${this.#opens(menu)}>${icon(glyph)}${this.#host.words.t(key)}</button>`;
  }

  #plus(): TemplateResult {
    const { words } = this.#host;
    return html`<button class="btn fb ic" id="menu-more" aria-label=${words.t("filter.more")} title=${words.t("filter.more")} aria-haspopup="dialog" aria-expanded=${this.menus?.open === "more"} @click=${this.#opens("more")}>${icon("plus")}</button>`;
  }

  #presets(): TemplateResult {
    const { words, state } = this.#host;
    const preset = (range: Range, key: Key): TemplateResult =>
      html`<button aria-pressed=${state.range === range} @click=${() => this.#host.go({ range, since: null, until: null })}>${words.t(key)}</button>`;
    const own = state.range !== "7d" && state.range !== "30d";
    return html`<div class="seg" role="group" aria-label=${words.t("range.label")} ?inert=${this.#host.covered}>${preset("7d", "range.7d")}${preset("30d", "range.30d")}
      <button id="menu-dates" aria-pressed=${own} aria-haspopup="dialog" aria-expanded=${this.menus?.open === "dates"} @click=${this.#opens("dates")}>${own ? this.rangeText() : words.t("range.custom")}</button></div>`;
  }

  /** The chosen span in words: by its name, or, `exact`, by its days. */
  rangeText(exact = false): string {
    const { words, clock, state } = this.#host;
    const { since, until } = span(state, clock.zone);
    if (state.range === "all" || (state.range !== "custom" && !exact)) return words.t(`range.${state.range}`);
    if (since !== null && until !== null) return clock.range(since, until);
    return since === null ? words.t("range.until", { day: clock.as("date", (until ?? 0) - 1) }) : words.t("range.since", { day: clock.as("date", since) });
  }

  /** A chip's three parts in words; also how the export dialog restates the filters. */
  chipText(chip: Term): [string, string, string] {
    const { words, labels } = this.#host;
    const by = operator(chip);
    const many = chip.values.length > 1;
    const op = by ? words.t(many && by === "is" ? "op.any" : many && by === "not" ? "op.none" : `op.${by}`) : `${chip.negated ? "≠ " : ""}${chip.op}`;
    const values = chip.values.map((value) => labels.value(words, chip.field, by?.startsWith("begins") ? value.slice(0, -1) : value));
    return [words.maybe(`field.${chip.field}`) ?? chip.field, op, values.length > 3 ? words.t("chip.many", { first: values[0] as string, n: values.length - 1 }) : words.list(values, "disjunction")];
  }

  #chips(): unknown {
    const { words, state } = this.#host;
    if (!state.chips.length) return nothing;
    return html`<div class="chips">${this.#chipList()}<span class="sp"></span>${this.views?.("save")}
      <button class="btn q sm" ?inert=${this.#host.covered} @click=${() => this.#host.go({ chips: [], text: "", range: START.range, since: null, until: null })}>${words.t("filters.clear")}</button></div>`;
  }

  #chipList(): TemplateResult[] {
    const { words, state } = this.#host;
    return state.chips.map((chip, at) => {
      const [field, op, value] = this.chipText(chip);
      const [menu, plain] = EDITORS[chip.field] ?? [null, "filter" as const];
      const glyph = chip.field === "type" && chip.values.length === 1 ? typeIcon(chip.values[0] as string) : plain;
      const edit = menu ? this.#opens(menu) : (): void => this.#edit(at);
      const replace = (next: Term[]): void => this.#host.go({ chips: next });
      return html`<span class="chip on"><button @click=${edit}>${icon(glyph, "s")}${field}</button>
        <button class="op" ?disabled=${!operators(chip).length} title=${words.t("chip.compare")} aria-haspopup="dialog" @click=${this.#compares(at)}>${op}</button>
        <button @click=${edit}><bdi>${value}</bdi></button>
        <button class="rm" aria-label=${words.t("chip.remove", { field })} @click=${() => replace(state.chips.filter((_, n) => n !== at))}>${icon("x", "s")}</button></span>`;
    });
  }

  /** Narrow pages: presets and filters as one scrolling line. */
  #scroller(): TemplateResult {
    const { words, state } = this.#host;
    const chip = (menu: MenuName, glyph: Icon, text: string, on: boolean): TemplateResult =>
      html`<button class="chip ${on ? "sel" : ""}" aria-haspopup="dialog" @click=${this.#opens(menu)}>${icon(glyph, "s")}${text}</button>`;
    const has = (menu: MenuName): boolean => state.chips.some(({ field }) => EDITORS[field]?.[0] === menu);
    return html`<div class="chips line">${chip("dates", "calendar", this.rangeText(), true)}${this.#chipList()}
      ${has("user") ? nothing : chip("user", "user", words.t("filter.user"), false)}${has("action") ? nothing : chip("action", "pen", words.t("filter.action"), false)}${has("resource") ? nothing : chip("resource", "doc", words.t("filter.resource"), false)}${has("more") ? nothing : chip("more", "plus", words.t("filter.more"), false)}${this.views?.("line")}</div>`;
  }

  /** Put a chip that has no menu back into the field, to be typed over. */
  #edit(at: number): void {
    const { state } = this.#host;
    const term = state.chips[at] as Term;
    this.#typing = true;
    this.#draft = join({ chips: [term], text: state.text });
    this.#host.go({ chips: state.chips.filter((_, n) => n !== at), text: this.#draft }, "replace");
    this.field?.focus();
  }

  // The term at fault, underlined in place: the same text behind the field, transparent but for the mark.
  #underline({ start = 0, end = 0 }: Problem): unknown {
    const before = [...join({ chips: this.#host.state.chips, text: "" })].length;
    const shift = before && before + 1;
    if (end <= shift) return nothing;
    const text = [...this.#shown()];
    const [from, to] = [Math.max(0, start - shift), Math.max(end - shift, start - shift + 1)];
    const cut = (first: number, last?: number): string => text.slice(first, last).join("");
    return html`<span class="ul" aria-hidden="true" .scrollLeft=${this.field?.scrollLeft ?? 0}><span>${cut(0, from)}<u>${cut(from, to)}</u>${cut(to)}</span></span>`;
  }

  #explain(problem: Problem): TemplateResult {
    const query = [...join(this.#host.state)];
    const { start = 0, end = 0 } = problem;
    const cut = (from: number, to?: number): string => query.slice(from, to).join("");
    return html`<p class="wrong" id="wrong" role="alert">${icon("warn", "s")}<span><code>${cut(0, start)}<u>${cut(start, end)}</u>${cut(end)}</code>
      ${problem.detail || problem.title} ${problem.remedy}</span></p>`;
  }

  readonly #input = (event: InputEvent): void => {
    this.#typing = true;
    this.#draft = (event.target as HTMLInputElement).value;
    clearTimeout(this.#timer);
    // A term that only begins is not asked yet.
    if (!BEGUN.test(this.#draft)) this.#timer = setTimeout(this.#apply, DEBOUNCE);
    this.helper?.typed();
    this.#host.requestUpdate();
  };

  readonly #left = (): void => {
    this.helper?.hide();
    this.#settle();
  };

  /** Write for the reader; `final` when nothing is left to type. */
  write(text: string, caret: number, final: boolean): void {
    const { field } = this;
    if (!field) return;
    this.#typing = true;
    this.#draft = field.value = text;
    field.setSelectionRange(caret, caret);
    clearTimeout(this.#timer);
    if (final) this.#settle();
    else this.#host.requestUpdate();
  }

  /** One search is one step for Back, however long the typing took. */
  readonly #apply = (): void => {
    this.#host.go({ text: this.#draft.trim() }, this.#stepped ? "replace" : "push");
    this.#stepped = true;
  };

  readonly #keys = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    if (this.helper?.keys(event)) {
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    if (event.key === "Enter") {
      this.helper?.hide();
      this.#settle();
    }
    else if (event.key !== "Escape") return;
    else if (this.#shown()) this.#clear();
    else this.field?.blur();
    event.preventDefault();
    event.stopPropagation();
  };

  /** What was typed becomes final: terms with a field turn into chips. */
  readonly #settle = (): void => {
    if (!this.#typing) return;
    clearTimeout(this.#timer);
    this.#apply();
    const cut = split(this.#draft);
    this.#typing = this.#stepped = false;
    this.#host.go({ chips: [...this.#host.state.chips, ...cut.chips], text: cut.text }, "replace");
    this.helper?.learned(this.#draft);
  };

  readonly #clear = (): void => {
    clearTimeout(this.#timer);
    this.#typing = this.#stepped = false;
    this.#draft = "";
    this.#host.go({ text: "" });
    this.field?.focus();
  };
}
