import assert from "node:assert/strict";
import { test } from "node:test";
import { compared, operator, operators } from "../src/lib/operators.js";
import { split, write, type Term } from "../src/lib/query.js";

const chip = (text: string): Term => split(text).chips[0] as Term;
const same = (value: string): string => value;

test("what a chip says is what the query language means", () => {
  const said: [string, string | null][] = [
    ["actor:usr_1", "is"], ["-actor:usr_1", "not"], ["resource:Ana*", "begins"], ["-resource:Ana*", "begins.not"],
    ["reason:refund", "has"], ["-after:madrid", "lacks"], ["before:ma*", "begins"], ["action:contact.*", "is"],
    ["severity:>=warning", "least"], ["index:<=5", "most"], ["index:3..5", null], ["-severity:>=warning", null], ["actor:*", "is"],
  ];
  for (const [text, expected] of said) assert.equal(operator(chip(text)), expected, text);
});

test("every way that is offered is the one that the chip then says, and is written so that it is read back", () => {
  for (const text of ["actor:usr_1", "actor:usr_1,usr_2", "reason:refund", "kind:delete", "severity:warning", "severity:>=warning", "index:7", "ip:10.0.0.1", "change:city", "-request:req_1*"]) {
    const term = chip(text);
    assert.ok(operators(term).length > 1, text);
    for (const by of operators(term)) {
      const turned = compared(term, by, same);
      assert.equal(operator(turned), by, `${text} by ${by}`);
      assert.deepEqual(chip(write(turned)), turned);
    }
  }
  assert.deepEqual(operators(chip("index:3..5")), []);
});

test("a beginning is that of the name, and an id without a name keeps its own", () => {
  const names: Record<string, string> = { "contact:con_1": "Ana García" };
  const begun = compared(chip("resource:contact:con_1"), "begins", (value) => names[value] ?? value);
  assert.equal(write(begun), 'resource:"Ana García"*');
  assert.equal(write(compared(begun, "is", same)), 'resource:"Ana García"');
});
