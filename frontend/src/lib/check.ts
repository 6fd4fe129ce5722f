// Checking more than one entry in the reader's browser: what the page shows, that the log still holds what this browser
// saw before, and, on request, everything.

import type { Client } from "./api.js";
import { keep, recall } from "./local.js";
import { equal, fromBase64, toHex } from "./bytes.js";
import { extendsTree, foldAll, Frontier, leafHash, Refuted, rootOf, type Flaw } from "./merkle.js";
import { canCheck, matchHeader, openHead, type SignedHead } from "./proof.js";
import type { CheckpointAnswer, Entry, HashesAnswer, ProofsAnswer, Summary } from "./types.js";

/** As many proofs as the API gives at once. */
const MOST = 200;
const HASHES = 16_384;
const TILE = 256;

/** What does not hold, where, and what can be shown about it. */
export interface Failure {
  why: Flaw;
  field: string;
  index: number | null;
  evidence: unknown;
}

export interface Checked {
  head: SignedHead;
  /** Index below which retention removed the content. */
  first: number;
  viewer: string;
  /** Size of the log when this browser checked it before, if it did. */
  before: number | null;
}

interface Remembered {
  size: number;
  root: string;
  key: string;
}

/** Indexes as the API takes them, joined to ranges, in portions of what it answers at once. */
export function portions(indexes: readonly number[]): string[] {
  const sorted = [...new Set(indexes)].sort((a, b) => a - b);
  const texts: string[] = [];
  for (let at = 0; at < sorted.length; at += MOST) {
    const runs: [number, number][] = [];
    for (const index of sorted.slice(at, at + MOST)) {
      const run = runs.at(-1);
      if (run && run[1] === index - 1) run[1] = index;
      else runs.push([index, index]);
    }
    texts.push(runs.map(([from, to]) => (from === to ? `${from}` : `${from}..${to}`)).join(","));
  }
  return texts;
}

/** What a row shows that is not what its entry says; the name of the first part, or nothing. */
export function differs(row: Summary, entry: Entry): string | undefined {
  const pairs: [string, unknown, unknown][] = [
    ["id", row.id, entry.id], ["action", row.action, entry.action], ["kind", row.kind, entry.kind],
    ["occurred_at", row.occurred_at, entry.occurred_at], ["recorded_at", row.recorded_at, entry.recorded_at],
    ["outcome", row.outcome, entry.outcome ?? "success"], ["severity", row.severity, entry.severity],
    ["actor.id", row.actor.id, entry.actor.id], ["actor.name", row.actor.name, entry.actor.name],
    ["resource.id", row.resource.id, entry.resource.id], ["resource.name", row.resource.name, entry.resource.name],
    ["reason", row.reason?.text, entry.reason?.text],
  ];
  return pairs.find(([, shown, recorded]) => JSON.stringify(shown ?? null) !== JSON.stringify(recorded ?? null))?.[0];
}

/** Run a check; null when it holds. What cannot be read does not hold; what cannot be fetched passes through. */
export async function failureOf(act: () => Promise<void>, index: number | null = null, evidence: unknown = null): Promise<Failure | null> {
  try {
    await act();
    return null;
  } catch (error) {
    if (error instanceof Refuted) return { why: error.flaw, field: error.field, index, evidence };
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    if (error instanceof Error && error.name === "Problem") throw error;
    return { why: "form", field: "", index, evidence };
  }
}

export class Checker {
  readonly #client: Client;
  /** Entries that were checked, by index: they are not fetched twice. */
  readonly #good = new Map<number, Entry>();

  constructor(client: Client) {
    this.#client = client;
  }

  /** Whether this page can check anything. */
  able(): Promise<boolean> {
    return canCheck();
  }

  forget(): void {
    this.#good.clear();
  }

  get checked(): number {
    return this.#good.size;
  }

  /** Fetch the signed head and check it against what this browser saw of the log before. Throws Refuted. */
  async head(signal: AbortSignal): Promise<Checked> {
    const answer = await this.#client.get<CheckpointAnswer>("checkpoint", {}, signal);
    const head = await openHead(answer.checkpoint, answer.vkey);
    const name = `alv-head:${answer.viewer}:${head.origin}`;
    const seen = recall<Remembered>(name);
    if (seen && seen.key !== head.key) throw new Refuted("changed");
    if (seen && seen.size > head.size) throw new Refuted("shrank");
    if (seen) {
      const { path } = await this.#client.get<{ path: string[] }>("consistency", { from: seen.size, to: head.size }, signal);
      await extendsTree(seen.size, head.size, fromHex(seen.root), head.root, path.map(fromBase64));
    }
    keep(name, { size: head.size, root: toHex(head.root), key: head.key } satisfies Remembered);
    return { head, first: answer.first, viewer: answer.viewer, before: seen?.size ?? null };
  }

