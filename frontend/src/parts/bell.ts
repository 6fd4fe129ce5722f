// The way to the page of alerts, with the number of those that are open.

import { html, nothing } from "lit";
import type { Host } from "../lib/host.js";
import { icon } from "../lib/icons.js";
import type { Feed } from "./feed.js";

/** Entries about alerts: after a new one the number is another. */
const ABOUT = "audit.alert_";

export class Bell {
  #open: number | null = null;
  #seen: number | undefined;
  readonly #host: Host;
  readonly #feed: Feed;
  readonly #counted: (may: boolean) => void;

  /** `counted`: told after each count whether the reader may see alerts. */
  constructor(host: Host, feed: Feed, counted: (may: boolean) => void) {
    this.#host = host;
    this.#feed = feed;
    this.#counted = counted;
    host.addController({ hostUpdated: () => this.#look() });
  }

  /** Count; nothing is shown to readers whose rights leave alerts out. */
  async ask(): Promise<void> {
    this.#seen = this.#newest;
    const counted = this.#host.alerts ? await this.#host.client.get<{ open: number }>("alerts", { status: "open", limit: 1 }).catch(() => null) : null;
    this.#open = counted?.open ?? null;
    this.#counted(counted !== null);
    this.#host.requestUpdate();
  }

  get #newest(): number | undefined {
    return this.#feed.items.find(({ action }) => action.startsWith(ABOUT))?.index;
  }

  #look(): void {
    // Before the first count there is nothing to keep in step.
    if (this.#open !== null && (this.#newest ?? 0) > (this.#seen ?? 0)) void this.ask();
  }

  render(): unknown {
    const { words, alerts } = this.#host;
    const n = this.#open;
    if (n === null) return nothing;
    const text = words.t("alerts.open", { n });
    // Out of a frame: the page of the alerts is one of the page around.
    return html`<a class="btn q bell" href=${alerts} target=${window.parent === window ? nothing : "_top"} aria-label=${text} title=${text}>${icon("bell")}<span class="t">${words.t("alerts")}</span>${n ? html`<span class="n num">${words.n(n)}</span>` : nothing}</a>`;
  }
}
