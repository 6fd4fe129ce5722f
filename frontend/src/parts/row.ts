// One entry as a sentence: its first line, its second line, its tags. Text nodes only: a contact named `<img onerror>`
// is just a strange name.

import { html, nothing, type TemplateResult } from "lit";
import { ms } from "../lib/format.js";
import type { Host } from "../lib/host.js";
import { actionIcon, actorIcon, icon, type Icon } from "../lib/icons.js";
import { cut } from "../lib/i18n.js";
import { narrow } from "../lib/query.js";
import type { Alert, Change, Sentence, Shown, Summary } from "../lib/types.js";
import type { State } from "../lib/url.js";
import { isProse } from "../lib/words.js";
import { isEmpty, isMarker, naming, plain } from "./value.js";

/** A text that may be kept back from this reader. */
export function shown(host: Host, value: Shown | null | undefined, otherwise = ""): string {
  return isMarker(value) ? host.words.t(`marker.${value.$}`) : (value ?? otherwise);
}

/** A part of a sentence as text: dates and times in the reader's way. */
function told(host: Host, part: Sentence["parts"][string]): string {
  return !part.id && typeof part.text === "string" && ["date", "time"].includes(part.type) ? plain(host, part.text) : shown(host, part.text);
}

/** The sentence as text, for names and headings. */
export function sentenceText(host: Host, { template, parts }: Sentence): string {
  return cut(template).map(({ text, slot }) => (slot && parts[text] ? told(host, parts[text]) : text)).join("");
}

/** The sentence with the actor strong and every resource a link that filters by it, unless `quiet`. */
export function sentence(host: Host, { template, parts }: Sentence, tab: number, quiet = false): unknown[] {
  return cut(template).map(({ text, slot }) => {
    const part = parts[text];
    if (!slot || !part) return text;
    const name = html`<bdi>${told(host, part)}</bdi>`;
    if (quiet) return name;
    // Said by the style sheet: what is copied out of the page says nothing of who copied it.
    if (text === "actor") return html`<b data-you=${part.id && part.id === host.you ? host.words.t("you") : nothing}>${name}</b>`;
    return part.type && part.id ? filterLink(host, "resource", `${part.type}:${part.id}`, name, tab) : name;
  });
}

/** A link to the same list narrowed to a value. */
export function filterLink(host: Host, field: string, value: string, content: unknown, tab: number): TemplateResult {
  const patch = { chips: narrow(host.state.chips, field, value, false), entry: null };
  return html`<a class="r" href=${host.href(patch)} tabindex=${tab} data-field=${field} data-value=${value} @click=${follow(() => host.go(patch))}>${content}</a>`;
}

/** A link within a text to another state. */
export function link(host: Host, patch: Partial<State>, content: unknown, act = (): void => host.go(patch)): TemplateResult {
  return html`<a class="lk" href=${host.href(patch)} @click=${follow(act)}>${content}</a>`;
}

/** Act on a plain click and leave the others (new tab, new window) to the browser. */
export function follow(act: () => void): (event: MouseEvent) => void {
  return (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  };
}

/** Reason, else changes, else summary. */
export function secondLine(host: Host, item: Summary): unknown {
  const { form, text, changes = [], more, summary } = item.second;
  if (form === "reason") return html`<q><bdi>${shown(host, text)}</bdi></q>`;
  if (form === "changes") return html`${changes.slice(0, 2).map((change) => glimpse(host, change))}${more ? html`<span class="f" dir="ltr">+${more}</span>` : nothing}`;
  return form === "summary" ? html`<span class="f"><bdi>${summary ? sentenceText(host, summary) : shown(host, text)}</bdi></span>` : nothing;
}

function glimpse(host: Host, change: Change): TemplateResult {
  const label = html`<span class="f">${change.label ?? change.path}</span>`;
  if (change.class === "secret" || change.before_fp || change.after_fp) {
    return html`<span class="c">${label} <span class="tag">${icon("lock", "s")}${host.words.t("tag.changed")}</span></span>`;
  }
  const [plus = [], minus = []] = [change.added, change.removed];
  const names = naming(host, {}, change.path, change.before, change.after, plus, minus);
  if (plus.length || minus.length) {
    return html`<span class="c">${label} ${plus.map((value) => html`<span class="n">+ <bdi>${plain(host, value, names)}</bdi></span> `)}${minus.map((value) => html`<span class="n">− <bdi>${plain(host, value, names)}</bdi></span> `)}</span>`;
  }
  if (isProse(change.before, change.after)) return html`<span class="c">${label} <span class="n">${host.words.t("tag.changed")}</span></span>`;
  const [old, now] = [isEmpty(change.before), isEmpty(change.after)];
  return html`<span class="c">${label} ${old && !now ? nothing : html`<span class="o"><bdi>${plain(host, change.before, names)}</bdi></span>`} ${old || now ? nothing : html`<span class="arrow">→</span>`} ${now ? nothing : html`<span class="n"><bdi>${plain(host, change.after, names)}</bdi></span>`}</span>`;
}

/** What needs a word of its own: outcome, risk, lateness, a hidden value. */
export function tags(host: Host, item: Summary): TemplateResult[] {
  const { words } = host;
  const marks = item.marks ?? [];
  const listed: TemplateResult[] = [];
  if (item.severity === "critical") listed.push(html`<span class="tag r">${words.t("tag.risk")}</span>`);
  if (item.outcome !== "success") listed.push(html`<span class="tag r">${words.t(`outcome.${item.outcome}`)}</span>`);
  if (marks.includes("redacted") && item.second.form !== "changes") {
    listed.push(html`<span class="tag">${icon("lock", "s")}${words.t("tag.redacted")}</span>`);
  }
  if (marks.includes("late")) listed.push(html`<span class="tag a">${words.t("tag.late")}</span>`);
  return listed;
}

