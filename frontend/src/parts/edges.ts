// The first row of the page and the last: what this is and what can be done with it, how much there is and what keys do.

import { html, nothing, type TemplateResult } from "lit";
import type { Host } from "../lib/host.js";
import { icon } from "../lib/icons.js";
import { split } from "../lib/query.js";
import type { Count } from "../lib/types.js";
import { WHOLE, type State } from "../lib/url.js";
import type { Bell } from "./bell.js";
import type { Feed } from "./feed.js";
import type { More } from "./more.js";
import { link } from "./row.js";

/** What the log says of its own retention. */
const KEEPING: Partial<State> = { ...WHOLE, ...split("action:audit.retention_changed,audit.purged") };

/** Title, retention, and what concerns the whole log. */
export function head(host: Host, more: More | null, bell: Bell, feed: Feed): TemplateResult {
  const { words, retention, narrow } = host;
  return html`<div class="h1row"><div><h1 id="title">${words.t("title")}</h1>
      <p class="sub"><span class="dk">${words.t("subtitle")} </span>${retention ? link(host, KEEPING, words.t("kept", { n: retention.days })) : nothing}</p></div>
    <div class="acts" ?inert=${host.covered}>${narrow ? nothing : asking(more, feed)}${more?.badge.render()}${narrow ? nothing : calling(more, bell)}<button class="btn p" aria-label=${words.t("export")} @click=${() => host.go({ dialog: "exports" }, "replace")}>${icon("download")}<span class="t">${words.t("export")}</span></button></div></div>`;
}

/** The way to the questions; an empty log has no answers. */
function asking(more: More | null, feed: Feed): unknown {
  return feed.head.size ? more?.questions.button() : nothing;
}

/** What wants somebody to look, and whether the page goes on by itself. */
function calling(more: More | null, bell: Bell): unknown {
  return html`${more?.overdue.render()}${bell.render()}${more?.live.toggler()}`;
}

/** How many of how many are shown; where there is little room, what the first row has none for. */
export function foot(host: Host, more: More | null, bell: Bell, feed: Feed, charted: Count | null, help: () => void): TemplateResult {
  const { words } = host;
  const { items, count, before, complete } = feed;
  // Where the list stopped counting the chart went on.
  const { value, exact } = (count?.exact ? count : charted) ?? count ?? { value: 0, exact: false };
  const total = `${words.n(Math.max(value, before + items.length))}${exact ? "" : "+"}`;
  const text = !items.length || !count
    ? "\u00a0"
    : complete && !before
      ? words.t("foot.all", { n: items.length })
      : words.t("foot.some", { from: before + 1, to: before + items.length, total });
  const keys: [string[], string][] = [[["J", "K"], words.t("foot.move")], [["↵"], words.t("foot.open")], [["F"], words.t("foot.filter")]];
  return html`<div class="foot"><span class="num">${text}</span><span class="sp"></span>${host.narrow
    ? html`${asking(more, feed)}${calling(more, bell)}`
    : html`${keys.map(([names, does]) => html`<span class="dk" aria-hidden="true">${names.map((name) => html`<kbd>${name}</kbd>`)} ${does}</span>`)}
        <button class="dk" @click=${help}><kbd>?</kbd> ${words.t("foot.help")}</button>`}</div>`;
}
