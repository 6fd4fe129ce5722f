import assert from "node:assert/strict";
import { test } from "node:test";
import { around, complete, termAt } from "../src/lib/terms.js";

test("the term at the caret is found, quotes keep their spaces", () => {
  const text = 'kind:create actor:"Maria To -action:del more';
  assert.deepEqual(termAt("", 0), { start: 0, end: 0, kept: "", asked: "" });
  assert.deepEqual(termAt("kind:create ac", 14), { start: 12, end: 14, kept: "", asked: "ac" });
  assert.deepEqual(termAt("kind:create ", 12), { start: 12, end: 12, kept: "", asked: "" });
  assert.equal(termAt(text, 27).asked, 'actor:"Maria To');
  assert.deepEqual(termAt("one -action:del two", 12), { start: 4, end: 15, kept: "", asked: "-action:" });
});

test("of several values the last is completed", () => {
  const typed = termAt("x action:contact.created,con", 28);
  assert.deepEqual([typed.kept, typed.asked], ["action:contact.created,", "action:con"]);
  assert.deepEqual(complete("x action:contact.created,con", typed, "action:contact.deleted"), { text: "x action:contact.created,contact.deleted", caret: 40 });
  const quoted = termAt('actor:"a, b",c', 14);
  assert.deepEqual([quoted.kept, quoted.asked], ['actor:"a, b",', "actor:c"]);
});

test("a completion replaces the whole term and leaves the rest", () => {
  const typed = termAt("kind:create ac more", 14);
  assert.deepEqual(complete("kind:create ac more", typed, "actor:"), { text: "kind:create actor: more", caret: 18 });
  assert.equal(around("kind:create ac more", typed), "kind:create more");
});
