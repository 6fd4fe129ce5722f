// Whether somebody is here for the first time, as far as this browser remembers for this viewer; then the tour is offered.

import type { Host } from "../lib/host.js";
import { keep, keeps, recall } from "../lib/local.js";
import type { Tour } from "../tour/tour.js";
import type { Fetch } from "./later.js";

export class Welcome {
  #tour: Tour | null = null;
  #met: string | null = null;
  readonly #able = keeps();
  readonly #host: Host;
  readonly #fetch: Fetch;

  constructor(host: Host, fetch: Fetch) {
    this.#host = host;
    this.#fetch = fetch;
  }

  /** Take the tour, again or for the first time. */
  readonly start = (): void => void this.#with((tour) => tour.start());

  render(): unknown {
    const { memory, about } = this.#host;
    // A browser that cannot remember that somebody was here would ask every time.
    if (memory !== null && memory !== this.#met && about === null && this.#able) {
      this.#met = memory;
      if (recall(this.#name) === null) void this.#with((tour) => tour.offer());
    }
    return this.#tour?.render();
  }

  get #name(): string {
    return `alv-tour:${this.#host.memory ?? ""}`;
  }

  async #with(act: (tour: Tour) => void): Promise<void> {
    await this.#fetch<typeof import("../tour.js")>("tour.js", ({ Tour: Made }) => (this.#tour = new Made(this.#host, () => void keep(this.#name, 1))));
    if (this.#tour) act(this.#tour);
  }
}
