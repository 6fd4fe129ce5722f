// Ed25519 signatures (RFC 8032, 5.1.7, without the cofactor), checked in plain JavaScript: nothing is secret here, so time may
// depend on the values. Edge cases are judged as OpenSSL does: S must be reduced, R is compared as bytes, a key may be spelt in
// any way and be of small order.

import { equal } from "../lib/bytes.js";
import { sha512 } from "./hash.js";

const P = (1n << 255n) - 19n;
const L = (1n << 252n) + 27742317777372353535851937790883648493n;
const D = modulo(-121665n * power(121666n, P - 2n));
const ROOT = power(2n, (P - 1n) / 4n); // of minus one

/** Extended coordinates: x = X/Z, y = Y/Z, xy = T/Z. */
type Point = readonly [X: bigint, Y: bigint, Z: bigint, T: bigint];

const ZERO: Point = [0n, 1n, 1n, 0n];
const BASE = point(modulo(4n * power(5n, P - 2n)), 0n) as Point;

function modulo(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let [square, left] = [base, exponent]; left; left >>= 1n, square = (square * square) % P) {
    if (left & 1n) result = (result * square) % P;
  }
  return result;
}

/** The point with this y and the parity of x, if there is one. */
function point(y: bigint, odd: bigint): Point | null {
  const u = modulo(y * y - 1n);
  const v = modulo(D * y * y + 1n);
  let x = (u * v ** 3n * power((u * v ** 7n) % P, (P - 5n) / 8n)) % P;
  const found = (v * x * x) % P;
  if (found !== u) {
    if (found !== modulo(-u)) return null;
    x = (x * ROOT) % P;
  }
  if ((x & 1n) !== odd) x = modulo(-x);
  return [x, y, 1n, (x * y) % P];
}

function number(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let at = bytes.length - 1; at >= 0; at--) value = (value << 8n) | BigInt(bytes[at] as number);
  return value;
}

function add([x1, y1, z1, t1]: Point, [x2, y2, z2, t2]: Point): Point {
  const a = ((y1 - x1) * (y2 - x2)) % P;
  const b = ((y1 + x1) * (y2 + x2)) % P;
  const c = (2n * D * t1 * t2) % P;
  const d = (2n * z1 * z2) % P;
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [(e * f) % P, (g * h) % P, (f * g) % P, (e * h) % P];
}

/** first · one + second · other, bit by bit over both at once. */
function combined(first: bigint, one: Point, second: bigint, other: Point): Point {
  const both = add(one, other);
  let sum = ZERO;
  for (let bit = 255n; bit >= 0n; bit--) {
    sum = add(sum, sum);
    const [a, b] = [(first >> bit) & 1n, (second >> bit) & 1n];
    if (a || b) sum = add(sum, a ? (b ? both : one) : other);
  }
  return sum;
}

function encoded([x, y, z]: Point): Uint8Array {
  const inverse = power(modulo(z), P - 2n);
  let value = modulo(y * inverse) | ((modulo(x * inverse) & 1n) << 255n);
  return Uint8Array.from({ length: 32 }, () => {
    const byte = Number(value & 255n);
    value >>= 8n;
    return byte;
  });
}

/** Whether a signature of 64 bytes over a message holds under a public key of 32 bytes. */
export function verifyEd25519(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (key.length !== 32 || signature.length !== 64) return false;
  const r = signature.slice(0, 32);
  const s = number(signature.slice(32));
  const written = number(key);
  const a = point(modulo(written & ((1n << 255n) - 1n)), written >> 255n);
  if (s >= L || !a) return false;
  const h = number(sha512(r, key, message)) % L;
  const minus: Point = [modulo(-a[0]), a[1], a[2], modulo(-a[3])];
  return equal(encoded(combined(s, BASE, h, minus)), r);
}
