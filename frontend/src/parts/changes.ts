// What changed: one block per field, told in the form that suits the value.

import { html, nothing, type TemplateResult } from "lit";
import type { Host } from "../lib/host.js";
import { icon } from "../lib/icons.js";
import { humane } from "../lib/labels.js";
import type { Change, Detail, Names } from "../lib/types.js";
import { compare, isProse, isTree, type Piece } from "../lib/words.js";
import { isMerge, merge } from "./merge.js";
import { isEmpty, isMarker, isWithheld, markerPill, naming, plain, raw, secretPill } from "./value.js";

export function changes(host: Host, data: Detail, sideBySide: boolean, toggle: (on: boolean) => void): TemplateResult {
  const { words } = host;
  const { entry, labels = {}, values = {} } = data;
  const listed = entry.changes ?? [];
  const { details } = entry;
  const merged = isMerge(details);
  const prose = listed.some(({ before, after }) => isProse(before, after));
  const layout = (on: boolean, key: "diff.inline" | "diff.side"): TemplateResult =>
    html`<button aria-pressed=${sideBySide === on} @click=${() => toggle(on)}>${words.t(key)}</button>`;
  const rest = details ? Object.entries(details).filter(([name]) => !merged || !["fields", "moved", "survivor", "absorbed"].includes(name)) : [];
  return html`${merged ? merge(host, data) : html`<div class="dtool">${words.t(listed.length ? "diff.count" : "diff.none", { n: listed.length })}${prose
      ? html`<div class="seg" role="group" aria-label=${words.t("diff.layout")}>${layout(false, "diff.inline")}${layout(true, "diff.side")}</div>`
      : nothing}</div>
    ${listed.length ? html`<div class="diff">${listed.map((change) => block(host, change, labels, sideBySide, naming(host, values, change.path, change.before, change.after, change.added, change.removed)))}</div>` : nothing}`}
    ${rest.length ? html`<div class="dtool">${words.t("details.title")}</div><dl class="diff kv">${rest.map(([name, value]) => html`<dt>${labels[`details.${name}`] ?? humane(name)}</dt>${detail(host, name, value, naming(host, values, `details.${name}`, value))}`)}</dl>` : nothing}`;
}

/** Numbers that count nothing. */
const CODE = /(^|_)(code|status)$/;
/** Names of lengths of time, and the milliseconds of one of what they count. */
const LENGTHS: [RegExp, number][] = [[/(^|_)minutes$/, 60_000], [/(^|_)seconds$/, 1000]];
const HASH = /^[0-9a-f]{40,}$/;
/** As much of a hash as a line holds; all of it is in the tab of the JSON. */
const LINE = 64;

/** One detail: a code without separators, a hash as one. */
function detail(host: Host, name: string, value: unknown, names?: Names): TemplateResult {
  if (isMarker(value)) return html`<dd>${markerPill(host, value)}</dd>`;
  if (isTree(value) && !Array.isArray(value)) return html`<dd><pre class="mono" dir="ltr">${JSON.stringify(value, null, 2)}</pre></dd>`;
  if (typeof value === "string" && HASH.test(value)) {
    return html`<dd class="mono" translate="no" title=${value}><bdi>${value.length > LINE ? `${value.slice(0, LINE - 1)}…` : value}</bdi></dd>`;
  }
  const length = typeof value === "number" ? LENGTHS.find(([of]) => of.test(name))?.[1] : undefined;
  if (length) return html`<dd title=${raw(value)}>${host.words.length((value as number) * length)}</dd>`;
  return html`<dd title=${raw(value, names)}><bdi>${CODE.test(name) && typeof value === "number" ? String(value) : plain(host, value, names)}</bdi></dd>`;
}

function block(host: Host, change: Change, labels: Record<string, string>, sideBySide: boolean, names?: Names): TemplateResult {
  const { words } = host;
  const secret = change.class === "secret" || change.before_fp || change.after_fp;
  const tag = secret ? words.t(change.before_fp === change.after_fp ? "tag.same" : "tag.changed") : change.class === "personal" ? words.t("tag.personal") : "";
  return html`<div class="fr"><div class="fn"><b>${labels[change.path] ?? change.label ?? humane(change.path)}</b><span class="mono" translate="no"><bdi>${change.path}</bdi></span>${tag ? html`<span class="tag">${tag}</span>` : nothing}</div>
    ${secret ? secretPill(host, change) : body(host, change, sideBySide, names)}</div>`;
}

