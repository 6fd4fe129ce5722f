// How a file of an export is laid out: which columns, in how many files, and about how large it will be.

import { html, nothing, type TemplateResult } from "lit";
import type { Params } from "../lib/api.js";
import { guess, type Files, type Wish } from "../lib/exporting.js";
import type { Host } from "../lib/host.js";
import type { Key } from "../lib/i18n.js";
import type { Estimate } from "../lib/types.js";

/** Columns that are wanted or not wanted together, and what they are called. */
const GROUPS: readonly (readonly [Key, readonly string[]])[] = [
  ["field.index", ["index", "id", "workspace"]],
  ["fact.when", ["occurred_at", "recorded_at"]],
  ["field.actor", ["actor_type", "actor_id", "actor_name", "actor_email", "actor_role", "on_behalf_of"]],
  ["field.action", ["action", "kind", "severity", "outcome"]],
  ["field.resource", ["resource_type", "resource_id", "resource_name", "related"]],
  ["tab.changes", ["changes"]],
  ["field.reason", ["reason_code", "reason_text", "cause"]],
  ["fact.from", ["source", "ip", "forwarded_ip", "user_agent", "country", "city"]],
  ["field.request", ["request", "session", "batch"]],
  ["details.title", ["details", "marks"]],
];

const SPLITS = { one: null, month: "month", rows: 100_000 } as const;
type Split = keyof typeof SPLITS;

/** From so many entries on several files are easier to open. */
const LARGE = 250_000;
const REST = 200;

export class Layout {
  #off = new Set<Key>();
  /** Null while nobody chose: the server does then. */
  #split: Split | null = null;
  #estimate: Estimate | null = null;
  #asked = "";
  #timer: number | undefined;
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /** What is ordered: the filters, and the choices as far as a format has them. */
  wish(format: string, proofs: boolean, filtered: Params): Wish {
    const columns = format === "ndjson" || !this.#off.size ? [] : GROUPS.flatMap(([group, names]) => (this.#off.has(group) ? [] : names));
    return { ...filtered, format, proofs, columns, ...(this.#split && !proofs ? { split: SPLITS[this.#split] } : {}) };
  }

  render(wish: Wish): TemplateResult {
    this.ask(wish);
    return html`${wish.format === "ndjson" ? nothing : this.#columns()}${wish.proofs ? nothing : this.#files()}`;
  }

  /** What the server says of the file, as soon as it is known. */
  get estimate(): Estimate | null {
    return this.#estimate;
  }

  /** About how large the file will be. */
  size(): string {
    const { words } = this.#host;
    const size = this.#estimate?.size;
    return size === undefined ? "" : words.t("export.size", { size: words.bytes(size) });
  }

  /** The log went on, or is another one. */
  forget(): void {
    clearTimeout(this.#timer);
    this.#asked = "";
    this.#estimate = null;
  }

  #columns(): TemplateResult {
    const { words } = this.#host;
    return html`<fieldset class="cols"><legend>${words.t("export.columns")}</legend>${GROUPS.map(([group]) => {
      const on = !this.#off.has(group);
      // A file without columns is none.
      const last = on && this.#off.size === GROUPS.length - 1;
      return html`<label class=${on ? "on" : ""}><input type="checkbox" .checked=${on} ?disabled=${last} @change=${() => this.#turn(group)}>${words.t(group)}</label>`;
    })}</fieldset>`;
  }

  #files(): TemplateResult {
    const { words } = this.#host;
    const { count, split } = this.#estimate ?? { count: { value: 0 }, split: null };
    const chosen = this.#split ?? (typeof split === "number" ? "rows" : (split ?? "one"));
    const rows = this.#split || typeof split !== "number" ? SPLITS.rows : split;
    const large = count.value > LARGE;
    return html`<label class="ckl">${words.t("export.split")} <select @change=${(event: Event) => this.#cut((event.target as HTMLSelectElement).value as Split)}>${(Object.keys(SPLITS) as Split[]).map(
        (one) => html`<option value=${one} ?selected=${one === chosen}>${words.t(`export.split.${one}`, { n: rows })}</option>`,
      )}</select></label>${large && chosen === "one" ? html`<p class="mute">${words.t("export.large", { n: LARGE })}</p>` : nothing}`;
  }

  #turn(group: Key): void {
    if (!this.#off.delete(group)) this.#off.add(group);
    this.#host.requestUpdate();
  }

  #cut(split: Split): void {
    this.#split = split;
    this.#host.requestUpdate();
  }

  /** Have the file estimated, once the choices rest. */
  ask(wish: object, files: Files = "exports"): void {
    const asked = files + JSON.stringify(wish);
    if (asked === this.#asked) return;
    this.forget();
    this.#asked = asked;
    this.#timer = setTimeout(() => {
      guess(this.#host.client, files, wish)
        .catch(() => null)
        .then((found) => {
          if (this.#asked !== asked) return;
          this.#estimate = found;
          this.#host.requestUpdate();
        });
    }, REST);
  }
}
