import assert from "node:assert/strict";
import { test } from "node:test";
import { differs, portions } from "../src/lib/check.js";
import type { Entry, Summary } from "../src/lib/types.js";

test("indexes are asked for as ranges, two hundred at once", () => {
  assert.deepEqual(portions([]), []);
  assert.deepEqual(portions([9, 3, 4, 5, 3]), ["3..5,9"]);
  assert.deepEqual(portions(Array.from({ length: 450 }, (_, n) => n)), ["0..199", "200..399", "400..449"]);
  assert.ok(portions(Array.from({ length: 200 }, (_, n) => 1_000_000 + 2 * n))[0]?.length as number < 2000);
});

test("a row that shows something else than its entry is found, and the part is named", () => {
  const entry = {
    index: 3, id: "a", action: "contact.deleted", kind: "delete", occurred_at: "2026-11-20T14:00:00Z", recorded_at: "2026-11-20T14:00:00Z",
    severity: "notice", actor: { type: "user", id: "usr_1", name: "Maria" }, resource: { type: "contact", id: "con_1", name: { $: "hidden" } },
    reason: { text: "Asked to" },
  } as unknown as Entry;
  const row = { ...entry, outcome: "success" } as unknown as Summary;
  assert.equal(differs(row, entry), undefined);
  assert.equal(differs({ ...row, actor: { ...row.actor, name: "João" } }, entry), "actor.name");
  assert.equal(differs({ ...row, resource: { ...row.resource, name: "Juan" } }, entry), "resource.name");
  assert.equal(differs({ ...row, reason: { text: "Because" } }, entry), "reason");
  assert.equal(differs({ ...row, outcome: "denied" }, entry), "outcome");
});
