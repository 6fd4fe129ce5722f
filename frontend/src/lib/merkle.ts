// Merkle trees as RFC 6962 hashes them: a leaf's path to the root. Bytes and integers only.

import { equal } from "./bytes.js";
import { sha256 } from "./hash.js";

/** What does not hold, by name; the catalogues say it in words. */
export type Flaw = "form" | "other" | "head" | "root" | "key" | "unsigned" | "signature" | "leaf" | "time" | "content" | "field" | "path"
  | "changed" | "shrank" | "history" | "tree" | "shown";

export class Refuted extends Error {
  constructor(
    readonly flaw: Flaw,
    readonly field = "",
  ) {
    super(flaw);
  }
}

/** RFC 6962, 2.1: SHA-256(0x00 | data). */
export function leafHash(data: Uint8Array): Promise<Uint8Array> {
  return sha256(Uint8Array.of(0), data);
}

/** RFC 6962, 2.1: SHA-256(0x01 | left | right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Promise<Uint8Array> {
  return sha256(Uint8Array.of(1), left, right);
}

/**
 * Climb from a leaf to the root (RFC 9162, 2.1.3.2). Divisions instead of shifts: an index may pass 2^31.
 *
 * Throws Refuted when the path does not have the length that a tree of this size asks for.
 */
export async function rootOf(index: number, size: number, leaf: Uint8Array, path: readonly Uint8Array[]): Promise<Uint8Array> {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size || leaf.length !== 32) {
    throw new Refuted("path");
  }
  let at = index;
  let last = size - 1;
  let hash = leaf;
  for (const step of path) {
    if (step.length !== 32 || last === 0) throw new Refuted("path");
    if (at % 2 || at === last) {
      hash = await nodeHash(step, hash);
      while (at && at % 2 === 0) {
        at /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      hash = await nodeHash(hash, step);
    }
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  if (last !== 0) throw new Refuted("path");
  return hash;
}

/**
 * Whether a tree of `size` leaves contains the one of `old` leaves unchanged (RFC 9162, 2.1.4.2).
 *
 * Throws Refuted when it does not, or when the path does not say so.
 */
export async function extendsTree(old: number, size: number, oldRoot: Uint8Array, root: Uint8Array, path: readonly Uint8Array[]): Promise<void> {
  if (old === size ? path.length || !equal(oldRoot, root) : old < 1 || old > size) throw new Refuted("history");
  if (old === size) return;
  const steps = [...path];
  let [at, last] = [old - 1, size - 1];
  const halve = (): void => {
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  };
  while (at % 2) halve();
  // A tree of 1, 2, 4 … leaves is itself the first node of the path.
  const first = at ? steps.shift() : oldRoot;
  if (!first) throw new Refuted("history");
  let [was, is] = [first, first];
  for (const step of steps) {
    if (step.length !== 32 || last === 0) throw new Refuted("history");
    if (at % 2 || at === last) {
      was = await nodeHash(step, was);
      is = await nodeHash(step, is);
      while (at && at % 2 === 0) halve();
    } else {
      is = await nodeHash(is, step);
    }
    halve();
  }
  if (last !== 0 || !equal(was, oldRoot) || !equal(is, root)) throw new Refuted("history");
}

/** The right edge of a growing tree: complete subtrees of falling height. */
export class Frontier {
  readonly #nodes: { level: number; hash: Uint8Array }[] = [];

  /** Add the root of a complete subtree of 2^level leaves; the leaves so far are a multiple of that. */
  async push(hash: Uint8Array, level = 0): Promise<void> {
    let node = { level, hash };
    for (let top = this.#nodes.at(-1); top?.level === node.level; top = this.#nodes.at(-1)) {
      this.#nodes.pop();
      node = { level: node.level + 1, hash: await nodeHash(top.hash, node.hash) };
    }
    this.#nodes.push(node);
  }

  /** The root of all that was added. */
  async root(): Promise<Uint8Array> {
    const hashes = this.#nodes.map(({ hash }) => hash);
    let root = hashes.pop() ?? (await sha256());
    for (const hash of hashes.reverse()) root = await nodeHash(hash, root);
    return root;
  }
}

/** The root of a complete tree over a power of two of hashes; the pairs of a level are hashed at once. */
export async function foldAll(hashes: readonly Uint8Array[]): Promise<Uint8Array> {
  let row = hashes;
  while (row.length > 1) {
    row = await Promise.all(Array.from({ length: row.length / 2 }, (_, at) => nodeHash(row[2 * at] as Uint8Array, row[2 * at + 1] as Uint8Array)));
  }
  return row[0] as Uint8Array;
}
