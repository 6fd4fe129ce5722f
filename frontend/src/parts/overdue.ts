// Says that the review of the workspace is overdue, and leads to the page where it is done.

import { html, nothing } from "lit";
import type { Host } from "../lib/host.js";
import { icon } from "../lib/icons.js";
import type { Feed } from "./feed.js";

/** Entries after which it may be another: what is overdue is told as an alert, and whoever signs closes that. */
const ABOUT = /^audit\.(review|alert)_/;

export class Overdue {
  #overdue = false;
  /** For which page it was asked; null before that. */
  #asked: string | null = null;
  #seen = 0;
  readonly #host: Host;
  readonly #feed: Feed;

  constructor(host: Host, feed: Feed) {
    this.#host = host;
    this.#feed = feed;
    host.addController({ hostUpdated: () => this.#look() });
  }

  /** Another log, or other rights. */
  forget(): void {
    this.#asked = null;
  }

  #look(): void {
    const newest = this.#feed.items.find(({ action }) => ABOUT.test(action))?.index ?? 0;
    if (this.#host.about || (this.#asked === this.#host.reviews && newest <= this.#seen)) return;
    this.#asked = this.#host.reviews;
    this.#seen = newest;
    void this.#ask();
  }

  /** Ask; nothing is shown to readers whose rights leave reviews out, and where nobody ever began one. */
  async #ask(): Promise<void> {
    const { client, reviews } = this.#host;
    const found = reviews ? await client.get<{ overdue: boolean; until: string | null; open: object | null }>("reviews").catch(() => null) : null;
    this.#overdue = found !== null && found.overdue && (found.until ?? found.open) !== null;
    this.#host.requestUpdate();
  }

  render(): unknown {
    const { words, reviews } = this.#host;
    if (!this.#overdue) return nothing;
    const text = words.t("review.overdue");
    // Out of a frame, as the way to the alerts.
    return html`<a class="btn q late" href=${reviews} target=${window.parent === window ? nothing : "_top"} aria-label=${text} title=${text}>${icon("clock")}<span class="t">${text}</span></a>`;
  }
}
