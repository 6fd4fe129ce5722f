// Paper: what the page says only when it is printed, and the way to the report, which has every entry that matches.

import { html, nothing, type TemplateResult } from "lit";
import type { Host } from "../lib/host.js";
import type { Ordered } from "../lib/types.js";
import type { Bar } from "./bar.js";
import { filters, type Feed } from "./feed.js";

export class Print {
  readonly #host: Host;
  readonly #feed: Feed;
  readonly #bar: Bar;

  constructor(host: Host, feed: Feed, bar: Bar) {
    this.#host = host;
    this.#feed = feed;
    this.#bar = bar;
  }

  /** Order the report of what the filters show and open it; its address works once and carries no token. */
  async report(): Promise<void> {
    const { client, state, clock, words } = this.#host;
    this.#host.say(words.t("report.busy"));
    try {
      const { href } = await client.post<Ordered>("reports", { ...filters(state, clock.zone), lang: words.language });
      const link = document.createElement("a");
      Object.assign(link, { href: client.resolve(href), target: "_blank", rel: "noopener" });
      link.click();
    } catch (error) {
      this.#host.say(words.t("report.failed"));
      this.#host.report(error);
    }
  }

  /** Above the rows on paper: period, filters, and how much of it is here. */
  render(): TemplateResult {
    const { words, state } = this.#host;
    const { items, count, next } = this.#feed;
    const said = state.chips.map((chip) => this.#bar.chipText(chip).join(" "));
    if (state.text) said.push(words.t("export.text", { text: state.text }));
    const some = { from: 1, to: items.length, total: count ? `${words.n(count.value)}${count.exact ? "" : "+"}` : "" };
    return html`<div class="ponly"><p>${this.#bar.rangeText(true)}</p>${said.map((one) => html`<p><bdi>${one}</bdi></p>`)}
      ${next && count ? html`<p>${words.t("foot.some", some)}. ${words.t("report.has")}</p>` : nothing}</div>`;
  }
}
