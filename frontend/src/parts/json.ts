// The entry as it is in the log: a tree that folds, coloured by token, or the bare text; every value can be copied, or
// its path, and the request that gives it.

import { html, nothing, type TemplateResult } from "lit";
import type { Host } from "../lib/host.js";
import { icon } from "../lib/icons.js";
import type { Entry } from "../lib/types.js";

export class Json {
  #raw = false;
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  render(entry: Entry, copy: () => void): TemplateResult {
    const { words } = this.#host;
    const flip = (): void => {
      this.#raw = !this.#raw;
      this.#host.requestUpdate();
    };
    return html`<div class="dtool"><span>${words.t("json.title")}</span><button class="btn q sm" aria-pressed=${this.#raw} @click=${flip}>${words.t("json.raw")}</button>
        <button class="btn q sm" @click=${() => this.#curl(entry)}>${icon("copy", "s")}curl</button>
        <button class="btn q sm" @click=${copy}>${icon("copy", "s")}${words.t("json.copy")}</button></div>
      ${this.#raw
        ? html`<pre class="diff mono json" dir="ltr" translate="no" tabindex="0">${JSON.stringify(entry, null, 2)}</pre>`
        : html`<p class="hint">${words.t("json.hint")}</p><div class="diff mono json tree" translate="no" dir="ltr">${this.#value(entry, "", null, false)}</div>`}`;
  }

  #curl({ index }: Entry): void {
    const { client, words } = this.#host;
    void this.#host.copy(`curl -H "Authorization: Bearer $TOKEN" '${client.resolve(`/v1/entries/${index}`)}'`, words.t("copied.curl"));
  }

  /** A value with its key; objects and lists fold. `more` when another follows. */
  #value(value: unknown, path: string, key: string | null, more: boolean): TemplateResult {
    const comma = more ? "," : "";
    const name = key === null ? nothing : html`${typeof value === "object" && value ? html`<span class="jk">"${key}"</span>` : this.#key(key, path, value)}: `;
    if (typeof value !== "object" || value === null) return html`<div class="jl">${name}${token(value)}${comma}</div>`;
    const list = Array.isArray(value);
    const pairs = Object.entries(value);
    const [open, close] = list ? ["[", "]"] : ["{", "}"];
    if (!pairs.length) return html`<div class="jl">${name}${open}${close}${comma}</div>`;
    return html`<details open class="jl"><summary>${name}${open}<span class="jc"> ${pairs.length} ${close}${comma}</span></summary>
      <div class="ji">${pairs.map(([own, inner], at) => this.#value(inner, list ? `${path}[${own}]` : path ? `${path}.${own}` : own, list ? null : own, at < pairs.length - 1))}</div>${close}${comma}</details>`;
  }

  #key(key: string, path: string, value: unknown): TemplateResult {
    const { words } = this.#host;
    const copy = (event: MouseEvent): void => {
      event.preventDefault();
      if (event.shiftKey) void this.#host.copy(path, words.t("copied.path", { path }));
      else void this.#host.copy(typeof value === "string" ? value : JSON.stringify(value, null, 2), words.t("copied.value", { path }));
    };
    return html`<button class="jk" title=${path} @click=${copy}>"${key}"</button>`;
  }
}

function token(value: unknown): TemplateResult {
  return html`<span class=${typeof value === "string" ? "js" : "jn"}>${JSON.stringify(value)}</span>`;
}
