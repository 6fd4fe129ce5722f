// SHA-256 and SHA-512 (FIPS 180-4) in plain JavaScript: they work in a file that was opened from a disk, where a browser may
// refuse WebCrypto, and on short messages they are faster than a promise.

import { concat } from "../lib/bytes.js";

const K256 = Uint32Array.from(roots(64, 3, 32n), Number);
const START256 = Uint32Array.from(roots(8, 2, 32n), Number);
const K512 = roots(80, 3, 64n);
const START512 = roots(8, 2, 64n);
const MASK = (1n << 64n) - 1n;

/** The fractional parts, in bits, of the square or cube roots of the first primes: the constants of the standard. */
function roots(count: number, power: 2 | 3, bits: bigint): bigint[] {
  const found: bigint[] = [];
  for (let prime = 2; found.length < count; prime++) {
    let whole = true;
    for (let by = 2; by * by <= prime; by++) whole &&= prime % by !== 0;
    if (whole) found.push(root(BigInt(prime) << (BigInt(power) * bits), power) & ((1n << bits) - 1n));
  }
  return found;
}

/** The integer root, from below, bit by bit. */
function root(value: bigint, power: 2 | 3): bigint {
  let found = 0n;
  for (let bit = 1n << 72n; bit; bit >>= 1n) if ((found | bit) ** BigInt(power) <= value) found |= bit;
  return found;
}

/** The message with its padding: a one, zeros, and its length in bits. */
function padded(parts: Uint8Array[], block: 64 | 128): Uint8Array {
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  const tail = block / 8;
  const message = concat(...parts, new Uint8Array(block - ((size + tail) % block) + tail));
  message[size] = 0x80;
  new DataView(message.buffer).setBigUint64(message.length - 8, BigInt(size) * 8n);
  return message;
}

/** What each block is worked on in. */
const WORDS = new Uint32Array(64);

/** SHA-256 of the parts, one after the other. Nothing is taken apart in the loops: that makes arrays until the browser has compiled them. */
export function digest(...parts: Uint8Array[]): Uint8Array {
  const view = new DataView(padded(parts, 64).buffer);
  const state = START256.slice();
  const words = WORDS as { [at: number]: number };
  for (let at = 0; at < view.byteLength; at += 64) {
    for (let i = 0; i < 16; i++) words[i] = view.getUint32(at + 4 * i);
    for (let i = 16; i < 64; i++) {
      const before = words[i - 15] as number;
      const after = words[i - 2] as number;
      const low = ((before >>> 7) | (before << 25)) ^ ((before >>> 18) | (before << 14)) ^ (before >>> 3);
      const high = ((after >>> 17) | (after << 15)) ^ ((after >>> 19) | (after << 13)) ^ (after >>> 10);
      words[i] = (words[i - 16] as number) + low + (words[i - 7] as number) + high;
    }
    compress(state, words);
  }
  const out = new DataView(new ArrayBuffer(32));
  state.forEach((value, i) => out.setUint32(4 * i, value));
  return new Uint8Array(out.buffer);
}

function compress(state: Uint32Array, words: { [at: number]: number }): void {
  const k = K256 as { [at: number]: number };
  const s = state as { [at: number]: number };
  let a = s[0] as number, b = s[1] as number, c = s[2] as number, d = s[3] as number;
  let e = s[4] as number, f = s[5] as number, g = s[6] as number, h = s[7] as number;
  for (let i = 0; i < 64; i++) {
    const high = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const one = (h + high + ((e & f) ^ (~e & g)) + (k[i] as number) + (words[i] as number)) | 0;
    const low = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const two = (low + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + one) | 0;
    d = c;
    c = b;
    b = a;
    a = (one + two) | 0;
  }
  s[0] = (s[0] as number) + a;
  s[1] = (s[1] as number) + b;
  s[2] = (s[2] as number) + c;
  s[3] = (s[3] as number) + d;
  s[4] = (s[4] as number) + e;
  s[5] = (s[5] as number) + f;
  s[6] = (s[6] as number) + g;
  s[7] = (s[7] as number) + h;
}

/** The same under the name and the form that the proofs of the viewer call it by. */
export async function sha256(...parts: Uint8Array[]): Promise<Uint8Array> {
  return digest(...parts);
}

/** SHA-512 of the parts, one after the other; for the few messages that signatures are made of. */
export function sha512(...parts: Uint8Array[]): Uint8Array {
  const view = new DataView(padded(parts, 128).buffer);
  const state = [...START512];
  const turned = (value: bigint, by: bigint): bigint => ((value >> by) | (value << (64n - by))) & MASK;
  for (let at = 0; at < view.byteLength; at += 128) {
    const words = Array.from({ length: 16 }, (_, i) => view.getBigUint64(at + 8 * i));
    for (let i = 16; i < 80; i++) {
      const before = words[i - 15] as bigint;
      const after = words[i - 2] as bigint;
      const low = turned(before, 1n) ^ turned(before, 8n) ^ (before >> 7n);
      const high = turned(after, 19n) ^ turned(after, 61n) ^ (after >> 6n);
      words.push(((words[i - 16] as bigint) + low + (words[i - 7] as bigint) + high) & MASK);
    }
    let [a, b, c, d, e, f, g, h] = state as [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint];
    for (let i = 0; i < 80; i++) {
      const high = turned(e, 14n) ^ turned(e, 18n) ^ turned(e, 41n);
      const one = h + high + ((e & f) ^ (~e & MASK & g)) + (K512[i] as bigint) + (words[i] as bigint);
      const two = (turned(a, 28n) ^ turned(a, 34n) ^ turned(a, 39n)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g;
      g = f;
      f = e;
      e = (d + one) & MASK;
      d = c;
      c = b;
      b = a;
      a = (one + two) & MASK;
    }
    [a, b, c, d, e, f, g, h].forEach((value, i) => {
      state[i] = ((state[i] as bigint) + value) & MASK;
    });
  }
  const out = new DataView(new ArrayBuffer(64));
  state.forEach((value, i) => out.setBigUint64(8 * i, value));
  return new Uint8Array(out.buffer);
}
