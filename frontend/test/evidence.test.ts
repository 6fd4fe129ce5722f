import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { concat, toHex } from "../src/lib/bytes.js";
import { decode } from "../src/evidence/document.js";
import { verifyEd25519 } from "../src/evidence/ed25519.js";
import { digest, sha512 } from "../src/evidence/hash.js";
import { holds, openCheckpoint, readKey } from "../src/evidence/mathematics.js";
import { tell } from "../src/evidence/words.js";
import { questionOf } from "../src/parts/evidence.js";

const foreign = (name: string): any => JSON.parse(readFileSync(`../tests/vectors/foreign/${name}.json`, "utf8"));
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));

test("the hashes are those of the platform, for every length around a block", () => {
  for (let size = 0; size < 300; size++) {
    const data = Uint8Array.from({ length: size }, (_, at) => (at * 7 + size) & 255);
    assert.equal(toHex(digest(data)), createHash("sha256").update(data).digest("hex"), `${size}`);
    assert.equal(toHex(sha512(data.slice(0, 9), data.slice(9))), createHash("sha512").update(data).digest("hex"), `${size}`);
  }
});

test("Ed25519 judges the 151 cases of Wycheproof as they demand", () => {
  const verdicts = { valid: 0, invalid: 0 };
  for (const { publicKey, tests } of foreign("wycheproof-ed25519").testGroups) {
    for (const { msg, sig, result, tcId } of tests) {
      assert.equal(verifyEd25519(hex(publicKey.pk), hex(msg), hex(sig)), result === "valid", `${tcId}`);
      verdicts[result as "valid" | "invalid"] += 1;
    }
  }
  assert.deepEqual(verdicts, { valid: 88, invalid: 63 });
});

test("Ed25519 judges the 914 edge cases of CCTV by the same rule as Python", () => {
  const refused = ["non_canonical_R", "low_order_residue", "reencoded_k"];
  const chance = [35, 166, 167, 188, 255, 308, 311, 314, 838, 904];
  const cases = foreign("cctv-ed25519");
  assert.equal(cases.length, 914);
  for (const { number, key, msg, sig, flags } of cases) {
    const wanted = chance.includes(number) || !(flags ?? []).some((flag: string) => refused.includes(flag));
    assert.equal(verifyEd25519(hex(key), new TextEncoder().encode(msg), hex(sig)), wanted, `${number}`);
  }
});

test("the published trees of maps answer for each of their keys and each that they miss", () => {
  const bit = (key: Uint8Array, at: number): number => ((key[at >> 3] as number) >> (7 - (at & 7))) & 1;
  const first = (keys: Uint8Array[]): number => Array.from({ length: 256 }, (_, at) => at).find((at) => new Set(keys.map((key) => bit(key, at))).size > 1) as number;
  type Leaf = { key: Uint8Array; value: Uint8Array };
  const root = (leaves: Leaf[]): Uint8Array => {
    if (leaves.length < 2) return leaves[0] ? digest(leaves[0].key, leaves[0].value) : digest();
    const at = first(leaves.map(({ key }) => key));
    return digest(root(leaves.filter(({ key }) => !bit(key, at))), root(leaves.filter(({ key }) => bit(key, at))), Uint8Array.of(at));
  };
  const look = (leaves: Leaf[], asked: Uint8Array): { leaf: Leaf; path: Uint8Array } => {
    if (leaves.length === 1) return { leaf: leaves[0] as Leaf, path: new Uint8Array() };
    const at = first(leaves.map(({ key }) => key));
    const [mine, others] = [bit(asked, at), 1 - bit(asked, at)].map((side) => leaves.filter(({ key }) => bit(key, at) === side)) as [Leaf[], Leaf[]];
    const { leaf, path } = look(mine, asked);
    return { leaf, path: concat(path, Uint8Array.of(at), root(others)) };
  };
  const golden = foreign("mpt-golden-trees");
  for (const tree of golden.trees) {
    const leaves: Leaf[] = tree.items.map((item: { key: string; value: string }) => ({ key: hex(item.key), value: hex(item.value) }));
    assert.equal(toHex(root(leaves)), tree.root);
    for (const text of [...tree.items.map(({ key }: { key: string }) => key), ...golden.missing_keys]) {
      if (!leaves.length) {
        assert.equal(holds(root(leaves), hex(text), new Uint8Array(), new Uint8Array(), new Uint8Array()), false);
        continue;
      }
      const { leaf, path } = look(leaves, hex(text));
      const there = tree.items.some(({ key }: { key: string }) => key === text);
      assert.equal(holds(root(leaves), hex(text), leaf.key, leaf.value, path), there);
      for (let at = 0; at < path.length; at++) {
        const changed = path.slice();
        changed[at] = (changed[at] as number) ^ 1;
        assert.throws(() => holds(root(leaves), hex(text), leaf.key, leaf.value, changed));
      }
    }
  }
});

test("a checkpoint opens with the key of its log and with no other", () => {
  const log = foreign("notes-checkpoints-tiles").monkeys_5_to_8;
  const page = readFileSync("../docs/spec/checkpoint.md", "utf8");
  const note = /```text\n([^]*?)```/.exec(page.slice(page.indexOf("## A complete example")))?.[1] as string;
  const vkey = /Its verifier key is `([^`]+)`/.exec(page)?.[1] as string;
  assert.equal(openCheckpoint(note, readKey(vkey)).origin, readKey(vkey).name);
  assert.throws(() => openCheckpoint(note.replace("4", "5"), readKey(vkey)));
  assert.throws(() => openCheckpoint(note, readKey(log.vkey)));
  assert.throws(() => readKey(vkey.replace(/\+[0-9a-f]{8}/, "+00000000")));
});

test("what is no document is refused", () => {
  for (const text of ["", "null", "{}", "[]", '{"whodid":"evidence"}', '"\\ud800"']) assert.throws(() => decode(text));
});

test("filters become a question when an index can answer them", () => {
  const chip = (field: string, values: string[], more = {}): any => ({ field, values, op: "", negated: false, ...more });
  assert.deepEqual(questionOf({ chips: [chip("resource", ["contact:con_1"]), chip("action", ["contact.*", "role.created"])], text: "" }), ["resource:contact:con_1", "action:contact.*,role.created"]);
  assert.deepEqual(questionOf({ chips: [], text: "" }), []);
  for (const [chips, text] of [[[], "juan"], [[chip("ip", ["1.2.3.4"])], ""], [[chip("actor", ["a"], { negated: true })], ""], [[chip("resource", ["juan"])], ""], [[chip("action", ["con*"])], ""], [[chip("actor", ["a"]), chip("actor", ["b"])], ""]] as [any, string][]) {
    assert.equal(questionOf({ chips, text }), null);
  }
});

test("a field that is called erased, for no reason that the log gives, is one that the maker withheld", () => {
  const fields: any = [["core", "", "{}"], ["", "", "erased"], ["", "", "erased"], ["", "", "redacted"]];
  const entry: any = { index: 3, kind: 1, recorded_at: 0, tags: "", fields, path: "" };
  const counted = (explained: boolean): number[] => [tell(entry, explained).redacted, tell(entry, explained).erased];
  assert.deepEqual(counted(true), [1, 2]);
  assert.deepEqual(counted(false), [3, 0]);
});
