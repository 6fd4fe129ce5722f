// Two became one: a table of what was taken from whom, and what moved along.

import { html, nothing, type TemplateResult } from "lit";
import type { Host } from "../lib/host.js";
import { icon } from "../lib/icons.js";
import { humane } from "../lib/labels.js";
import type { Detail, Entry } from "../lib/types.js";
import { shown } from "./row.js";
import { isEmpty, naming, plain, raw } from "./value.js";

interface Field {
  path: string;
  survivor: unknown;
  absorbed: unknown;
  winner: "survivor" | "absorbed" | "union";
  rule?: string;
}

/** Whether details tell a merge field by field. */
export function isMerge(details: Entry["details"]): boolean {
  const fields = details?.fields;
  return Array.isArray(fields) && fields.length > 0 && fields.every((one) => typeof one === "object" && one !== null && "winner" in one && "path" in one);
}

export function merge(host: Host, { entry, labels = {}, values = {} }: Detail): TemplateResult {
  const { words } = host;
  const details = entry.details ?? {};
  const fields = details.fields as Field[];
  const absorbed = entry.related?.find(({ rel }) => rel === "absorbed");
  const cell = ({ path }: Field, value: unknown, wins: boolean): TemplateResult => {
    const names = naming(host, values, path, value);
    return html`<td class=${wins ? "win" : "lose"} title=${raw(value, names)}>${wins ? html`${icon("check", "s")}<span class="sr">${words.t("merge.won")} </span>` : nothing}<bdi class=${isEmpty(value) ? "no" : ""}>${plain(host, value, names)}</bdi></td>`;
  };
  const moved = Object.entries((details.moved ?? {}) as Record<string, unknown>).filter((pair): pair is [string, number] => typeof pair[1] === "number" && pair[1] > 0);
  return html`<div class="dtool">${words.t("merge.title")}</div>
    <div class="diff mg"><table><thead><tr><th scope="col">${words.t("merge.field")}</th>
      <th scope="col"><bdi>${shown(host, entry.resource.name, entry.resource.id)}</bdi> <i>${words.t("merge.kept")}</i></th>
      <th scope="col"><bdi>${shown(host, absorbed?.name, absorbed?.id ?? "")}</bdi> <i>${words.t("merge.in")}</i></th></tr></thead>
      <tbody>${fields.map((field) => html`<tr><th scope="row">${labels[field.path] ?? humane(field.path)}</th>${cell(field, field.survivor, field.winner !== "absorbed")}${cell(field, field.absorbed, field.winner !== "survivor")}</tr>`)}</tbody></table></div>
    <div class="mv">${moved.length ? html`<span class="lead">${words.t("merge.moved")}</span>` : nothing}${moved.map(([name, n]) => html`<span class="pill">${labels[`moved.${name}`] ?? humane(name)} <b class="num">${words.n(n)}</b></span>`)}${fields.some(({ rule }) => rule === "strictest_wins")
      ? html`<span class="pill">${words.t("merge.strictest")}</span>`
      : nothing}</div>`;
}
