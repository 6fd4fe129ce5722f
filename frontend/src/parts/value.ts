// A value of an entry on the page: scalars in the reader's language, "empty" written out, kept-back values as a pill.

import { html, nothing, type TemplateResult } from "lit";
import type { Host } from "../lib/host.js";
import { icon } from "../lib/icons.js";
import type { Change, Marker } from "../lib/types.js";
import { isTree } from "../lib/words.js";

export function isMarker(value: unknown): value is Marker {
  return typeof value === "object" && value !== null && "$" in value;
}

/** Nothing there: absent, null, or text and lists without content. */
export function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === "" || (typeof value === "object" && !isMarker(value) && !isTree(value));
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;

/** A value as one line of text. */
export function plain(host: Host, value: unknown): string {
  const { words, clock } = host;
  if (isEmpty(value)) return words.t("value.empty");
  if (isMarker(value)) return words.t(`marker.${value.$}`);
  if (typeof value === "boolean") return words.t(value ? "value.yes" : "value.no");
  if (typeof value === "number") return words.n(value);
  if (typeof value === "string") return TIME.test(value) ? clock.as("short", value) : value;
  if (Array.isArray(value) && value.every((one) => !isTree(one))) return words.list(value.map((one) => plain(host, one)));
  return JSON.stringify(value);
}

/** What the value is exactly, where the text was made for people. */
export function raw(value: unknown): string | typeof nothing {
  if (typeof value === "number" || (typeof value === "string" && TIME.test(value))) return String(value);
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

/** A value that this reader does not see, and why. */
export function markerPill(host: Host, { $: why, fp }: Marker): TemplateResult {
  return html`<span class="red">${icon("lock", "s")}<span>${host.words.t(`marker.${why}.long`)}</span>${fp
    ? html`<span class="mono" translate="no" title=${fp}><bdi>${shortPrint(fp)}</bdi></span>`
    : nothing}</span>`;
}