  /** Check the entries of rows, each field that is shown; those that were checked before only against their rows. */
  async rows(rows: readonly Summary[], signal: AbortSignal): Promise<Failure | null> {
    const fresh = rows.filter(({ index }) => !this.#good.has(index)).map(({ index }) => index);
    for (const at of portions(fresh)) {
      const failure = await this.#portion(await this.#client.get<ProofsAnswer>("proofs", { at }, signal), null);
      if (failure) return failure;
    }
    for (const row of rows) {
      const entry = this.#good.get(row.index);
      const field = entry && differs(row, entry);
      if (field) return { why: "shown", field, index: row.index, evidence: { shown: row, recorded: entry } };
    }
    return null;
  }

  /**
   * Check the whole log: every hash up to the signed root, then every entry that is kept and may be read.
   *
   * `progress` hears how many of how many steps are done.
   */
  async everything(signal: AbortSignal, progress: (done: number, total: number) => void): Promise<Failure | null> {
    let checked: Checked | null = null;
    let leaves: Uint8Array[] = [];
    const whole = await failureOf(async () => {
      checked = await this.head(signal);
      leaves = await this.#leaves(checked, signal, progress);
    });
    if (whole || !checked) return whole;
    const { head: { size }, first } = checked as Checked;
    const cut = size - leaves.length;
    const ask = (from: number): Promise<ProofsAnswer> => this.#client.get("proofs", { at: `${from}..${Math.min(from + MOST, size) - 1}` }, signal);
    let next = first < size ? ask(first) : null;
    for (let from = first; next; from += MOST) {
      const answer = await next;
      next = from + MOST < size ? ask(from + MOST) : null;
      next?.catch(() => undefined); // Heard when its turn comes.
      const failure = await this.#portion(answer, (index) => leaves[index - cut]);
      if (failure) return failure;
      progress(size + Math.min(from + MOST, size), 2 * size);
    }
    return null;
  }

  /** All leaf hashes that are kept, after folding them to the signed root. */
  async #leaves({ head: { size, root }, first }: Checked, signal: AbortSignal, progress: (done: number, total: number) => void): Promise<Uint8Array[]> {
    const frontier = new Frontier();
    const tiles = Math.floor(first / TILE);
    for (let at = 0; at < tiles; ) {
      const row = await this.#hashes({ level: 8, start: at, limit: Math.min(HASHES, tiles - at) }, signal);
      for (const hash of row) await frontier.push(hash, 8);
      at += row.length;
    }
    const leaves: Uint8Array[] = [];
    for (let at = tiles * TILE; at < size; ) {
      const row = await this.#hashes({ level: 0, start: at, limit: Math.min(HASHES, size - at) }, signal);
      for (let from = 0; from < row.length; from += TILE) {
        const tile = row.slice(from, from + TILE);
        if (tile.length === TILE) await frontier.push(await foldAll(tile), 8);
        else for (const hash of tile) await frontier.push(hash);
      }
      leaves.push(...row);
      at += row.length;
      progress(at, 2 * size);
    }
    if (!equal(await frontier.root(), root)) throw new Refuted("tree");
    return leaves;
  }

  async #hashes(asked: { level: number; start: number; limit: number }, signal: AbortSignal): Promise<Uint8Array[]> {
    const { hashes, start, count } = await this.#client.get<HashesAnswer>("hashes", asked, signal);
    const bytes = fromBase64(hashes);
    if (start !== asked.start || bytes.length !== 32 * count || !count) throw new Refuted("tree");
    return Array.from({ length: count }, (_, at) => bytes.subarray(32 * at, 32 * at + 32));
  }

  /** Check a portion: each leaf against a known hash, or along its path to the signed head beside it. */
  async #portion({ items, size = 0, checkpoint = "", vkey = "" }: ProofsAnswer, known: ((index: number) => Uint8Array | undefined) | null): Promise<Failure | null> {
    const found = await Promise.all(items.map(async ({ entry, leaf, path, fields }) => {
      const evidence = { shown: entry, leaf, path, fields, checkpoint, vkey };
      return failureOf(async () => {
        const header = fromBase64(leaf);
        const hash = await leafHash(header);
        if (known) {
          const there = known(entry.index);
          if (there && !equal(hash, there)) throw new Refuted("root");
        } else {
          const head = await openHead(checkpoint, vkey);
          if (head.size !== size || !equal(await rootOf(entry.index, size, hash, path.map(fromBase64)), head.root)) throw new Refuted("root");
        }
        await matchHeader(header, entry, fields);
        this.#good.set(entry.index, entry);
      }, entry.index, evidence);
    }));
    return found.find(Boolean) ?? null;
  }
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
