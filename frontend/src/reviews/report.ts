// A signed review as a document: for the screen, and for paper.

import { html, nothing, type TemplateResult } from "lit";
import type { Item, Page, Row, Signed, Who, Written } from "./types.js";
import type { ReviewKey } from "./words.js";

export const named = ({ name, id }: Who): string => name ?? id;

/** What somebody wrote, or that one may not see it. */
export function written(page: Page, text: Written): unknown {
  return typeof text === "string" ? html`<bdi>${text}</bdi>` : html`<i>${page.t("hidden")}</i>`;
}

/** Entries as sentences, each a link where there is a page with the log; then how many more there are. */
export function rows(page: Page, { rows: shown, entries }: Item): TemplateResult {
  const all = entries.length > shown.length && shown.length ? `?range=all&q=${encodeURIComponent(`index:${entries[0]}..${entries.at(-1)}`)}` : "";
  return html`${shown.length ? nothing : html`<p class="dim">${page.t("gone")} <span class="num">${entries.join(", ")}</span></p>`}
    <ul class="rows">${shown.map((row) => html`<li><span class="num">${row.index}</span> <time datetime=${row.occurred_at}>${page.clock.full(row.occurred_at)}</time> ${link(page, `?range=all&entry=${row.index}`, filled(row.sentence))}</li>`)}</ul>
    ${all ? html`<p class="more">${page.t("entries", { n: entries.length })} ${page.log ? link(page, all, page.t("log")) : nothing}</p>` : nothing}`;
}

export function link({ log }: Page, query: string, text: string): TemplateResult {
  return log ? html`<a href=${log + query}><bdi>${text}</bdi></a>` : html`<bdi>${text}</bdi>`;
}

/** A sentence as plain text. */
function filled({ template, parts }: Row["sentence"]): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => parts[name]?.text ?? "");
}

export function report(page: Page, review: Signed): TemplateResult {
  const { counts, checked } = review;
  const { clock } = page;
  const fact = (key: ReviewKey, value: unknown): TemplateResult => html`<dt>${page.t(key)}</dt><dd>${value}</dd>`;
  const drawn = review.items.filter(({ why }) => why === "sample").length;
  const { seen = 0, unseen = 0, raised = 0, own = 0 } = counts;
  const sound = checked.checkpoint && checked.items !== "different";
  return html`<article class="report">
    <h2 id="report" tabindex="-1">${page.t("report", { n: review.number })}</h2>
    <dl>${fact("fact.signed", html`<b><bdi>${named(review.signed_by)}</bdi></b>, ${clock.full(review.signed_at)} <span class="dim">${clock.zoneText(Date.parse(review.signed_at))}</span>`)}
      ${fact("fact.entry", link(page, `?range=all&entry=${review.index}`, String(review.index)))}
      ${fact("fact.period", page.t("period", { since: clock.full(review.since), until: clock.full(review.until), first: review.start, last: review.stop - 1 }))}
      ${fact("fact.begun", clock.full(review.begun_at))}
      ${fact("fact.checkpoint", html`<span class="code">${page.t("fact.tree", { n: review.size, root: review.root })}</span>`)}
      ${fact("fact.sample", page.t("fact.drawn", { n: drawn, rest: review.rest, rule: review.rule }))}
      ${fact("fact.counts", page.t("fact.counted", { seen, unseen, raised, own }))}
      ${review.comment ? fact("fact.comment", written(page, review.comment)) : nothing}
      ${review.unseen_reason ? fact("fact.unseen", written(page, review.unseen_reason)) : nothing}
      ${fact("fact.checked", html`<span class=${sound ? "" : "bad"}>${page.t(checked.checkpoint ? "check.tree" : "check.broken")} ${page.t(`check.${checked.items}`)}</span>`)}</dl>
    <h3>${page.t("items")}</h3>
    <ol class="done">${review.items.map((item) => html`<li><p class="tags"><span class="tag">${page.t(`why.${item.why}` as ReviewKey)}</span>
        ${item.seen ? html`<span>${page.t("seen", { who: named(item.seen.by), at: page.clock.full(item.seen.at) })}</span>` : html`<span class="tag a">${page.t("unseen")}</span>`}
        ${item.alert ? html`<span class="tag r">${page.t("raised")}</span>` : nothing}</p>
      ${rows(page, item)}
      ${item.seen?.comment ? html`<p class="said"><q>${written(page, item.seen.comment)}</q></p>` : nothing}</li>`)}</ol></article>`;
}
