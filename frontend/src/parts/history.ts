// The history of a resource: its entries, the open one marked; two of them can be compared.

import { html, nothing, type TemplateResult } from "lit";
import { isAbort } from "../lib/api.js";
import type { Host } from "../lib/host.js";
import { icon } from "../lib/icons.js";
import { net } from "../lib/net.js";
import { narrow } from "../lib/query.js";
import type { Change, Detail as Answer, Names, Page, Summary } from "../lib/types.js";
import { changes } from "./changes.js";
import type { Detail } from "./detail.js";
import { link, row, sentenceText } from "./row.js";

interface Compared {
  older: Summary;
  newer: Summary;
  changes: Change[] | null;
  labels: Record<string, string>;
  values: Record<string, Names>;
}

export class History {
  #picked: number[] = [];
  #of: Page | null = null;
  #compared: Compared | null = null;
  #failed = false;
  #sideBySide = false;
  readonly #host: Host;
  readonly #detail: Detail;

  constructor(host: Host, detail: Detail) {
    this.#host = host;
    this.#detail = detail;
  }

  render(data: Answer): unknown {
    const { words } = this.#host;
    const { history, historyFailed } = this.#detail;
    if (historyFailed) return html`<p class="note">${words.t("menu.failed")}</p>`;
    if (!history) return html`<p class="note" role="status">${words.t("list.loading")}</p>`;
    if (this.#of !== history) {
      this.#of = history;
      this.#picked = [];
      this.#compared = null;
    }
    if (this.#compared) return this.#comparison(data, this.#compared);
    const { type, id } = data.entry.resource;
    const all = { chips: narrow([], "resource", `${type}:${id}`, false), text: "", range: "all" as const, since: null, until: null };
    const open = (item: Summary): void => this.#host.go({ entry: String(item.index), tab: "history" }, "replace");
    const several = history.items.length > 1;
    return html`${several
        ? html`<div class="dtool"><span>${words.t("compare.hint")}</span><button class="btn sm" ?disabled=${this.#picked.length !== 2} @click=${() => void this.#compare(history)}>${words.t("compare")}</button></div>`
        : nothing}
      <ol class="past ${several ? "pairs" : ""}">${history.items.map((item) => row(this.#host, item, {
        selected: item.index === data.entry.index, current: true, past: true, open, aside: several ? this.#box(item) : nothing,
      }))}</ol>
      ${history.next ? html`<p class="end">${link(this.#host, all, words.t("history.all"))}</p>` : nothing}`;
  }

  #box(item: Summary): TemplateResult {
    const { words, clock } = this.#host;
    const on = this.#picked.includes(item.index);
    const pick = (event: Event): void => {
      const wanted = (event.target as HTMLInputElement).checked;
      // A third one takes the place of the first.
      this.#picked = [...this.#picked.filter((index) => index !== item.index), ...(wanted ? [item.index] : [])].slice(-2);
      this.#host.requestUpdate();
    };
    return html`<input class="pk" type="checkbox" aria-label=${words.t("compare.pick", { what: sentenceText(this.#host, item.sentence), time: clock.as("short", item.occurred_at) })} .checked=${on} @change=${pick}>`;
  }

  /** Join the changes of all entries after the older one, up to the newer one. */
  async #compare({ items }: Page): Promise<void> {
    const [a = 0, b = 0] = this.#picked.map((index) => items.findIndex((item) => item.index === index)).sort((one, other) => one - other);
    const [newer, older] = [items[a] as Summary, items[b] as Summary];
    const compared: Compared = { older, newer, changes: null, labels: {}, values: {} };
    this.#compared = compared;
    this.#failed = false;
    this.#host.requestUpdate();
    try {
      const answers = await Promise.all(items.slice(a, b).map(({ index }) => this.#detail.ask(String(index))));
      for (const { labels, values = {} } of answers) {
        Object.assign(compared.labels, labels);
        for (const [path, names] of Object.entries(values)) compared.values[path] = { ...compared.values[path], ...names };
      }
      const { resource } = older;
      compared.changes = net(answers.reverse().filter(({ entry }) => entry.resource.id === resource.id).map(({ entry }) => entry.changes ?? []));
    } catch (error) {
      if (!isAbort(error)) this.#failed = true;
    }
    this.#host.requestUpdate();
    await this.#host.updateComplete;
    this.#host.renderRoot.querySelector<HTMLElement>(".cmp h3")?.focus();
  }

  #comparison(data: Answer, { older, newer, changes: listed, labels, values }: Compared): TemplateResult {
    const { words, clock } = this.#host;
    const back = (): void => {
      this.#compared = null;
      this.#host.requestUpdate();
    };
    const toggle = (on: boolean): void => {
      this.#sideBySide = on;
      this.#host.requestUpdate();
    };
    const { details: _, ...entry } = data.entry;
    return html`<div class="cmp"><div class="dtool"><h3 tabindex="-1">${words.t("compare.title", { from: clock.as("short", older.occurred_at), to: clock.as("short", newer.occurred_at) })}</h3>
        <button class="btn sm" @click=${back}>${icon("left", "s")}${words.t("compare.back")}</button></div>
      ${listed
        ? listed.length
          ? changes(this.#host, { ...data, labels, values, entry: { ...entry, changes: listed } }, this.#sideBySide, toggle)
          : html`<p class="note">${words.t("compare.same")}</p>`
        : html`<p class="note" role="status">${words.t(this.#failed ? "menu.failed" : "list.loading")}</p>`}</div>`;
  }
}
