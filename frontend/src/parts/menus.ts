// The menus of the filter bar: one popover whose content depends on which button opened it; a bottom sheet with tabs on
// a narrow page. Lists are checkboxes with counts, searchable, each with an "only".

import { html, nothing, type TemplateResult } from "lit";
import { isAbort } from "../lib/api.js";
import type { Host } from "../lib/host.js";
import { actorIcon, icon, typeIcon } from "../lib/icons.js";
import { compared, operator, operators } from "../lib/operators.js";
import { choose, chosen, toggled, type Term } from "../lib/query.js";
import { KINDS, type Facets, type FacetValue, type Kind } from "../lib/types.js";
import { avatar } from "./avatar.js";
import { Dates } from "./dates.js";
import { filters, type Feed } from "./feed.js";

export const MENUS = ["dates", "user", "action", "resource", "more"] as const;
export type MenuName = (typeof MENUS)[number];

/** Names that a search by name offers. */
const FOUND = 12;
/** Values met in the list that are offered before anything is typed. */
const MET = 5;
/** Fields with too many values to count: those in the list are offered, and what is typed. */
const TYPED = ["ip", "change", "request", "session"];
/** An address or a network, written to its end. */
const ADDRESS = /^(\d{1,3}(\.\d{1,3}){3}|[\da-f]*:[\da-f:.]+)(\/\d{1,3})?$/i;

interface Item {
  field: string;
  value: string;
  label: string;
  count: number | null;
  glyph: unknown;
  detail?: string;
}

interface Group {
  title: string;
  items: Item[];
}

/** Fields that a menu sets; its counts are taken as if it had set nothing. */
const OWN: Record<MenuName, string[]> = { dates: [], user: ["actor"], action: ["kind", "action"], resource: ["type", "resource"], more: ["outcome", "severity", "via", "country", ...TYPED] };

export class Menus {
  open: MenuName | null = null;
  /** The chip whose comparison is chosen. */
  #chip: number | null = null;
  readonly dates: Dates;
  readonly #host: Host;
  #facets: Record<string, Facets> = {};
  #found: Item[] = [];
  #typed = "";
  #failed = false;
  #anchor: HTMLElement | null = null;
  #abort: AbortController | null = null;
  #timer: number | undefined;

  readonly #feed: Feed;

  constructor(host: Host, feed: Feed) {
    this.#host = host;
    this.#feed = feed;
    this.dates = new Dates(host, () => this.close());
  }