/** The way to an alert that rests on an entry; `more` is how many others do. Out of a frame, as all of alerts is. */
export function alertTag(host: Host, { id, title, level, status, called }: Alert, tab: number, more = 0): TemplateResult {
  const { alerts, words } = host;
  const active = status === "open" || status === "acknowledged";
  const how = [called.level, called.verdict, more ? `+${more}` : ""].filter(Boolean).join(", ");
  const text = words.t("alert", { title, how });
  return html`<a class="tag al ${active ? { info: "", low: "", medium: "a", high: "r", critical: "r" }[level] : "off"}" tabindex=${tab} href="${alerts}${alerts.includes("?") ? "&" : "?"}alert=${id}"
    target=${window.parent === window ? nothing : "_top"} aria-label=${text} title=${text}>${icon("bell", "s")}<bdi>${title}</bdi> <span>${how}</span></a>`;
}

/** Where it came from, in a few words. */
export function source(host: Host, item: Summary): [Icon, string] {
  const { words } = host;
  const { actor } = item;
  const where = shown(host, item.city) || (item.country ? words.country(item.country) : "") || shown(host, item.ip);
  if (actor.type === "api_key") return ["key", join(words.t("via.api_key"), shown(host, actor.name, actor.id))];
  if (item.source === "webhook") return ["hook", words.t("via.webhook")];
  if (actor.type === "system" || actor.type === "scheduler") return [actorIcon(actor.type), words.t("via.job")];
  if (item.source === "sso") return ["login", join(words.t("via.sso"), where)];
  if (item.source) return ["web", join(words.maybe(`via.${item.source}`) ?? item.source, where)];
  return ["web", where || words.t(`actor.${actor.type}`)];
}

function join(...texts: string[]): string {
  return texts.filter(Boolean).join(" · ");
}

/** The tile at the left: tint by kind, glyph by action. */
export function tile(action: string, kind: string): TemplateResult {
  return html`<span class="k ${kind}">${icon(actionIcon(action, kind))}</span>`;
}

/** When, in full, and how much later the log took it. */
export function moments(host: Host, occurred: string, recorded: string): string {
  const late = ms(recorded) - ms(occurred);
  const iso = host.clock.iso(occurred);
  return late > 2000 ? host.words.t("time.arrived", { time: iso, later: host.words.duration(late) }) : iso;
}

/** The log about its own keeping: there every day, and seldom what somebody looks for. */
const SEAL = "audit.sealed";

export interface RowState {
  selected: boolean;
  /** The one row that Tab reaches. */
  current: boolean;
  member?: boolean;
  /** Came in by itself a moment ago. */
  fresh?: boolean;
  /** What stands beside the entry, above its link. */
  aside?: unknown;
  /** In a history: with the date; `list` when the history is the list itself, and not one in the details. */
  past?: true | "list";
  /** Alerts that rest on what the row stands for, where that is more than its entry. */
  alerts?: readonly Alert[] | undefined;
  fold?: { count: number; open: boolean; why: "batch" | "repeat"; toggle: () => void } | null;
  open: (item: Summary) => void;
}

export function row(host: Host, item: Summary, state: RowState): TemplateResult {
  const { clock, words } = host;
  const [minutes, seconds, rest] = state.past ? [clock.as("short", item.occurred_at)] : clock.time(item.occurred_at);
  const tab = state.current ? 0 : -1;
  const [glyph, from] = source(host, item);
  const folded = state.fold;
  const [alert, ...others] = state.alerts ?? host.resting(item.index) ?? [];
  return html`<li part="row" class="row ${item.action === SEAL ? "quiet" : ""} ${state.selected ? "sel" : ""} ${state.member ? "member" : ""} ${state.fresh ? "fresh" : ""}" data-index=${state.past === true ? nothing : item.index}
    data-field="resource" data-value="${item.resource.type}:${item.resource.id}">
    <a class="hit" href=${host.href({ entry: String(item.index), tab: "changes" })} tabindex=${tab}
      aria-label="${sentenceText(host, item.sentence)}, ${minutes}${seconds ?? ""}${rest ?? ""}" aria-current=${state.selected ? "true" : nothing}
      @click=${follow(() => state.open(item))}></a>
    ${state.aside ?? nothing}
    <time class="num" datetime=${item.occurred_at} title=${moments(host, item.occurred_at, item.recorded_at)}>${minutes}<span class="sec">${seconds}</span>${rest}</time>
    ${tile(item.action, item.kind)}
    <div class="m">
      <div class="s1">${sentence(host, item.sentence, tab)}</div>
      <div class="s2">${secondLine(host, item)}${alert ? alertTag(host, alert, tab, others.length) : nothing}${tags(host, item)}${folded
        ? html`<button class="tag fold" tabindex=${tab} aria-expanded=${folded.open} @click=${folded.toggle}>
            ${words.t(`fold.${folded.why}`, { n: folded.count })}${icon(folded.open ? "up" : "down", "s")}</button>`
        : nothing}</div>
    </div>
    <span class="src">${icon(glyph, "s")}<span><bdi>${from}</bdi></span></span>
    <span class="code mono" translate="no"><bdi>${item.action}</bdi></span>
    ${icon("right", "s")}
  </li>`;
}
