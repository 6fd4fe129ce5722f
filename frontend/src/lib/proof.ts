// The reader's own check of an entry: signature of the log's head, place of the leaf under it, and the leaf against
// what is on the screen. Nothing here asks the server whether it is honest.

import { concat, equal, fromBase64, toHex } from "./bytes.js";
import { sha256 } from "./hash.js";
import { leafHash, Refuted, rootOf, type Flaw } from "./merkle.js";
import type { Change, Entry, ProofAnswer, ProofField } from "./types.js";

/** The last of the kinds of leaf that hold an entry: event, seal, erasure, purge. */
const PURGE = 4;

export interface Verified {
  state: "verified";
  /** Whether every shown field was compared with its commitment, not only the leaf's place and time. */
  content: boolean;
  /** Fields in which something is hidden, so that what is shown of them cannot be compared with anything. */
  parts: string[];
  size: number;
  origin: string;
  root: string;
  leaf: string;
  path: string[];
  key: string;
}

export type Verdict = Verified | { state: "failed"; why: Flaw; field: string } | { state: "server" };

/** Whether this page can check anything: WebCrypto exists only on https and localhost, Ed25519 only in newer browsers. */
export async function canCheck(): Promise<boolean> {
  try {
    await crypto.subtle.importKey("raw", new Uint8Array(32), { name: "Ed25519" }, false, ["verify"]);
    return true;
  } catch {
    return false;
  }
}

/** Check a proof and the entry that it is meant for. Never throws: a proof that cannot be read is a proof that failed. */
export async function check(answer: ProofAnswer, entry: Entry): Promise<Verdict> {
  if (!(await canCheck())) return { state: "server" };
  try {
    if (answer.index !== entry.index) throw new Refuted("other");
    const head = await openHead(answer.checkpoint, answer.vkey);
    if (head.size !== answer.size) throw new Refuted("head");
    const header = fromBase64(answer.leaf);
    const leaf = await leafHash(header);
    const path = answer.path.map(fromBase64);
    const root = await rootOf(answer.index, answer.size, leaf, path);
    if (!equal(root, head.root)) throw new Refuted("root");
    const parts = await matchHeader(header, entry, answer.fields);
    return {
      state: "verified",
      content: Boolean(answer.fields),
      parts,
      size: head.size,
      origin: head.origin,
      root: toHex(root),
      leaf: toHex(leaf),
      path: path.map(toHex),
      key: head.key,
    };
  } catch (error) {
    return error instanceof Refuted ? { state: "failed", why: error.flaw, field: error.field } : { state: "failed", why: "form", field: "" };
  }
}

export interface SignedHead {
  origin: string;
  size: number;
  root: Uint8Array;
  key: string;
  /** Names of others whose signatures stand below; whose keys they are, this browser does not know. */
  witnesses: { name: string; at: number | null }[];
}

let opened: { note: string; vkey: string; head: Promise<SignedHead> } | null = null;

/** Open a checkpoint; one that was opened a moment ago is known, for all proofs of a page come under one. */
export function openHead(note: string, vkey: string): Promise<SignedHead> {
  if (opened?.note !== note || opened.vkey !== vkey) opened = { note, vkey, head: openCheckpoint(note, vkey) };
  return opened.head;
}

