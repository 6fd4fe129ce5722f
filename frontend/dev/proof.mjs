// A signed log for the development server: salted commitments, a Merkle tree and one Ed25519 key made at the start.
// Written apart from src/lib on purpose, so that the viewer is checked against something else than itself.

import { createHash, generateKeyPairSync, sign } from "node:crypto";

const sha = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
const u16 = (n) => Buffer.from([n >> 8, n & 255]);
const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b; };
const sorted = (value) => (Array.isArray(value) ? value.map(sorted) : value && typeof value === "object" ? Object.fromEntries(Object.keys(value).sort().filter((k) => value[k] !== undefined).map((k) => [k, sorted(value[k])])) : value);
const micros = (text) => BigInt(Date.parse(`${text.slice(0, 19)}Z`)) * 1000n + BigInt(text.slice(20, 26));

/** The fields of an entry in order, as (path, JSON text). */
export function fields(entry) {
  const { actor, resource, related = [], changes = [], marks = [], context = {} } = entry;
  const { request, session, source, city, country, forwarded_ip, ip } = context;
  const full = (list) => (list.length ? list : undefined);
  const any = (object) => (Object.values(object).some((value) => value !== undefined) ? object : undefined);
  const outlines = changes.map(({ path, op = "replace", class: kind = "plain", from }) => ({ class: kind, op, path, from }));
  const list = [
    ["core", { action: entry.action, id: entry.id, kind: entry.kind, occurred_at: entry.occurred_at, outcome: entry.outcome ?? "success", schema: 1, severity: entry.severity, batch: entry.batch, cause: entry.cause, marks: full(marks), changes: full(outlines), request, session, source }],
    ["actor.id", { id: actor.id, type: actor.type, role: actor.role }], ["actor.name", actor.name], ["actor.email", actor.email], ["actor.on_behalf_of", actor.on_behalf_of],
    ["resource.id", { id: resource.id, type: resource.type }], ["resource.name", resource.name],
    ["related", full(related.map(({ id, rel, type }) => ({ id, rel, type })))], ...related.map(({ name }, n) => [`related.${n}.name`, name]),
    ["reason", entry.reason], ["details", entry.details], ["context.place", any({ city, country, forwarded_ip, ip })], ["context.user_agent", context.user_agent],
    ...changes.map(({ added, after, before, removed, before_fp, after_fp }, n) => [`changes.${n}`, any({ added, after, before, removed, before_fp, after_fp })]),
  ];
  return list.filter(([, value]) => value !== undefined).map(([path, value]) => [path, JSON.stringify(sorted(value))]);
}

const salt = (index, n) => sha(`salt ${index} ${n}`).subarray(0, 16);

function header(entry) {
  const commits = fields(entry).map(([path, value], n) => {
    const [p, v] = [Buffer.from(path), Buffer.from(value)];
    return sha("whodid/field/v1\n", salt(entry.index, n), u16(p.length), p, u32(v.length), v);
  });
  const root = sha("whodid/content/v1\n", u16(commits.length), ...commits);
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(micros(entry.recorded_at));
  return Buffer.concat([Buffer.from([1, 1]), time, root, Buffer.from([0])]);
}

export class Log {
  constructor(entries, origin = "whodid.example/audit/4f2a91c07be35d68") {
    this.entries = entries;
    this.headers = entries.map(header);
    this.levels = [this.headers.map((data) => sha(Buffer.from([0]), data))];
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const key = Buffer.concat([Buffer.from([1]), publicKey.export({ type: "spki", format: "der" }).subarray(-32)]);
    const id = sha(`${origin}\n`, key).subarray(0, 4);
    this.vkey = `${origin}+${id.toString("hex")}+${key.toString("base64")}`;
    const text = `${origin}\n${entries.length}\n${this.hash(0, entries.length).toString("base64")}\n`;
    this.checkpoint = `${text}\n— ${origin} ${Buffer.concat([id, sign(null, Buffer.from(text), privateKey)]).toString("base64")}\n`;
  }

  /** RFC 6962, 2.1: the hash of the leaves from start to stop; aligned subtrees are remembered. */
  hash(start, stop) {
    const size = stop - start;
    if (size === 1) return this.levels[0][start];
    const level = Math.ceil(Math.log2(size));
    const whole = size === 2 ** level && start % size === 0;
    const row = (this.levels[level] ??= []);
    if (whole && row[start / size]) return row[start / size];
    const half = 2 ** (level - 1);
    const made = sha(Buffer.from([1]), this.hash(start, start + half), this.hash(start + half, stop));
    if (whole) row[start / size] = made;
    return made;
  }

  path(index, start = 0, stop = this.entries.length) {
    if (stop - start === 1) return [];
    const half = start + 2 ** (Math.ceil(Math.log2(stop - start)) - 1);
    return index < half ? [...this.path(index, start, half), this.hash(half, stop)] : [...this.path(index, half, stop), this.hash(start, half)];
  }

  prove(index) {
    const listed = fields(this.entries[index]).map(([path, value], n) => ({ path, salt: salt(index, n).toString("base64"), value }));
    return { index, size: this.entries.length, leaf: this.headers[index].toString("base64"), path: this.path(index).map((hash) => hash.toString("base64")), checkpoint: this.checkpoint, vkey: this.vkey, fields: listed };
  }
}
