// Why an alert was raised: values as the reader's language writes them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Words } from "../src/lib/i18n.js";
import { reason, shown } from "../src/lib/reason.js";

const english = new Words("en");
const spanish = new Words("es");

test("a value is written as its language does", () => {
  assert.equal(shown(spanish, "features.country", "RO", ""), "Rumanía");
  assert.equal(shown(english, "previous_country", "??", ""), "??");
  assert.equal(shown(english, "span", 600, ""), "10 minutes");
  assert.equal(shown(english, "span", "10 minutes", ""), "10 minutes");
  assert.equal(shown(english, "features.hour_tail", 0.0137, ""), "1.4%");
  assert.equal(shown(spanish, "features.exported_24h", 12865, ""), "12.865");
  assert.equal(shown(spanish, "features.signals_24h", ["a", "b"], ""), "a y b");
  assert.equal(shown(english, "who", null, "(not said)"), "(not said)");
});

test("a sentence keeps its order, and a name with braces is only a name", () => {
  const parts = reason(english, "{count} times by {who}.", { count: 3, who: "{count}" }, "");
  assert.equal(parts.length, 5);
  assert.deepEqual([parts[0], parts[2], parts[4]], ["", " times by ", "."]);
  assert.deepEqual((parts[3] as { values: unknown[] }).values, ["{count}"]);
});
