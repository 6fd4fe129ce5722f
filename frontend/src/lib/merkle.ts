// Merkle trees as RFC 6962 hashes them: a leaf's path to the root, checked with WebCrypto. Bytes and integers only.

/** What does not hold, by name; the catalogues say it in words. */
export type Flaw = "form" | "other" | "head" | "root" | "key" | "unsigned" | "signature" | "leaf" | "time" | "content" | "field" | "path";

export class Refuted extends Error {
  constructor(
    readonly flaw: Flaw,
    readonly field = "",
  ) {
    super(flaw);
  }
}

export async function sha256(...parts: Uint8Array[]): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", concat(...parts) as BufferSource));
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

export function toHex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
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
