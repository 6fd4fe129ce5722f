// What a document is checked with: notes, leaves, tags, indexes and seals; the twins of whodid.proof.{note,leaf,index,seal}. The
// tree is that of lib/merkle. Everything that does not hold throws.

import { concat, equal, toHex } from "../lib/bytes.js";
import { demand, type Opened } from "./document.js";
import { verifyEd25519 } from "./ed25519.js";
import { digest } from "./hash.js";

const encoder = new TextEncoder();
export const bytes = (text: string): Uint8Array => encoder.encode(text);
export const key = (hash: Uint8Array): string => toHex(hash);

/** Bytes of a base64 text (RFC 4648, 4) that is their only spelling. */
export function base64(text: string): Uint8Array {
  const binary = atob(text);
  demand(btoa(binary) === text);
  const found = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) found[at] = binary.charCodeAt(at);
  return found;
}

export function number(value: number | bigint, width: 1 | 2 | 4 | 8): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(value));
  return new Uint8Array(view.buffer, 8 - width);
}

/** Pieces of one width; a last one that is too short is refused where it is used. */
export function cut(data: Uint8Array, width: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(data.length / width) }, (_, at) => data.subarray(at * width, (at + 1) * width));
}

export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

// ------------------------------------------------------------------------------------------------------------------- notes

const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const NAME = new RegExp(`^[^${SPACE}+\\x00-\\x1f]+$`, "u");

export interface Head {
  origin: string;
  size: number;
  root: Uint8Array;
  public: Uint8Array;
  /** What was signed, and by what, for a second opinion. */
  signed: { message: Uint8Array; signature: Uint8Array };
}

export interface Key {
  name: string;
  id: Uint8Array;
  public: Uint8Array;
}

/** Read the verifier key of a log: `<name>+<id>+<type and public key>`, of type Ed25519. */
export function readKey(vkey: string): Key {
  const [name = "", id = "", ...rest] = vkey.split("+");
  const material = base64(rest.join("+"));
  demand(NAME.test(name) && rest.length > 0 && material.length === 33 && material[0] === 1);
  const known = digest(bytes(`${name}\n`), material).slice(0, 4);
  demand(toHex(known) === id);
  return { name, id: known, public: material.slice(1) };
}

/** The key of a deployment's anchor log, which is that of its other logs under another name. */
export function anchorsKey({ public: material }: Key, origin: string): Key {
  demand(NAME.test(origin) && /^.+\/anchors\/[a-zA-Z0-9]+$/u.test(origin));
  return { name: origin, id: digest(bytes(`${origin}\n`), Uint8Array.of(1), material).slice(0, 4), public: material };
}

/** Open a C2SP checkpoint (signed-note, tlog-checkpoint) with the key of its log. */
export function openCheckpoint(note: string, { name, id, public: material }: Key): Head {
  const split = note.lastIndexOf("\n\n");
  demand(split >= 0 && note.endsWith("\n"));
  const text = note.slice(0, split + 1);
  demand(!/[\x00-\x09\x0b-\x1f]/.test(text));
  const lines = note.slice(split + 2, -1).split("\n");
  demand(lines.length <= 100);
  const message = bytes(text);
  let mine: Uint8Array | null = null;
  for (const line of lines) {
    const [dash, signer = "", ...value] = line.split(" ");
    const signature = base64(value.join(" "));
    demand(dash === "—" && NAME.test(signer) && signature.length > 4);
    if (signer !== name || !equal(signature.subarray(0, 4), id)) continue;
    demand(verifyEd25519(material, message, signature.slice(4)));
    mine ??= signature.slice(4);
  }
  demand(mine !== null);
  const said = text.slice(0, -1).split("\n");
  const [origin = "", size = "", root = ""] = said;
  demand(said.length >= 3 && said.every(Boolean) && origin === name && /^(0|[1-9][0-9]{0,18})$/.test(size));
  demand(Number.isSafeInteger(Number(size)) && base64(root).length === 32);
  return { origin, size: Number(size), root: base64(root), public: material, signed: { message, signature: mine } };
}

