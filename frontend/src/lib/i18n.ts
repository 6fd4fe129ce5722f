// Messages, numbers and lists in the reader's language. A language is one catalogue in locales/, fetched from beside
// viewer.js: add the file there and its name here. Sentences are whole in the catalogue: {slots} are filled, plurals
// chosen by the `n` slot, nothing is glued together.

import { beside } from "./files.js";
import type en from "../locales/en.json";

export type Message = string | Partial<Record<Intl.LDMLPluralRule, string>>;
export type Catalogue = Record<string, Message>;
export type Key = keyof typeof en;

export const LANGUAGES = ["en", "es", "pt", "hi", "ar"];
/** Languages written from right to left. */
const LEFTWARDS = ["ar"];

/** Languages whose catalogue lacks a message that English has; put in by the build. */
declare const LACKS: string[] | undefined;
const LACKING = typeof LACKS === "undefined" ? LANGUAGES : LACKS;

/** Latin digits and the calendar of the log for Arabic too, unless the locale names others: they stand beside ids,
 * addresses and stored values. */
function digits(locale: string): string {
  return locale.startsWith("ar") && !locale.includes("-u-") ? `${locale}-u-ca-gregory-nu-latn` : locale;
}

/** `{name}` slots of a template and the text between them. */
export function cut(template: string): { text: string; slot: boolean }[] {
  return template
    .split(/\{(\w+)\}/)
    .map((text, at) => ({ text, slot: at % 2 === 1 }))
    .filter(({ text, slot }) => slot || text);
}

export class Words {
  /** Language of the messages: one that has a catalogue. */
  readonly language: string;
  /** Locale of numbers and dates. Plain `en` means international English: day before month, 24 hours. */
  readonly locale: string;
  readonly #messages: Catalogue;
  readonly #made = new Map<string, unknown>();

  constructor(wanted: string, messages: Catalogue = {}) {
    let locale = "en";
    try {
      locale = Intl.getCanonicalLocales(wanted)[0] ?? "en";
    } catch {
      // Not a language tag: stay with English.
    }
    const language = locale.split("-")[0] as string;
    this.language = LANGUAGES.includes(language) ? language : "en";
    this.locale = this.language !== language || locale === "en" ? "en-GB" : digits(locale);
    this.#messages = messages;
  }

  /** What formats in this locale: made when it is first needed, for making one costs more than a row. */
  #once<T>(name: string, make: () => T): T {
    if (!this.#made.has(name)) this.#made.set(name, make());
    return this.#made.get(name) as T;
  }

  /** Which way the language is written. */
  get direction(): "ltr" | "rtl" {
    return LEFTWARDS.includes(this.language) ? "rtl" : "ltr";
  }

  /** Whether there is anything to say. */
  get ready(): boolean {
    return "title" in this.#messages;
  }

  /** The words of a locale with their catalogue. A message that the language lacks is said in English. */
  static async load({ language, locale }: Words): Promise<Words> {
    const fetched = (name: string): Promise<Catalogue> => fetch(beside(`locales/${name}.json`)).then((answer) => answer.json() as Promise<Catalogue>);
    const messages = await fetched(language);
    const lacking = language !== "en" && LACKING.includes(language);
    return new Words(locale, lacking ? { ...(await fetched("en")), ...messages } : messages);
  }

  /** A whole message as text. */
  t(key: Key, slots: Record<string, string | number> = {}): string {
    return this.tx(key, slots).join("");
  }

  /** A message whose slots are filled with anything that a template can show. */
  tx(key: Key, slots: Record<string, unknown> = {}): unknown[] {
    const message = this.#messages[key] ?? key;
    const template = typeof message === "string" ? message : (message[this.#once("plural", () => new Intl.PluralRules(this.locale)).select(Number(slots.n))] ?? message.other ?? key);
    return cut(template).map(({ text, slot }) => {
      if (!slot) return text;
      const value = slots[text];
      return typeof value === "number" ? this.n(value) : (value ?? "");
    });
  }

  /** A message that need not exist, for codes that hosts invent. */
  maybe(key: string): string | undefined {
    const message = this.#messages[key];
    return typeof message === "string" ? message : undefined;
  }

  n(value: number): string {
    return this.#once("number", () => new Intl.NumberFormat(this.locale)).format(value);
  }

  list(items: string[], type: "conjunction" | "disjunction" = "conjunction"): string {
    return this.#once(type, () => new Intl.ListFormat(this.locale, { type })).format(items);
  }

  /** `41 seconds`, in the largest unit that fits. */
  duration(ms: number): string {
    const units = [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000], ["second", 1000]] as const;
    const [unit, size] = units.find(([, length]) => ms >= length) ?? units[3];
    return this.#once(unit, () => new Intl.NumberFormat(this.locale, { style: "unit", unit, unitDisplay: "long" })).format(Math.round(ms / size));
  }

  /** `3 hours 12 minutes`: a length of time in its two largest units. */
  length(ms: number): string {
    const sizes = [86_400_000, 3_600_000, 60_000, 1000];
    const at = sizes.findIndex((one) => ms >= one);
    const [size = 1000, next = 1000] = at < 0 ? [] : sizes.slice(at);
    const rest = Math.floor((ms % size) / next) * next;
    return [ms - (ms % size), ...(rest ? [rest] : [])].map((one) => this.duration(one)).join(" ");
  }

  /** `10 MB`, in the largest unit that fits. */
  bytes(count: number): string {
    const units = [["gigabyte", 1_000_000_000], ["megabyte", 1_000_000], ["kilobyte", 1000], ["byte", 1]] as const;
    const [unit, size] = units.find(([, length]) => count >= length) ?? units[3];
    return this.#once(unit, () => new Intl.NumberFormat(this.locale, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 1 })).format(count / size);
  }

  country(code: string): string {
    return this.called("region", code);
  }

  /** What a country or a language is called. */
  called(of: "region" | "language", code: string): string {
    try {
      return this.#once(of, () => new Intl.DisplayNames(this.locale, { type: of })).of(code) ?? code;
    } catch {
      return code;
    }
  }
}
