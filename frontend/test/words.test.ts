import assert from "node:assert/strict";
import { test } from "node:test";
import { compare, isProse, isTree, type Piece } from "../src/lib/words.js";

const show = (pieces: Piece[]): string => pieces.map(({ text, change }) => ({ same: text, added: `[+${text}]`, removed: `[-${text}]`, fold: `[…${text}]` })[change]).join("");
const side = (pieces: Piece[], without: Piece["change"]): string => pieces.filter(({ change }) => change !== without).map(({ text }) => text).join("");

test("words that changed are marked, the rest stays", () => {
  assert.equal(show(compare("Your order has been confirmed.", "Your order is on its way.", "en")), "Your order [-has been confirmed][+is on its way].");
  assert.equal(show(compare("https://casalumen.es/orders/{{1}}", "https://casalumen.es/track/{{1}}", "en")), "https://casalumen.es/[-orders][+track]/{{1}}");
});

test("a change of nothing but spaces is a change", () => {
  assert.equal(show(compare("a b", "a  b", "en")), "a[- ][+  ]b");
});

test("a language without spaces has words too", () => {
  const pieces = compare("สวัสดีครับ ยินดีต้อนรับ", "สวัสดีค่ะ ยินดีต้อนรับ", "th");
  assert.ok(pieces.some(({ change, text }) => change === "same" && text.includes("ยินดี")));
  assert.ok(pieces.length > 1);
});

test("both sides can be read off the pieces", () => {
  const texts = ["", "one", "one two three", "three two one", "línea\notra línea\n", "a  b\tc", "a b c"];
  for (const before of texts) {
    for (const after of texts) {
      const pieces = compare(before, after, "en");
      assert.equal(side(pieces, "added"), before);
      assert.equal(side(pieces, "removed"), after);
    }
  }
});

test("long texts are compared by line, with two lines of context", () => {
  const lines = Array.from({ length: 2000 }, (_, n) => `line ${n} of a long text\n`);
  const changed = lines.with(1000, "another line\n");
  const pieces = compare(lines.join(""), changed.join(""), "en");
  assert.deepEqual(pieces.map(({ change }) => change), ["fold", "same", "removed", "added", "same", "fold"]);
  assert.equal(pieces[0]?.text, "998");
  assert.equal(pieces[1]?.text, lines.slice(998, 1000).join(""));
  assert.equal(pieces[5]?.text, "997");
});

test("without a language whole lines are compared", () => {
  assert.equal(show(compare('{\n  "a": 1\n}\n', '{\n  "a": 2\n}\n', null)), '{\n[-  "a": 1\n][+  "a": 2\n]}\n');
});

test("short scalars are boxes, texts are prose, objects are trees", () => {
  assert.equal(isProse("approved", "paused"), false);
  assert.equal(isProse("", "a text that is long enough to be read as prose"), false);
  assert.equal(isProse("one line\n", "two"), true);
  assert.equal(isProse(1, 2), false);
  assert.equal(isTree({ $: "hidden" }), false);
  assert.equal(isTree([]), false);
  assert.equal(isTree({ a: 1 }), true);
});
