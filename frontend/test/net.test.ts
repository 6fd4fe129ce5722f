import assert from "node:assert/strict";
import { test } from "node:test";
import { net } from "../src/lib/net.js";
import type { Change } from "../src/lib/types.js";

const change = (path: string, before: unknown, after: unknown): Change => ({ path, op: "replace", before, after });

test("the first before and the last after remain, in the order in which fields were touched", () => {
  assert.deepEqual(net([[change("city", "Madrid", "Getafe"), change("name", "A", "B")], [change("city", "Getafe", "Lisbon")]]), [
    change("city", "Madrid", "Lisbon"),
    change("name", "A", "B"),
  ]);
});

test("what came back to where it was is no change", () => {
  assert.deepEqual(net([[change("city", "Madrid", "Getafe")], [change("city", "Getafe", "Madrid")]]), []);
  assert.deepEqual(net([[{ path: "note", op: "add", after: "x" }], [{ path: "note", op: "remove", before: "x" }]]), []);
});

test("lists add up: what came and went again is not told", () => {
  const [sum] = net([[{ path: "tags", added: ["a", "b"], removed: ["z"] }], [{ path: "tags", added: ["c"], removed: ["a"] }]]);
  assert.deepEqual([sum?.added, sum?.removed], [["b", "c"], ["z"]]);
  assert.deepEqual(net([[{ path: "tags", added: ["a"] }], [{ path: "tags", removed: ["a"] }]]), []);
});

test("a secret is compared by its fingerprints, the first and the last", () => {
  const secret = (was: string, is: string): Change => ({ path: "token", class: "secret", before_fp: was, after_fp: is });
  const [sum] = net([[secret("1", "2")], [secret("2", "3")]]);
  assert.deepEqual([sum?.before_fp, sum?.after_fp, sum?.class], ["1", "3", "secret"]);
  assert.deepEqual(net([[secret("1", "2")], [secret("2", "1")]]), []);
});

test("values that are hidden from the reader stay in sight", () => {
  const hidden = { $: "hidden" };
  assert.equal(net([[change("email", hidden, hidden)]]).length, 1);
});