/** Open a C2SP checkpoint: a signed note whose text is origin, size and root hash. */
export async function openCheckpoint(note: string, vkey: string): Promise<SignedHead> {
  const split = note.lastIndexOf("\n\n");
  const text = note.slice(0, split + 1);
  const [, name, hash, material] = /^([^\s+]+)\+([0-9a-f]{8})\+(.+)$/.exec(vkey) ?? [];
  if (split < 0 || !name || !hash || !material) throw new Refuted("head");
  const key = fromBase64(material);
  const id = (await sha256(new TextEncoder().encode(`${name}\n`), key)).slice(0, 4);
  if (key[0] !== 1 || key.length !== 33 || toHex(id) !== hash) throw new Refuted("key");
  const lines = note.slice(split + 2).split("\n");
  const line = lines.find((one) => one.startsWith(`— ${name} `) && equal(fromBase64(one.slice(name.length + 3)).slice(0, 4), id));
  if (!line) throw new Refuted("unsigned");
  const signature = fromBase64(line.slice(name.length + 3)).slice(4);
  const imported = await crypto.subtle.importKey("raw", key.slice(1) as BufferSource, { name: "Ed25519" }, false, ["verify"]);
  if (!(await crypto.subtle.verify("Ed25519", imported, signature as BufferSource, new TextEncoder().encode(text)))) {
    throw new Refuted("signature");
  }
  const [origin, size, root] = text.split("\n");
  const others = lines.filter((one) => one !== line).map((one) => {
    const [, witness = "", signed = ""] = /^— (\S+) (\S+)$/.exec(one) ?? [];
    return { name: witness, at: cosignedAt(signed) };
  });
  if (origin !== name || !size || !/^(0|[1-9]\d*)$/.test(size) || !root) throw new Refuted("head");
  return { origin, size: Number(size), root: fromBase64(root), key: `ed25519:${toHex(key.slice(1))}`, witnesses: others.filter((one) => one.name && one.name !== name) };
}

/** Key id, time, Ed25519 signature (C2SP cosignature/v1). */
const COSIGNED = 4 + 8 + 64;

/** When a witness signed, in milliseconds since 1970; null when the signature does not say it. */
function cosignedAt(signed: string): number | null {
  try {
    const bytes = fromBase64(signed);
    return bytes.length === COSIGNED ? Number(new DataView(bytes.buffer, bytes.byteOffset + 4).getBigUint64(0)) * 1000 : null;
  } catch {
    return null;
  }
}

/** What every reader sees, and what no erasure takes. */
const STAYS = ["core", "actor.id", "resource.id", "related"];

/**
 * Compare the leaf header with the entry: its time always, its content when the server discloses the salts. Every field
 * that the leaf commits to has to stand in the entry, in its place: disclosed, hidden or erased; and nothing else.
 *
 * Returns the fields in which something is hidden and something shown: of the rest there is only the server's word.
 */
export async function matchHeader(header: Uint8Array, entry: Entry, fields: ProofField[] | undefined): Promise<string[]> {
  const view = new DataView(header.buffer, header.byteOffset, header.length);
  const kind = header[1] as number;
  const known = header[0] === 1 && kind >= 1 && kind <= PURGE;
  if (header.length < 43 || !known || header.length !== 43 + 16 * (header[42] as number)) {
    throw new Refuted("leaf");
  }
  if (view.getBigUint64(2) !== micros(entry.recorded_at)) throw new Refuted("time");
  if (!fields) return [];
  const encoder = new TextEncoder();
  const commitments: Uint8Array[] = [];
  const shown = new Map<string, string>();
  for (const field of fields) {
    if ("commitment" in field) {
      commitments.push(fromBase64(field.commitment));
      continue;
    }
    const path = encoder.encode(field.path);
    const value = encoder.encode(field.value);
    commitments.push(await sha256(encoder.encode("whodid/field/v1\n"), fromBase64(field.salt), number(path.length, 2), path, number(value.length, 4), value));
    shown.set(field.path, field.value);
  }
  const root = await sha256(encoder.encode("whodid/content/v1\n"), number(commitments.length, 2), ...commitments);
  if (!equal(root, header.slice(10, 42))) throw new Refuted("content");
  const gone = new Set(entry.erased?.paths);
  const listed = [...fieldsOf(entry)];
  const parts: string[] = [];
  for (const [path, value] of listed) {
    const disclosed = shown.get(path);
    shown.delete(path);
    const whole = covered(value);
    if (disclosed === undefined ? !(gone.has(path) ? whole : keptBack(value)) || STAYS.includes(path) : gone.has(path) || !same(JSON.parse(disclosed), value)) {
      throw new Refuted("field", path);
    }
    if (disclosed === undefined && !whole) parts.push(path);
  }
  const [extra] = shown.keys();
  if (extra !== undefined) throw new Refuted("field", extra);
  // A commitment has no name: what it is of is known by its place, and one that is of nothing hides a field whole.
  if (fields.length !== listed.length || fields.some((field, at) => "path" in field && field.path !== listed[at]?.[0])) throw new Refuted("content");
  return parts;
}

