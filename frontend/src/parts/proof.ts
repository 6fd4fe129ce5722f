// How the check of an entry turned out, in a card and in full.

import { html, nothing, type TemplateResult } from "lit";
import { asProblem } from "../lib/api.js";
import { link, order, watch } from "../lib/exporting.js";
import type { Host } from "../lib/host.js";
import { icon, type Icon } from "../lib/icons.js";
import type { Detail } from "./detail.js";
import { download } from "./files.js";

interface Told {
  look: "ok" | "bad" | "off" | "busy";
  glyph: Icon;
  title: string;
  text: unknown;
}

function tell({ words, clock }: Host, { verdict, proofProblem, checkedAt }: Detail): Told {
  if (proofProblem) return { look: "off", glyph: "guard", title: words.t("proof.none"), text: [proofProblem.detail, proofProblem.remedy].filter(Boolean).join(" ") || words.t("proof.none.text") };
  if (!verdict) return { look: "busy", glyph: "guard", title: words.t("proof.busy"), text: words.t("proof.busy.text") };
  if (verdict.state === "server") return { look: "off", glyph: "guard", title: words.t("proof.server"), text: words.t("proof.server.text") };
  if (verdict.state === "failed") return { look: "bad", glyph: "warn", title: words.t("proof.failed"), text: words.t("proof.failed.text", { why: words.t(`flaw.${verdict.why}`, { field: verdict.field }) }) };
  const key = html`<span class="mono" translate="no" title=${verdict.key}><bdi>${verdict.key.slice(0, 12)}…${verdict.key.slice(-2)}</bdi></span>`;
  const slots = { size: verdict.size, steps: verdict.path.length, time: clock.as("time", checkedAt), key };
  const parts = verdict.parts.length ? [" ", words.t("proof.parts", { fields: words.list(verdict.parts) })] : [];
  return { look: "ok", glyph: "shield", title: words.t(verdict.content ? "proof.ok" : "proof.place"), text: [words.tx(verdict.content ? "proof.ok.text" : "proof.place.text", slots), ...parts] };
}

/** The short form, below the changes. */
export function proofCard(host: Host, detail: Detail): TemplateResult {
  const { look, glyph, title, text } = tell(host, detail);
  return html`<div class="prf ${look}" role=${look === "bad" ? "alert" : "status"}>${icon(glyph)}<div><b>${title}</b><p>${text}</p></div></div>`;
}

/** Every number that the check rests on. */
export function proofTab(host: Host, detail: Detail, again: () => void): TemplateResult {
  const { words } = host;
  const { verdict, data } = detail;
  const line = (label: string, value: unknown): TemplateResult => html`<dt>${label}</dt><dd class="mono" translate="no"><bdi>${value}</bdi></dd>`;
  return html`${proofCard(host, detail)}
    ${verdict?.state === "verified"
      ? html`<dl class="diff kv">${line(words.t("proof.size"), words.n(verdict.size))}${line(words.t("proof.index"), words.n(data?.entry.index ?? 0))}${line(words.t("proof.origin"), verdict.origin)}${line(words.t("proof.key"), verdict.key)}${line(words.t("proof.leaf"), verdict.leaf)}
          <dt>${words.t("proof.path", { n: verdict.path.length })}</dt><dd><ol class="hashes mono" dir="ltr" translate="no">${verdict.path.map((hash) => html`<li>${hash}</li>`)}</ol></dd>${line(words.t("proof.root"), verdict.root)}</dl>`
      : nothing}
    <p class="end"><button class="btn" ?disabled=${!verdict && !detail.proofProblem} @click=${again}>${icon("shield")}${words.t("proof.again")}</button>
      ${data ? html`<button class="btn" @click=${() => void evidence(host, data.entry.index)}>${icon("download")}${words.t("proof.evidence")}</button>` : nothing}</p>`;
}

/** A file of this entry with its proof, to be verified offline. */
async function evidence(host: Host, index: number): Promise<void> {
  try {
    const { client } = host;
    const job = await watch(client, await order(client, { format: "ndjson", proofs: true, q: `index:${index}` }), () => undefined);
    download(await link(client, job), job.filename);
  } catch (error) {
    const { detail, title } = asProblem(error);
    host.say(detail || title || host.words.t("export.failed"));
    host.report(error);
  }
}
