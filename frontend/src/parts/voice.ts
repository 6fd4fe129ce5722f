// What the viewer says in passing: on screen for a moment, and to assistive technology.

import { html, type TemplateResult } from "lit";
import type { Host } from "../lib/host.js";

const SHOWN = 2500;

export class Voice {
  #said = "";
  #toast = "";
  #timer: number | undefined;
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  /** To assistive technology alone. */
  tell(text: string): void {
    this.#said = text;
    this.#host.requestUpdate();
  }

  say(text: string): void {
    this.#toast = text;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#toast = "";
      this.#host.requestUpdate();
    }, SHOWN);
    this.tell(text);
  }

  async copy(text: string, done: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      this.say(done);
    } catch {
      this.say(this.#host.words.t("copied.not"));
    }
  }

  render(): TemplateResult {
    return html`<div class="toast ${this.#toast ? "on" : ""}" aria-hidden="true">${this.#toast}</div>
      <div class="sr" role="status">${this.#said}</div>`;
  }
}