/**
 * What a leaf commits to, one by one: the twin of `whodid.canonical.fields`, as docs/spec/entry-encoding.md has it. What
 * was erased is in its place, without a value where nothing stands for it.
 */
export function fieldsOf(entry: Entry): Map<string, unknown> {
  const { actor, resource, context = {}, related = [], changes = [], marks = [] } = entry;
  const { request, session, source, city, country, forwarded_ip, ip } = context;
  const listed: [string, unknown][] = [
    ["core", {
      action: entry.action, id: entry.id, kind: entry.kind, occurred_at: entry.occurred_at, outcome: entry.outcome ?? "success",
      schema: 1, severity: entry.severity, batch: entry.batch, cause: entry.cause, marks: filled(marks),
      changes: filled(changes.map(outline)), request, session, source,
    }],
    ["actor.id", { id: actor.id, type: actor.type, role: actor.role }],
    ["actor.name", actor.name],
    ["actor.email", actor.email],
    ["actor.on_behalf_of", actor.on_behalf_of],
    ["resource.id", { id: resource.id, type: resource.type }],
    ["resource.name", resource.name],
    ["related", filled(related.map(({ id, rel, type }) => ({ id, rel, type })))],
    ...related.map(({ name }, at): [string, unknown] => [`related.${at}.name`, name]),
    ["reason", entry.reason],
    ["details", entry.details],
    ["context.place", some({ city, country, forwarded_ip, ip })],
    ["context.user_agent", context.user_agent],
    ...changes.map((change, at): [string, unknown] => [`changes.${at}`, values(change)]),
  ];
  return new Map(listed.filter(([path, value]) => value !== undefined || entry.erased?.paths.includes(path)));
}

function filled<T>(list: T[]): T[] | undefined {
  return list.length ? list : undefined;
}

function outline({ path, op = "replace", class: classed = "plain", from }: Change): object {
  return { class: classed, op, path, from };
}

function values({ added, after, before, removed, before_fp, after_fp }: Change): object | undefined {
  return some({ added, after, before, removed, before_fp, after_fp });
}

function some(object: object): object | undefined {
  return Object.values(object).some((value) => value !== undefined) ? object : undefined;
}

/** Whether a value, or something in it, is hidden from this reader or erased: then its field is not disclosed. */
function keptBack(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const marker = (value as { $?: unknown }).$;
  return marker === "hidden" || marker === "erased" || Object.values(value).some(keptBack);
}

/** Whether nothing of a value is shown. */
function covered(value: unknown): boolean {
  if (value === undefined) return true;
  if (typeof value !== "object" || value === null) return false;
  const marker = (value as { $?: unknown }).$;
  const inner = Object.values(value);
  return marker === "hidden" || marker === "erased" || (inner.length > 0 && inner.every(covered));
}

function same(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || !a || !b) return a === b;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) => same((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name]));
}

export function micros(text: string): bigint {
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? "";
  return BigInt(Date.parse(`${text.slice(0, 19)}Z`)) * 1000n + BigInt(fraction.padEnd(6, "0").slice(0, 6));
}

function number(value: number, bytes: 2 | 4): Uint8Array {
  const written = concat(new Uint8Array(bytes));
  const view = new DataView(written.buffer);
  if (bytes === 2) view.setUint16(0, value);
  else view.setUint32(0, value);
  return written;
}

