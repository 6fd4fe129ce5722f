// The entry as it is in the log: pretty, coloured by token, ready to copy.

import { html, type TemplateResult } from "lit";
import type { Host } from "../lib/host.js";
import { icon } from "../lib/icons.js";
import type { Entry } from "../lib/types.js";

const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|-?\d[\d.eE+-]*/g;

export function json(host: Host, entry: Entry, copy: () => void): TemplateResult {
  const text = JSON.stringify(entry, null, 2);
  const pieces: unknown[] = [];
  let at = 0;
  for (const found of text.matchAll(TOKEN)) {
    const [whole, string, colon] = found;
    pieces.push(text.slice(at, found.index), html`<span class=${colon ? "jk" : string ? "js" : "jn"}>${string ?? whole}</span>`, colon ?? "");
    at = found.index + whole.length;
  }
  return html`<div class="dtool">${host.words.t("json.title")}<button class="btn q sm" @click=${copy}>${icon("copy", "s")}${host.words.t("json.copy")}</button></div>
    <pre class="diff mono json" dir="ltr" translate="no" tabindex="0">${pieces}${text.slice(at)}</pre>`;
}
