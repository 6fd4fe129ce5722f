// Which alerts rest on the entries that are shown: asked for all of them at once, and only for readers who may see alerts.

import type { Host } from "../lib/host.js";
import type { Alert } from "../lib/types.js";

/** Entries that one question names. */
const MOST = 100;
const LEVELS = ["info", "low", "medium", "high", "critical"];

export class Resting {
  #may = false;
  readonly #found = new Map<number, readonly Alert[]>();
  readonly #wanted = new Set<number>();
  readonly #asked = new Set<number>();
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
    // What one drawing wanted is one question.
    host.addController({ hostUpdated: () => void this.#ask() });
  }

  /** The alerts that rest on an entry, the gravest first; of an entry that was not asked for yet, none until later. */
  of(index: number): readonly Alert[] | undefined {
    if (!this.#asked.has(index)) this.#wanted.add(index);
    return this.#found.get(index);
  }

  /** Alerts were raised or closed, the language is another, or the reader may see alerts now, or no more. */
  renew(may: boolean): void {
    this.#may = may;
    if (!may) this.#found.clear();
    for (const index of this.#asked) this.#wanted.add(index);
    this.#asked.clear();
    void this.#ask();
  }

  async #ask(): Promise<void> {
    if (!this.#may || !this.#wanted.size) return;
    const { client, words } = this.#host;
    const these = [...this.#wanted].slice(0, MOST);
    for (const index of these) {
      this.#wanted.delete(index);
      this.#asked.add(index);
    }
    const alerts: Alert[] = [];
    let after: string | null = null;
    do {
      const page: { items: Alert[]; next: string | null } | null = await client
        .get<{ items: Alert[]; next: string | null }>("alerts", { status: "all", at: these.join(), limit: MOST, after, lang: words.language })
        .catch(() => null);
      alerts.push(...(page?.items ?? []));
      after = page?.next ?? null;
    } while (after);
    // What nobody wanted to hear of is not said here either.
    const told = alerts.filter(({ status }) => status !== "muted").sort((a, b) => weight(b) - weight(a));
    for (const index of these) {
      const found = told.filter(({ entries }) => entries.includes(index));
      if (found.length) this.#found.set(index, found);
      else this.#found.delete(index);
    }
    this.#host.requestUpdate();
  }
}

function weight({ status, level }: Alert): number {
  return (active(status) ? LEVELS.length : 0) + LEVELS.indexOf(level);
}

/** Whether somebody has to look after it, or does. */
function active(status: Alert["status"]): boolean {
  return status === "open" || status === "acknowledged";
}
