import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { choose, chosen, join, narrow, quote, split, toggled, write, type Term } from "../src/lib/query.js";

interface Vector {
  text: string;
  query?: { terms: { field: string; values: { text: string; prefix: boolean }[]; op: string; negated: boolean }[] };
  error?: unknown;
}

const vectors = (JSON.parse(readFileSync("../tests/vectors/query.json", "utf8")) as { cases: Vector[] }).cases;
const term = (field: string, ...values: string[]): Term => ({ field, values, op: "", negated: false });

test("a chip means what the server reads there, in every shared vector", () => {
  let compared = 0;
  for (const { text, query } of vectors) {
    if (!query) continue;
    const { chips } = split(text);
    for (const chip of chips) {
      if (["date", "is", "index", "ip"].includes(chip.field)) continue; // the server turns these into something else
      const own = query.terms.filter(({ field, negated }) => field === chip.field && negated === chip.negated);
      const said = own.map(({ values }) => values.map(({ text: one, prefix }) => (one + (prefix && one !== "*" ? "*" : "")).toLowerCase()));
      const meant = [...new Set(chip.values.map((value) => value.toLowerCase()))];
      assert.ok(own.some((_, at) => JSON.stringify(said[at]) === JSON.stringify(meant)) || own.some(({ op }) => op !== "is"), `${text}: ${JSON.stringify(chip)} is not among ${JSON.stringify(own)}`);
      compared += 1;
    }
  }
  assert.ok(compared > 40, `only ${compared} chips compared`);
});

test("nothing is dropped: every vector, cut and joined, keeps its words and stays as it is when cut again", () => {
  const marks = (text: string): string[] => [...text.replace(/[\s"\\]/g, "").toLowerCase().replaceAll("user:", "actor:")].sort();
  for (const { text, query } of vectors) {
    const once = join(split(text));
    if (query) assert.deepEqual(marks(once), marks(text), text);
    assert.deepEqual(split(once), split(join(split(once))), text);
  }
});

test("what is in doubt stays in the reader's text", () => {
  for (const text of ['actor:"Maria', "https://example.com/a", "10:30", "nosuch:thing", "action:", 'actor:"a*"', "“one action:two three”", 'before:"x"y'] as const) {
    assert.deepEqual(split(text), { chips: [], text }, text);
  }
});

test("chips keep values, comparisons, ranges and exclusion", () => {
  assert.deepEqual(split('actor:"Maria Torres" -kind:security free words').chips, [term("actor", "Maria Torres"), { ...term("kind", "security"), negated: true }]);
  assert.deepEqual(split("severity:>=warning").chips, [{ field: "severity", values: ["warning"], op: ">=", negated: false }]);
  assert.deepEqual(split("index:10..20").chips, [{ field: "index", values: ["10", "20"], op: "..", negated: false }]);
  assert.deepEqual(split('resource:"ana g"*,contact:con_1').chips, [term("resource", "ana g*", "contact:con_1")]);
  for (const text of ['actor:"Maria Torres"', "-kind:security,delete", "severity:>=warning", "index:10..20", 'resource:"ana g"*', 'reason:"say \\"no\\" \\\\ twice"', "action:contact.*"]) {
    assert.equal(join(split(text)), text);
  }
});

test("a value is quoted when it would be read as something else", () => {
  for (const [value, written] of [["paused", "paused"], ["two words", '"two words"'], ["a,b", '"a,b"'], ['"', '"\\""'], ["<5", '"<5"'], ["a..b", '"a..b"'], ["contact.*", "contact.*"], ["ana g*", '"ana g"*'], ["", '""'], ["-x", "-x"]]) {
    assert.equal(quote(value as string), written);
  }
});

test("choosing replaces plain terms of the field and leaves others alone", () => {
  const chips = split("actor:usr_1 -actor:usr_9 kind:create").chips;
  assert.deepEqual(choose(chips, "actor", ["usr_2", "usr_3"]).map(write), ["actor:usr_2,usr_3", "-actor:usr_9", "kind:create"]);
  assert.deepEqual(choose(chips, "actor", []).map(write), ["-actor:usr_9", "kind:create"]);
  assert.deepEqual(choose([], "type", ["contact"]).map(write), ["type:contact"]);
  assert.deepEqual(chosen(chips, "actor"), ["usr_1"]);
  assert.deepEqual(toggled(toggled(chips, "kind", "delete"), "kind", "create").map(write), ["actor:usr_1", "-actor:usr_9", "kind:delete"]);
});

test("narrowing to a value and excluding it lift one another", () => {
  const only = narrow([], "ip", "10.0.0.1", false);
  assert.deepEqual(only.map(write), ["ip:10.0.0.1"]);
  const without = narrow(only, "ip", "10.0.0.1", true);
  assert.deepEqual(without.map(write), ["-ip:10.0.0.1"]);
  assert.deepEqual(narrow(without, "ip", "10.0.0.1", false).map(write), ["ip:10.0.0.1"]);
  assert.deepEqual(narrow(only, "ip", "10.0.0.2", false).map(write), ["ip:10.0.0.1,10.0.0.2"]);
});
