// The files of a reader: those that wait, are made, are kept, or failed, with what can be done about each.

import { html, nothing, type TemplateResult } from "lit";
import type { Host } from "../lib/host.js";
import { icon } from "../lib/icons.js";
import type { ExportJob } from "../lib/types.js";

/** How far a job is, in words. */
export function far({ words }: Host, { state, count, done }: ExportJob): string {
  if (state === "waiting") return words.t("export.waiting");
  return count.exact ? words.t("export.far", { done, n: count.value }) : words.t("export.far.more", { n: done });
}

export function bar({ count, done }: ExportJob): TemplateResult {
  return html`<progress max=${Math.max(1, count.value)} .value=${count.exact ? done : nothing}></progress>`;
}

export function jobs(host: Host, listed: readonly ExportJob[], fetch: (job: ExportJob) => void, remove: (job: ExportJob) => void): unknown {
  const { words } = host;
  if (!listed.length) return nothing;
  return html`<h3>${words.t("export.recent")}</h3><ul class="files">${listed.map((job) => {
    const file = job.filename;
    const going = job.state === "waiting" || job.state === "running";
    const ending = words.t(going ? "export.stop" : "export.remove", { file });
    return html`<li><span>${going ? html`<label class="far"><bdi>${file}</bdi>${bar(job)}</label>` : html`<bdi>${file}</bdi>`}<small>${told(host, job)}</small>${job.sha256 ? html`<small class="mono sha" translate="no" title=${job.sha256}>SHA-256 ${job.sha256.slice(0, 16)}…</small>` : nothing}</span>
      ${job.state === "ready" ? html`<button class="btn" type="button" aria-label=${words.t("export.get", { file })} title=${words.t("export.get", { file })} @click=${() => fetch(job)}>${icon("download")}</button>` : nothing}
      <button class="btn" type="button" aria-label=${going ? `${ending}: ${file}` : ending} title=${ending} @click=${() => remove(job)}>${icon("x")}</button></li>`;
  })}</ul>`;
}

function told(host: Host, job: ExportJob): string {
  const { words, clock } = host;
  if (job.state === "failed") return `${job.fault} ${job.remedy}`;
  if (job.state !== "ready") return `${far(host, job)} · ${words.t("export.size", { size: words.bytes(job.estimate) })}`;
  return [words.t("count.entries", { n: job.done }), words.bytes(job.size ?? 0), words.t("export.kept", { time: clock.as("short", job.expires_at) })].join(" · ");
}
