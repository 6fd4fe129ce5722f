// The files that follow viewer.js: each is fetched once, when it is needed; what went wrong is tried again the next time.

import { beside } from "../lib/files.js";
import type { Host } from "../lib/host.js";
import type { Drawer } from "./drawer.js";
import type { List } from "./list.js";
import type { More, Shared } from "./more.js";

/** Fetches one of the files, and hands over what it has; nothing when it could not be had, and that was reported. */
export type Fetch = <T extends { sheets: string[] }>(name: string, made: (file: T) => void) => Promise<void>;

export class Later {
  drawer: Drawer | null = null;
  more: More | null = null;
  readonly #coming = new Map<string, Promise<void>>();
  readonly #host: Host;
  readonly #list: List;
  readonly #shared: Omit<Shared, "fetch">;

  constructor(host: Host, list: List, shared: Omit<Shared, "fetch">) {
    this.#host = host;
    this.#list = list;
    this.#shared = shared;
  }

  fetchDrawer(): Promise<void> {
    return this.fetch<typeof import("../details.js")>("details.js", ({ Drawer: Made }) => (this.drawer = new Made(this.#host, this.#list)));
  }

  fetchMore(): Promise<void> {
    return this.fetch<typeof import("../more.js")>("more.js", ({ More: Made }) => (this.more = new Made(this.#host, this.#list, { ...this.#shared, fetch: this.fetch })));
  }

  /** Act with the third file for a reader who waits for it, fetching it first if need be. */
  readonly withMore = (act: (more: More) => void): void => {
    void this.fetchMore().then(() => (this.more ? act(this.more) : this.#host.say(this.#host.words.t("menu.failed"))));
  };

  /** Fetch a file, if that was not done yet. */
  readonly fetch: Fetch = <T extends { sheets: string[] }>(name: string, made: (file: T) => void): Promise<void> => {
    let coming = this.#coming.get(name);
    if (!coming) {
      coming = (import(beside(name)) as Promise<T>)
        .then((file) => {
          for (const text of file.sheets) {
            const sheet = new CSSStyleSheet();
            sheet.replaceSync(text);
            (this.#host.renderRoot as ShadowRoot).adoptedStyleSheets.push(sheet);
          }
          made(file);
          this.#host.requestUpdate();
        })
        .catch((error: unknown) => {
          this.#coming.delete(name);
          this.#host.report(error);
        });
      this.#coming.set(name, coming);
    }
    return coming;
  };
}
