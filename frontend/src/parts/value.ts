// A value of an entry on the page: scalars in the reader's language, "empty" written out, kept-back values as a pill.

import { html, nothing, type TemplateResult } from "lit";
import { isDay } from "../lib/format.js";
import type { Host } from "../lib/host.js";
import type { Words } from "../lib/i18n.js";
import { icon } from "../lib/icons.js";
import type { Change, Marker, Names } from "../lib/types.js";
import { isTree } from "../lib/words.js";

export function isMarker(value: unknown): value is Marker {
  return typeof value === "object" && value !== null && "$" in value;
}

/** Values that somebody keeps back from this reader or from the log; of the others something is known. */
const withheld = new Set(["hidden", "redacted", "erased"]);
const reasons = new Set([...withheld, "unknown", "db_computed", "truncated", "unencodable", "bytes"]);

/** Whether a marker says that somebody keeps the value back. */
export function isWithheld(value: unknown): value is Marker {
  return isMarker(value) && withheld.has(value.$);
}

/** Why a value is not here as it was, in a sentence, with as much of it as is known. */
export function why(host: Host, marker: Marker): string {
  const { words } = host;
  const { $: reason, length, items, head, part, type } = marker;
  if (!reasons.has(reason)) return JSON.stringify(marker);
  const size = items !== undefined ? words.t("marker.items", { n: items }) : words.bytes(length ?? 0);
  const begin = typeof head === "string" ? head : head === undefined ? "" : JSON.stringify(head);
  if (reason === "truncated" && part) return words.t("marker.truncated.part", { size, part });
  if (reason === "truncated" && begin) return words.t("marker.truncated.head", { size, head: begin });
  return words.t(`marker.${reason}.long`, { size, type: begin || (type ?? "") });
}

/** Nothing there: absent, null, or text and lists without content. */
export function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === "" || (typeof value === "object" && !isMarker(value) && !isTree(value));
}

/** A day of no year: a birthday. */
const YEARLY = /^--\d\d-\d\d$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;

/** Several texts, whose letters may run either way: where the language runs to the left the list does, each in its own way. */
function listed(words: Words, texts: string[]): string {
  return words.direction === "rtl" ? `\u200f${words.list(texts.map((text) => `\u2068${text}\u2069`))}` : words.list(texts);
}

/** A value as one line of text. */
export function plain(host: Host, value: unknown, names?: Names): string {
  const { words, clock } = host;
  if (isNamed(value, names)) return (names as Names)[value] as string;
  if (isEmpty(value)) return words.t("value.empty");
  if (isMarker(value)) return reasons.has(value.$) ? words.t(`marker.${value.$}`) : JSON.stringify(value);
  if (typeof value === "boolean") return words.t(value ? "value.yes" : "value.no");
  if (typeof value === "number") return words.n(value);
  if (isDay(value)) return clock.as("date", value);
  if (typeof value === "string") return TIME.test(value) ? clock.as("short", value) : YEARLY.test(value) ? clock.as("yearly", `2024${value.slice(1)}`) : value;
  if (Array.isArray(value) && value.every((one) => !isTree(one))) return listed(words, value.map((one) => plain(host, one, names)));
  return JSON.stringify(value);
}

/** Fields that hold languages, and what a code of one looks like. */
const TONGUES = /(^|\.)(languages?|locale)$/;
const TONGUE = /^[a-z]{2,3}([-_][A-Z]{2})?$/;

/** What the codes are called that a field holds: as the server says, languages as the browser does. */
export function naming({ words }: Host, values: Record<string, Names>, path: string, ...held: unknown[]): Names | undefined {
  if (!TONGUES.test(path)) return values[path];
  const codes = held.flat().filter((one): one is string => typeof one === "string" && TONGUE.test(one));
  return Object.fromEntries(codes.map((code) => [code, words.called("language", code.replace("_", "-"))]));
}

function isNamed(value: unknown, names: Names | undefined): value is string {
  return typeof value === "string" && names !== undefined && Object.hasOwn(names, value);
}

/** What the value is exactly, where the text was made for people. */
export function raw(value: unknown, names?: Names): string | typeof nothing {
  if (Array.isArray(value) && value.some((one) => isNamed(one, names))) return value.join(", ");
  if (isNamed(value, names)) return value;
  if (typeof value === "number" || isDay(value) || (typeof value === "string" && YEARLY.test(value)) || (typeof value === "string" && TIME.test(value))) return String(value);
  return nothing;
}

/** A short fingerprint: enough to compare by eye. */
export function shortPrint(print: string): string {
  return print.length > 8 ? `${print.slice(0, 4)}…${print.slice(-2)}` : print;
}

/** A secret that changed: hatched, with the fingerprints that tell old from new. */
export function secretPill(host: Host, change: Change): TemplateResult {
  const prints = [change.before_fp, change.after_fp].map((print) =>
    print ? html`<span class="mono" translate="no" title=${print}><bdi>${shortPrint(print)}</bdi></span>` : host.words.t("value.empty"),
  );
  return html`<span class="red">${icon("lock", "s")}<span>${host.words.t("marker.secret")}</span>${prints[0]}${icon("arrow", "s")}${prints[1]}</span>`;
}

/** A value that is not shown as it was, and why. */
export function markerPill(host: Host, marker: Marker): TemplateResult {
  if (!isWithheld(marker)) return html`<bdi class="txt">${why(host, marker)}</bdi>`;
  return html`<span class="red">${icon("lock", "s")}<span>${why(host, marker)}</span>${marker.fp
    ? html`<span class="mono" translate="no" title=${marker.fp}><bdi>${shortPrint(marker.fp)}</bdi></span>`
    : nothing}</span>`;
}
