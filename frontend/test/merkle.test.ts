import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { equal, fromBase64, toHex } from "../src/lib/bytes.js";
import { extendsTree, foldAll, Frontier, leafHash, nodeHash, rootOf } from "../src/lib/merkle.js";
import { openCheckpoint } from "../src/lib/proof.js";

const foreign = (name: string): Record<string, never> => JSON.parse(readFileSync(`../tests/vectors/foreign/${name}.json`, "utf8"));

interface Probe {
  leafIdx: number;
  treeSize: number;
  leafHash: string;
  root: string;
  proof: string[] | null;
  wantErr: boolean;
}

test("the 98 inclusion probes of transparency-dev hold and fail as they should", async () => {
  const probes = Object.entries(foreign("merkle-inclusion-probes").probes as Record<string, Probe>);
  assert.equal(probes.length, 98);
  for (const [name, { leafIdx, treeSize, leafHash: leaf, root, proof, wantErr }] of probes) {
    const holds = await rootOf(leafIdx, treeSize, fromBase64(leaf ?? ""), (proof ?? []).map(fromBase64))
      .then((found) => equal(found, fromBase64(root ?? "")), () => false);
    assert.equal(holds, !wantErr, name);
  }
});

test("every path of every tree up to 40 leaves leads to its root, and no other path does", async () => {
  const leaves = await Promise.all(Array.from({ length: 40 }, (_, n) => leafHash(Uint8Array.of(n))));
  const hash = async (from: number, to: number): Promise<Uint8Array> => {
    if (to - from === 1) return leaves[from] as Uint8Array;
    const half = from + 2 ** (Math.ceil(Math.log2(to - from)) - 1);
    return nodeHash(await hash(from, half), await hash(half, to));
  };
  const path = async (index: number, from: number, to: number): Promise<Uint8Array[]> => {
    if (to - from === 1) return [];
    const half = from + 2 ** (Math.ceil(Math.log2(to - from)) - 1);
    return index < half ? [...(await path(index, from, half)), await hash(half, to)] : [...(await path(index, half, to)), await hash(from, half)];
  };
  for (let size = 1; size <= 40; size += 1) {
    const root = toHex(await hash(0, size));
    for (let index = 0; index < size; index += 1) {
      const steps = await path(index, 0, size);
      assert.equal(toHex(await rootOf(index, size, leaves[index] as Uint8Array, steps)), root);
      await assert.rejects(rootOf(index, size, leaves[index] as Uint8Array, [...steps, leaves[0] as Uint8Array]));
      if (steps.length) await assert.rejects(rootOf(index, size, leaves[index] as Uint8Array, steps.slice(1)));
    }
  }
});

test("an index beyond 32 bits is climbed like any other", async () => {
  const size = 2 ** 40;
  const steps = Array.from({ length: 40 }, (_, n) => new Uint8Array(32).fill(n));
  const leaf = new Uint8Array(32);
  let expected = leaf;
  let at = 2 ** 39 + 5;
  for (const step of steps) {
    expected = (at % 2 ? await nodeHash(step, expected) : await nodeHash(expected, step)) as Uint8Array<ArrayBuffer>;
    at = Math.floor(at / 2);
  }
  assert.equal(toHex(await rootOf(2 ** 39 + 5, size, leaf, steps)), toHex(expected));
});

test("checkpoints of other logs open with their key, and only with it", async () => {
  const notes = foreign("notes-checkpoints-tiles") as unknown as Record<string, { vkey: string; note_size5: string; note_size8: string }>;
  const monkeys = notes.monkeys_5_to_8 as { vkey: string; note_size5: string; note_size8: string };
  assert.equal((await openCheckpoint(monkeys.note_size8, monkeys.vkey)).size, 8);
  const tessera = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";
  for (let size = 0; size <= 15; size += 1) {
    const note = readFileSync(`../tests/vectors/foreign/tessera-log/checkpoint.${size}`, "utf8");
    const head = await openCheckpoint(note, tessera);
    assert.deepEqual([head.origin, head.size], ["example.com/log/testdata", size]);
    await assert.rejects(openCheckpoint(note, monkeys.vkey));
    await assert.rejects(openCheckpoint(note.replace(`\n${size}\n`, `\n${size + 1}\n`), tessera));
  }
});

interface Growth {
  size1: number;
  size2: number;
  root1: string | null;
  root2: string | null;
  proof: string[] | null;
  wantErr: boolean;
}

test("the consistency probes of transparency-dev hold and fail as they should", async () => {
  const probes = Object.entries(foreign("merkle-consistency-probes").probes as Record<string, Growth>);
  assert.ok(probes.length > 90);
  for (const [name, { size1, size2, root1, root2, proof, wantErr }] of probes) {
    // A log that was empty has nothing that could have changed: it is never asked about.
    if (size1 === 0) continue;
    const holds = await extendsTree(size1, size2, fromBase64(root1 ?? ""), fromBase64(root2 ?? ""), (proof ?? []).map(fromBase64)).then(() => true, () => false);
    assert.equal(holds, !wantErr, name);
  }
});

test("a frontier has the root of its leaves at every size, also when whole tiles are pushed", async () => {
  const leaves = await Promise.all(Array.from({ length: 70 }, (_, n) => leafHash(Uint8Array.of(n))));
  const hash = async (from: number, to: number): Promise<Uint8Array> => {
    if (to - from === 1) return leaves[from] as Uint8Array;
    const half = from + 2 ** (Math.ceil(Math.log2(to - from)) - 1);
    return nodeHash(await hash(from, half), await hash(half, to));
  };
  const frontier = new Frontier();
  for (let size = 1; size <= leaves.length; size += 1) {
    await frontier.push(leaves[size - 1] as Uint8Array);
    assert.equal(toHex(await frontier.root()), toHex(await hash(0, size)), `size ${size}`);
    const tiled = new Frontier();
    for (let at = 0; at < size; at += 16) {
      const tile = leaves.slice(at, Math.min(at + 16, size));
      if (tile.length === 16) await tiled.push(await foldAll(tile), 4);
      else for (const leaf of tile) await tiled.push(leaf);
    }
    assert.equal(toHex(await tiled.root()), toHex(await hash(0, size)), `tiles at size ${size}`);
  }
});