/** The names under a note, of which nothing is known but that they stand there. */
export function signers(note: string): string[] {
  const lines = note.slice(note.lastIndexOf("\n\n") + 2, -1).split("\n");
  return [...new Set(lines.map((line) => line.split(" ")[1] ?? ""))];
}

// ------------------------------------------------------------------------------------------------------------------ leaves

export const SEAL = 2;
export const LOG_LINK = 6;
export const RECORDS = { erased: 3, purged: 4 };
export const DIMENSIONS = { actor: 1, resource: 2, action: 3 };

export interface Header {
  kind: number;
  recordedAt: bigint;
  /** Hexadecimal. */
  tags: string[];
}

export function readHeader(data: Uint8Array): Header {
  demand(data.length >= 43 && data[0] === 1);
  const kind = data[1] as number;
  demand(kind >= 1 && kind <= 6 && data.length === 43 + 16 * (data[42] as number));
  const recordedAt = new DataView(data.buffer, data.byteOffset, data.length).getBigUint64(2);
  return { kind, recordedAt, tags: cut(data.subarray(43), 16).map(key) };
}

/** The encoded header that an opened entry makes. */
export function headerOf({ kind, recorded_at, tags, fields }: Opened): Uint8Array {
  const commitments = fields.map(([path, first, second]) => {
    const known = base64(first);
    demand(known.length === (path ? 16 : 32));
    if (!path) return known;
    const [name, value] = [bytes(path), bytes(second)];
    demand(name.length < 1 << 16);
    return digest(bytes("whodid/field/v1\n"), known, number(name.length, 2), name, number(value.length, 4), value);
  });
  demand(commitments.length < 1 << 16);
  const root = digest(bytes("whodid/content/v1\n"), number(commitments.length, 2), ...commitments);
  const carried = base64(tags);
  demand(carried.length % 16 === 0 && carried.length <= 255 * 16 && kind <= 0xff);
  const header = concat(Uint8Array.of(1, kind), number(recorded_at, 8), root, Uint8Array.of(carried.length / 16), carried);
  readHeader(header);
  return header;
}

/** A blinded tag, hexadecimal. */
export function tagOf(salt: Uint8Array, dimension: number, value: string): string {
  return key(digest(bytes("whodid/tag/v1\n"), salt, Uint8Array.of(dimension), bytes(value)).slice(0, 16));
}

// ------------------------------------------------------------------------------------------------------------------- seals

/** What is fixed of a run of entries: of a segment by its seal, or of a volume. */
export interface Sealed {
  number: number;
  start: number;
  stop: number;
  indexed: number;
  recordedFirst: bigint;
  recordedLast: bigint;
  root: Uint8Array;
  commitment: Uint8Array;
  previous: Uint8Array;
  hash: Uint8Array;
}

export interface Seal extends Sealed {
  /** Hexadecimal. */
  anchor: string;
}

export interface Volume extends Sealed {
  first: number;
  last: number;
  seals: Uint8Array;
}

export function readSeal(data: Uint8Array): Seal {
  return { ...read("seal", data, 189, 5, 4, 61), anchor: toHex(data.subarray(157)) };
}

export function readVolume(data: Uint8Array): Volume {
  const found = read("volume", data, 201, 13, 8, 105);
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const [first, last] = [view.getUint32(5), view.getUint32(9)];
  demand(first <= last && last - first < found.stop - found.start);
  return { ...found, first, last, seals: data.subarray(73, 105) };
}

