import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";
// @ts-expect-error The development log is plain JavaScript: an independent prover to hold the checker against.
import { Log } from "../dev/proof.mjs";
// @ts-expect-error So is its story.
import { tell } from "../dev/story.mjs";
import { fromBase64 } from "../src/lib/bytes.js";
import { check, fieldsOf, micros } from "../src/lib/proof.js";
import type { Entry, ProofAnswer, ProofField } from "../src/lib/types.js";

let entries: Entry[];
let prove: (index: number) => ProofAnswer;
const failed = async (answer: ProofAnswer, entry: Entry): Promise<string> => {
  const verdict = await check(answer, entry);
  return verdict.state === "failed" ? verdict.why : verdict.state;
};

before(() => {
  entries = (tell(Date.parse("2026-11-20T13:35:00Z"), 3) as { entry: Entry }[]).map(({ entry }) => entry);
  const log = new Log(entries);
  prove = (index) => log.prove(index) as ProofAnswer;
});

test("every entry of a log is verified, content included", async () => {
  for (const entry of entries) {
    const verdict = await check(prove(entry.index), entry);
    assert.ok(verdict.state === "verified" && verdict.content, `${entry.action}: ${JSON.stringify(verdict)}`);
    assert.equal(verdict.size, entries.length);
  }
});

test("an entry that shows something else fails, and the field is named", async () => {
  const changes: [string, (entry: Entry) => void][] = [
    ["core", (entry) => (entry.action = "contact.created")],
    ["core", (entry) => (entry.occurred_at = "2026-11-20T00:00:00.000000Z")],
    ["actor.name", (entry) => (entry.actor.name = "Somebody Else")],
    ["actor.email", (entry) => delete entry.actor.email],
    ["resource.id", (entry) => (entry.resource.id = "con_other")],
    ["reason", (entry) => delete entry.reason],
    ["changes.0", (entry) => ((entry.changes ?? [])[0] as { before: unknown }).before = "Joan"],
    ["core", (entry) => entry.changes?.pop()],
    ["details", (entry) => (entry.details = { added: true })],
    ["context.place", (entry) => ((entry.context ?? {}).ip = "10.0.0.1")],
  ];
  const deleted = entries.find(({ action, reason }) => action === "contact.deleted" && reason?.code) as Entry;
  for (const [field, change] of changes) {
    const entry = structuredClone(deleted);
    change(entry);
    const verdict = await check(prove(entry.index), entry);
    assert.deepEqual(verdict.state === "failed" && [verdict.why, verdict.field], ["field", field]);
  }
});

test("a value that the reader may not see is withheld without breaking the proof", async () => {
  const entry = structuredClone(entries.find(({ actor }) => actor.email) as Entry);
  const answer = prove(entry.index);
  entry.actor.email = { $: "hidden" };
  assert.equal(await failed(answer, entry), "field", "a disclosed value behind a marker");
  const fields = answer.fields as Exclude<ProofField, { commitment: string }>[];
  const hidden = fields.map((field) => (field.path === "actor.email" ? { commitment: commitmentOf(field) } : field));
  assert.equal((await check({ ...answer, fields: hidden }, entry)).state, "verified");
  delete entry.reason;
  const shown = hidden.filter((field) => !("path" in field) || field.path !== "actor.name");
  assert.equal(await failed({ ...answer, fields: shown }, entry), "content");
});

test("without disclosed fields only place and time are verified, and said to be", async () => {
  const entry = entries[3] as Entry;
  const { fields, ...bare } = prove(3);
  const verdict = await check(bare, entry);
  assert.ok(fields && verdict.state === "verified" && !verdict.content);
  assert.equal(await failed(bare, { ...entry, recorded_at: "2026-11-20T00:00:00.000001Z" }), "time");
});

test("every byte of leaf, path and signed head matters", async () => {
  const entry = entries[5] as Entry;
  const answer = prove(5);
  const flip = (text: string, at: number): string => {
    const bytes = fromBase64(text);
    bytes[at] = (bytes[at] as number) ^ 1;
    return Buffer.from(bytes).toString("base64");
  };
  for (let at = 0; at < fromBase64(answer.leaf).length; at += 1) {
    assert.notEqual(await failed({ ...answer, leaf: flip(answer.leaf, at) }, entry), "verified");
  }
  for (const [n, hash] of answer.path.entries()) {
    assert.equal(await failed({ ...answer, path: answer.path.with(n, flip(hash, 7)) }, entry), "root");
  }
  for (let at = 0; at < answer.checkpoint.length - 1; at += 1) {
    const other = answer.checkpoint[at] === "A" ? "B" : "A";
    const changed = answer.checkpoint.slice(0, at) + other + answer.checkpoint.slice(at + 1);
    // The last character of base64 may carry bits that nobody reads.
    if (Buffer.from(changed.split(" ").at(-1) ?? "", "base64").equals(Buffer.from(answer.checkpoint.split(" ").at(-1) ?? "", "base64")) && changed.split("— ")[0] === answer.checkpoint.split("— ")[0]) continue;
    assert.notEqual(await failed({ ...answer, checkpoint: changed }, entry), "verified", `character ${at}`);
  }
});

test("the proof of another entry, another size, another key fails", async () => {
  const entry = entries[5] as Entry;
  const answer = prove(5);
  assert.equal(await failed(prove(6), entry), "other");
  assert.equal(await failed({ ...answer, index: 6 }, { ...entry, index: 6 }), "root");
  assert.equal(await failed({ ...answer, size: answer.size + 1 }, entry), "head");
  assert.equal(await failed({ ...answer, vkey: answer.vkey.replace(/\+.{8}\+/, "+00000000+") }, entry), "key");
  assert.equal(await failed({ ...answer, checkpoint: "nothing" }, entry), "head");
  assert.equal(await failed({ ...answer, leaf: "%%%" }, entry), "form");
});

test("the fields of the specification's example are ours", () => {
  const page = readFileSync("../docs/spec/entry-encoding.md", "utf8");
  const entry = JSON.parse(/```json\n([^`]+)```/.exec(page)?.[1] ?? "") as Entry;
  const rows = [...page.matchAll(/^\| `([\w.]+)` \| `(.+?)` \| `[0-9a-f]{32}` \|/gm)].map(([, path = "", value = ""]) => [path, JSON.parse(value)] as const);
  const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
  assert.equal(rows.length, 10);
  assert.deepEqual([...fieldsOf(entry)].map(([path, value]) => [path, plain(value)]), rows.map(([path, value]) => [path, value]));
});

test("microseconds are not rounded", () => {
  assert.equal(micros("2026-11-20T13:21:41.118204Z"), 1_795_180_901_118_204n);
  assert.equal(micros("2026-11-20T13:21:41Z"), 1_795_180_901_000_000n);
});

function commitmentOf({ path, salt, value }: { path: string; salt: string; value: string }): string {
  const { createHash } = process.getBuiltinModule("node:crypto");
  const [name, text] = [Buffer.from(path), Buffer.from(value)];
  const lengths = Buffer.alloc(6);
  lengths.writeUInt16BE(name.length, 0);
  lengths.writeUInt32BE(text.length, 2);
  return createHash("sha256")
    .update("whodid/field/v1\n").update(Buffer.from(salt, "base64")).update(lengths.subarray(0, 2)).update(name).update(lengths.subarray(2)).update(text)
    .digest("base64");
}
