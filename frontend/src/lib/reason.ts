// Why an alert was raised, in the reader's language: the sentence of a rule, with the values that it held for.

import { html } from "lit";
import type { Words } from "./i18n.js";

export type Numbers = Record<string, unknown>;

/** A sentence with its values, each apart from the direction of the text around it. */
export function reason(words: Words, template: string, numbers: Numbers, unsaid: string): unknown[] {
  return template.split(/\{([^{}]+)\}/).map((part, at) => (at % 2 ? html`<bdi>${shown(words, part, numbers[part], unsaid)}</bdi>` : part));
}

/** One value: countries by their names, lengths of time in words, shares in percent. */
export function shown(words: Words, name: string, value: unknown, unsaid: string): string {
  if (Array.isArray(value)) return words.list(value.map((one) => shown(words, name, one, unsaid)));
  if (value === null || value === undefined) return unsaid;
  if (typeof value !== "number") return name.endsWith("country") ? words.country(String(value)) : String(value);
  if (name === "span") return words.length(value * 1000);
  if (name.endsWith("hour_tail") || name === "rare") return new Intl.NumberFormat(words.locale, { style: "percent", maximumSignificantDigits: 2 }).format(value);
  return words.n(value);
}