/** `start` is where the first index stands, `width` how long the count of entries is, `root` where the hashes of the index begin. */
function read(label: string, data: Uint8Array, size: number, start: number, width: 4 | 8, root: number): Sealed {
  demand(data.length === size && data[0] === 1);
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const at = (place: number): bigint => view.getBigUint64(place);
  const times = start + 16 + width + 4;
  const indexed = width === 4 ? BigInt(view.getUint32(start + 16)) : at(start + 16);
  const [from, stop] = [at(start), at(start + 8)];
  demand(from < stop && indexed <= stop - from && at(times) <= at(times + 8) && at(times + 16) <= at(times + 24));
  demand(stop <= BigInt(Number.MAX_SAFE_INTEGER)); // the entry that carries the newest one stands behind all of them
  return {
    number: view.getUint32(1), start: Number(from), stop: Number(stop), indexed: Number(indexed), recordedFirst: at(times), recordedLast: at(times + 8),
    root: data.subarray(root, root + 32), commitment: data.subarray(root + 32, root + 64), previous: data.subarray(root + 64, root + 96),
    hash: digest(bytes(`whodid/${label}/v1\n`), data),
  };
}

/** Demand that seals follow one another without a gap, from any segment on. */
export function checkChain(seals: readonly Seal[]): void {
  seals.forEach((seal, at) => {
    const before = seals[at - 1];
    if (before) demand(seal.number === before.number + 1 && seal.start === before.stop && equal(seal.previous, before.hash));
    else demand(seal.number !== 0 || (seal.start === 0 && seal.previous.every((byte) => byte === 0)));
  });
}

/** The same of volumes. */
export function checkVolumes(volumes: readonly Volume[]): void {
  volumes.forEach((volume, at) => {
    const before = volumes[at - 1];
    if (before) demand(volume.number === before.number + 1 && volume.first === before.last + 1 && volume.start === before.stop && equal(volume.previous, before.hash));
    else demand(volume.number !== 0 || (volume.first === 0 && volume.start === 0 && volume.previous.every((byte) => byte === 0)));
  });
}

/** Whether a salt is the one that a segment, or a volume, was committed to. */
export function saltHolds(kind: "segment" | "volume", at: number, salt: string, commitment: Uint8Array | undefined): boolean {
  try {
    const known = base64(salt);
    return known.length === 32 && commitment !== undefined && equal(commitment, digest(bytes(`whodid/${kind}-salt/v1\n`), number(at, 8), known));
  } catch {
    return false;
  }
}

/** Demand that the name of a log commits to the salts of its first two segments. */
export function checkOrigin(origin: string, first: Uint8Array, second: Uint8Array): void {
  demand(origin.split("/").at(-1) === toHex(digest(bytes("whodid/origin/v1\n"), first, second)).slice(0, 40));
}

// ----------------------------------------------------------------------------------------------------------------- indexes

const EMPTY = digest();

function bit(data: Uint8Array, at: number): number {
  return ((data[at >> 3] as number) >> (7 - (at & 7))) & 1;
}

export function keyOf(tag: Uint8Array): Uint8Array {
  return digest(bytes("whodid/index-key/v1\n"), tag);
}

export function valueOf(positions: readonly number[]): Uint8Array {
  return digest(bytes("whodid/positions/v1\n"), number(positions.length, 4), ...positions.map((position) => number(position, 8)));
}

/** Whether the map with this root holds a value for the asked key: the one of the leaf that its bits lead to, or none. */
export function holds(root: Uint8Array, asked: Uint8Array, leafKey: Uint8Array, value: Uint8Array, path: Uint8Array): boolean {
  if (!leafKey.length) {
    demand(!value.length && !path.length && equal(root, EMPTY));
    return false;
  }
  demand(leafKey.length === 32 && value.length === 32 && path.length % 33 === 0);
  let [below, hash] = [256, digest(leafKey, value)];
  for (const step of cut(path, 33)) {
    const at = step[0] as number;
    const side = bit(leafKey, at);
    demand(at < below && side === bit(asked, at));
    const sibling = step.subarray(1);
    hash = side ? digest(sibling, hash, step.subarray(0, 1)) : digest(hash, sibling, step.subarray(0, 1));
    below = at;
  }
  demand(equal(hash, root));
  return equal(leafKey, asked);
}