  toggle(menu: MenuName, anchor: HTMLElement): void {
    if (this.open === menu && this.#anchor === anchor) return this.close();
    this.#anchor = anchor;
    this.show(menu);
  }

  /** Choose how a chip compares. */
  compare(at: number, anchor: HTMLElement): void {
    const again = this.#chip === at;
    this.close();
    if (again) return;
    this.#anchor = anchor;
    this.#chip = at;
    this.#appear();
  }

  show(menu: MenuName): void {
    this.#chip = null;
    this.open = menu;
    this.#typed = "";
    this.#found = [];
    if (menu === "dates") this.dates.start();
    else void this.#load();
    this.#appear();
  }

  #appear(): void {
    this.#host.requestUpdate();
    void this.#host.updateComplete.then(() => {
      const panel = this.#panel;
      if (!panel) return;
      if (!panel.matches(":popover-open")) panel.showPopover();
      this.#place(panel);
      panel.querySelector<HTMLElement>("[data-first]")?.focus();
      document.addEventListener("pointerdown", this.#outside, true);
    });
  }

  close(): void {
    if (!this.open && this.#chip === null) return;
    document.removeEventListener("pointerdown", this.#outside, true);
    this.open = this.#chip = null;
    this.#abort?.abort();
    this.#panel?.hidePopover();
    this.#host.requestUpdate();
    if (this.#anchor?.isConnected) this.#anchor.focus();
  }

  readonly #outside = (event: Event): void => {
    const path = event.composedPath();
    if (this.#panel && !path.includes(this.#panel) && !(this.#anchor && path.includes(this.#anchor))) this.close();
  };

  /** After the filters changed: the counts are old. */
  refresh(): void {
    if (this.open && this.open !== "dates") void this.#load();
  }

  get #panel(): HTMLElement | null {
    return this.#host.renderRoot.querySelector("#panel");
  }

  /** Below its button, inside the window; a narrow page lets the style sheet do it. */
  #place(panel: HTMLElement): void {
    if (this.#host.narrow || !this.#anchor) return panel.removeAttribute("style");
    const box = this.#anchor.getBoundingClientRect();
    const near = this.#host.words.direction === "rtl" ? box.right - panel.offsetWidth : box.left;
    const left = Math.max(8, Math.min(near, document.documentElement.clientWidth - panel.offsetWidth - 8));
    panel.style.left = `${left}px`;
    panel.style.top = `${Math.max(8, Math.min(box.bottom + 6, window.innerHeight - panel.offsetHeight - 8))}px`;
  }

  async #load(): Promise<void> {
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    const { client, state, clock, words } = this.#host;
    const own = OWN[this.open ?? "dates"];
    const ask = (field: string, without: string[]): Promise<Facets> => {
      const chips = state.chips.filter((chip) => !without.includes(chip.field) || chip.negated);
      return client.get<Facets>("facets", { ...filters({ ...state, chips }, clock.zone), field, limit: 200, lang: words.language }, abort.signal);
    };
    try {
      this.#failed = false;
      const each = (fields: string[]): [string, string[]][] => fields.map((field) => [field, [field]]);
      const wanted = this.open === "more" ? each(own.filter((field) => !TYPED.includes(field))) : this.open === "action" ? each(["kind", "action"]) : [[own[0] as string, own] as [string, string[]]];
      const answers = await Promise.all(wanted.map(([field, without]) => ask(field, without)));
      wanted.forEach(([field], at) => (this.#facets[field] = answers[at] as Facets));
      for (const { value, label } of this.#facets.actor?.values ?? []) this.#host.labels.name(value, label);
    } catch (error) {
      if (isAbort(error)) return;
      this.#failed = true;
    }
    this.#host.requestUpdate();
  }

  /** Resources whose name begins as typed, deleted ones included; last, whatever has a name or id like that. */
  async #find(): Promise<void> {
    const typed = this.#typed.trim();
    this.#found = [];
    if (this.open === "resource" && typed.length > 1) {
      const { client, clock, labels, words } = this.#host;
      try {
        const { values } = await client.get<Facets>("facets", { field: "resource", prefix: typed, limit: FOUND, tz: clock.zone, lang: words.language });
        if (this.#typed.trim() !== typed) return;
        this.#found = values.map(({ value, label, count, type = "" }) => {
          labels.resources.set(value, label ?? value);
          return { field: "resource", value, label: label ?? value, count, glyph: icon(typeIcon(type)), detail: labels.type(type) };
        });
      } catch {
        this.#found = [];
      }
      this.#found.push({ field: "resource", value: `${typed}*`, label: `${typed}…`, count: null, glyph: icon("search") });
    }
    this.#host.requestUpdate();
  }

  render(): TemplateResult {
    const { words, narrow } = this.#host;
    const chip = this.#chip === null ? undefined : this.#host.state.chips[this.#chip];
    return html`<div id="panel" class="pop ${this.open === "dates" ? "wide" : chip ? "slim" : ""}" popover="manual" role="dialog" aria-label=${words.t(this.open ? `filter.${this.open}` : chip ? "chip.compare" : "filters")} @keydown=${this.#keys}>
      ${chip ? this.#comparisons(chip) : nothing}
      ${this.open && narrow ? this.#tabs() : nothing}
      ${this.open === "dates" ? this.dates.render() : this.open ? this.#menu() : nothing}
      ${this.open && narrow ? html`<div class="pf"><button class="btn p" @click=${() => this.close()}>${words.t("menu.show", { n: this.#feed.count?.value ?? 0 })}</button></div>` : nothing}
    </div>`;
  }

  /** The ways in which a chip may compare, the one in force pressed. */
  #comparisons(chip: Term): TemplateResult {
    const { words, labels } = this.#host;
    const now = operator(chip);
    const take = (term: Term): void => {
      const at = this.#chip;
      this.close();
      this.#host.go({ chips: this.#host.state.chips.map((one, n) => (n === at ? term : one)) });
    };
    const many = chip.values.length > 1;
    return html`<div class="opts">${operators(chip).map((by) => html`<button class="pick" ?data-first=${by === now} aria-pressed=${by === now}
      @click=${() => take(compared(chip, by, (value) => labels.value(words, chip.field, value)))}>${icon("check", "s")}${words.t(many && by === "is" ? "op.any" : many && by === "not" ? "op.none" : `op.${by}`)}</button>`)}</div>`;
  }

  #tabs(): TemplateResult {
    const { words } = this.#host;
    return html`<div class="seg" role="group" aria-label=${words.t("filters")}>${MENUS.map(
      (menu) => html`<button aria-pressed=${menu === this.open} @click=${() => this.show(menu)}>${words.t(`filter.${menu}`)}</button>`,
    )}</div>`;
  }

  #menu(): TemplateResult {
    const { words } = this.#host;
    const groups = this.#groups().filter(({ items }) => items.length);
    const picked = OWN[this.open as MenuName].flatMap((field) => chosen(this.#host.state.chips, field)).length;
    return html`<label class="find">${icon("search", "s")}<span class="sr">${words.t("menu.search")}</span>
        <input type="text" data-first autocomplete="off" spellcheck="false" placeholder=${words.t(this.open === "resource" ? "menu.resource" : this.open === "more" ? "menu.more" : "menu.search")} .value=${this.#typed} @input=${this.#type}></label>
      <div class="opts">${groups.map(({ title, items }) => html`<div role="group" aria-label=${title}>${title ? html`<div class="gt" aria-hidden="true">${title}</div>` : nothing}${items.map((item) => this.#option(item))}</div>`)}
        ${groups.length ? nothing : html`<p class="note" role="status">${this.#failed ? words.t("menu.failed") : Object.keys(this.#facets).length ? words.t("menu.none") : words.t("list.loading")}</p>`}</div>
      ${picked ? html`<div class="pf"><button class="btn q sm" @click=${this.#reset}>${words.t("menu.clear")}</button></div>` : nothing}`;
  }

  #option(item: Item): TemplateResult {
    const { words, state } = this.#host;
    const on = chosen(state.chips, item.field).includes(item.value);
    return html`<div class="opt"><label><input type="checkbox" .checked=${on} @change=${() => this.#host.go({ chips: toggled(state.chips, item.field, item.value) })}>${item.glyph}<span class="nm"><bdi>${item.label}</bdi>${item.detail ? html` <small>${item.detail}</small>` : nothing}</span>
        <em class="num">${item.count === null ? nothing : words.n(item.count)}</em></label>
      <button class="only" aria-label=${words.t("menu.only.label", { value: item.label })} @click=${() => this.#host.go({ chips: choose(state.chips, item.field, [item.value]) })}>${words.t("menu.only")}</button></div>`;
  }

  readonly #reset = (): void => {
    const chips = OWN[this.open as MenuName].reduce<Term[]>((kept, field) => choose(kept, field, []), this.#host.state.chips);
    this.#host.go({ chips });
  };

  readonly #type = (event: InputEvent): void => {
    this.#typed = (event.target as HTMLInputElement).value;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#find(), 150);
    this.#host.requestUpdate();
  };

  // Arrow keys walk from the field through the list; everything else is the platform's.
  readonly #keys = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") {
      event.stopPropagation();
      return this.close();
    }
    if (!step || this.open === "dates") return;
    const stops = [...(this.#panel?.querySelectorAll<HTMLElement>(".find input, .opt input, .pick") ?? [])];
    const at = stops.indexOf((this.#host.renderRoot as ShadowRoot).activeElement as HTMLElement);
    stops[Math.max(0, Math.min(stops.length - 1, at + step))]?.focus();
    event.preventDefault();
    event.stopPropagation();
  };

  #groups(): Group[] {
    const typed = this.#typed.trim().toLowerCase();
    const fits = ({ label, value }: Item): boolean => !typed || `${label} ${value}`.toLowerCase().includes(typed);
    const groups = { user: () => this.#users(), action: () => this.#actions(), resource: () => this.#resources(), more: () => this.#others(), dates: () => [] }[this.open as MenuName]();
    return groups.map(({ title, items }) => ({ title, items: items.filter((item) => item.field === "resource" || TYPED.includes(item.field) || fits(item)) }));
  }

  /** Values with counts, and those that are chosen although nothing in the range has them. */
  #values(field: string): FacetValue[] {
    const listed = this.#facets[field]?.values ?? [];
    const missing = chosen(this.#host.state.chips, field).filter((value) => !listed.some((one) => one.value === value));
    return [...listed, ...missing.map((value) => ({ value, count: 0 }))];
  }

  #others(): Group[] {
    const { words, labels } = this.#host;
    return OWN.more.map((field) => ({
      title: words.maybe(`field.${field}`) ?? field,
      items: TYPED.includes(field) ? this.#typedValues(field) : this.#values(field).map(({ value, count }) => ({ field, value, label: labels.value(words, field, value), count, glyph: nothing })),
    }));
  }

  /** What is chosen, what is typed as far as it can be a value, and what the list shows just now. */
  #typedValues(field: string): Item[] {
    const typed = this.#typed.trim();
    const had = chosen(this.#host.state.chips, field);
    const labels = new Map<string, string>();
    for (const { ip, second } of this.#feed.items) {
      if (field === "ip" && typeof ip === "string") labels.set(ip, ip);
      if (field === "change") for (const { path, label } of second.changes ?? []) labels.set(path, label ?? path);
    }
    const fits = (value: string): boolean => `${labels.get(value)} ${value}`.toLowerCase().includes(typed.toLowerCase());
    const met = [...labels.keys()].filter((value) => !had.includes(value) && fits(value)).slice(0, MET);
    const own = field === "ip" ? (ADDRESS.test(typed) ? [typed] : []) : (field === "change" ? /^\p{L}/u.test(typed) : typed) ? [`${typed}*`] : [];
    return [...new Set([...had, ...met, ...own])].map((value) => {
      const label = labels.get(value) ?? value.replace(/\*$/, "…");
      return { field, value, label, count: null, glyph: nothing, ...(label === value || value.endsWith("*") ? {} : { detail: value }) };
    });
  }

  #users(): Group[] {
    const { words, labels } = this.#host;
    const groups: [string, string[]][] = [
      [words.t("users.people"), ["user"]], [words.t("users.keys"), ["api_key"]], [words.t("users.auto"), ["system", "scheduler"]],
      [words.t("users.provider"), ["provider"]], [words.t("users.other"), []],
    ];
    const known = groups.flatMap(([, types]) => types);
    return groups.map(([title, types]) => ({
      title,
      items: this.#values("actor")
        .filter(({ type = "" }) => (types.length ? types.includes(type) : !known.includes(type)))
        .map(({ value, label, count, type = "user" }) => {
          const name = label || labels.actor(value);
          return { field: "actor", value, label: name, count, glyph: avatar({ type, id: value, name }, actorIcon(type)) };
        }),
    }));
  }

  #actions(): Group[] {
    const { words, labels } = this.#host;
    const counts = new Map(this.#values("kind").map(({ value, count }) => [value, count]));
    const kinds = KINDS.map((kind: Kind) => ({ field: "kind", value: kind, label: labels.kind(words, kind), count: counts.get(kind) ?? 0, glyph: html`<i class="dot ${kind}"></i>` }));
    const byCategory = new Map<string, Item[]>();
    for (const { value, label, count } of this.#values("action")) {
      const [category = ""] = value.split(".");
      const item = { field: "action", value, label: value.endsWith(".*") ? words.t("menu.all") : label || labels.action(value), count, glyph: nothing };
      byCategory.set(category, [...(byCategory.get(category) ?? []), item]);
    }
    const categories = [...byCategory].map(([name, items]) => {
      const all = `${name}.*`;
      const total = items.reduce((sum, { count }) => sum + (count ?? 0), 0);
      const own = items.filter(({ value }) => value !== all);
      return { title: labels.category(name), items: own.length > 1 ? [{ field: "action", value: all, label: words.t("menu.all"), count: total, glyph: nothing }, ...own] : items };
    });
    return [{ title: words.t("menu.kinds"), items: kinds }, ...categories.sort((a, b) => a.title.localeCompare(b.title))];
  }

  #resources(): Group[] {
    const { words, labels, state } = this.#host;
    const types = this.#values("type").map(({ value, count }) => ({ field: "type", value, label: labels.type(value), count, glyph: icon(typeIcon(value)) }));
    const had = chosen(state.chips, "resource").filter((value) => !this.#found.some((one) => one.value === value));
    const named = had.map((value) => ({ field: "resource", value, label: labels.value(words, "resource", value), count: null, glyph: icon(typeIcon(value.split(":")[0] ?? "")) }));
    return [{ title: words.t("menu.types"), items: types }, { title: words.t("menu.named"), items: [...named, ...this.#found] }];
  }
}