function body(host: Host, change: Change, sideBySide: boolean, names?: Names): unknown {
  const { before, after, added, removed } = change;
  if (isWithheld(before) && isWithheld(after)) return markerPill(host, after);
  if (added?.length || removed?.length) return chips(host, added ?? [], removed ?? [], [], names);
  if (isList(before) || isList(after)) {
    const [old, now] = [isList(before) ? before : [], isList(after) ? after : []];
    const texts = (list: unknown[]): Set<string> => new Set(list.map((one) => JSON.stringify(one)));
    const [had, has] = [texts(old), texts(now)];
    const isNew = (one: unknown): boolean => !had.has(JSON.stringify(one));
    const isGone = (one: unknown): boolean => !has.has(JSON.stringify(one));
    return chips(host, now.filter(isNew), old.filter(isGone), now.filter((one) => !isNew(one)), names);
  }
  if (isTree(before) && isTree(after)) {
    const text = (value: object): string => JSON.stringify(value, null, 2) + "\n";
    return html`<div class="txt mono" dir="ltr" translate="no">${compare(text(before), text(after), null).map((piece) => mark(host, piece))}</div>`;
  }
  if (isProse(before, after)) return sideBySide ? boxes(host, before, after, true) : prose(host, before as string, after as string);
  return boxes(host, before, after, false, names);
}

function isList(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length > 0 && value.every((one) => !isTree(one));
}

/** Two boxes with an arrow. */
export function boxes(host: Host, before: unknown, after: unknown, marked: boolean, names?: Names): TemplateResult {
  const pieces = marked ? compare(String(before), String(after), host.words.language) : null;
  const side = (value: unknown, old: boolean): TemplateResult => {
    if (isMarker(value)) return html`<div class="val e">${markerPill(host, value)}</div>`;
    if (isEmpty(value)) return html`<div class="val e">${host.words.t("value.empty")}</div>`;
    const text = pieces ? pieces.filter(({ change }) => change !== (old ? "added" : "removed")).map((piece) => mark(host, piece)) : old ? html`<del>${plain(host, value, names)}</del>` : html`<ins>${plain(host, value, names)}</ins>`;
    return html`<div class="val ${old ? "b" : "a"}" title=${raw(value, names)}><span class="sr">${host.words.t(old ? "diff.removed" : "diff.added")} </span><bdi class=${pieces ? "txt" : ""}>${text}</bdi></div>`;
  };
  return html`<div class="ba">${side(before, true)}${icon("arrow", "s")}${side(after, false)}</div>`;
}

/** One text with what went struck through and what came marked. */
function prose(host: Host, before: string, after: string): TemplateResult {
  return html`<div class="txt"><bdi>${compare(before, after, host.words.language).map((piece) => mark(host, piece))}</bdi></div>`;
}

function mark(host: Host, { text, change }: Piece): unknown {
  if (change === "added") return html`<ins><span class="sr">${host.words.t("diff.added")} </span>${text}</ins>`;
  if (change === "removed") return html`<del><span class="sr">${host.words.t("diff.removed")} </span>${text}</del>`;
  return change === "fold" ? html`<span class="fold">${host.words.t("diff.fold", { n: Number(text) })}</span>` : text;
}

function chips(host: Host, added: unknown[], removed: unknown[], kept: unknown[], names?: Names): TemplateResult {
  const { words } = host;
  return html`<div class="set">${removed.map((value) => html`<del title=${raw(value, names)}><span class="sr">${words.t("diff.removed")} </span>− <bdi>${plain(host, value, names)}</bdi></del>`)}${added.map((value) => html`<ins title=${raw(value, names)}><span class="sr">${words.t("diff.added")} </span>+ <bdi>${plain(host, value, names)}</bdi></ins>`)}${kept.map((value) => html`<span title=${raw(value, names)}><bdi>${plain(host, value, names)}</bdi></span>`)}</div>`;
}
