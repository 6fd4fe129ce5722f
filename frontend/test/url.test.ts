import assert from "node:assert/strict";
import { test } from "node:test";
import { filterKey, mergeSearch, readState, START, writeState, type State } from "../src/lib/url.js";

test("the state one starts with has an empty link", () => {
  assert.equal(writeState(START), "");
  assert.deepEqual(readState(""), START);
});

test("a state survives being written and read", () => {
  const links = [
    "q=type:campaign+action:paused,cancelled",
    "q=actor:%22Maria+Torres%22+refund&range=30d&tz=UTC&entry=48207&tab=proof",
    "since=2026-11-13T23:00:00Z&until=2026-11-20T23:00:00Z",
    "until=2026-11-20T23:00:00Z",
    "range=all&entry=019ab3f2-7c11-7abc-8def-0123456789ab",
    "q=kind:delete&entry=7&dialog=questions",
  ];
  for (const link of links) assert.equal(writeState(readState(link)), link);
});

test("order and defaults do not matter: equal states have equal links", () => {
  assert.equal(writeState(readState("tab=changes&entry=7&range=7d&q=kind:delete")), "q=kind:delete&entry=7");
  assert.equal(writeState(readState("range=30d&since=2026-11-13T23:00:00Z")), "since=2026-11-13T23:00:00Z");
  assert.equal(writeState(readState("since=2026-11-14T00:00:00%2B01:00")), "since=2026-11-13T23:00:00Z");
  assert.equal(writeState({ ...START, tab: "proof" }), "");
});

test("what cannot be understood is treated as absent", () => {
  assert.deepEqual(readState("range=9d&since=soon&tz=Mars/Base&tab=cats&entry=../../etc&other=1"), START);
});

test("the parameters of the page around are kept", () => {
  const state: State = { ...START, entry: "5" };
  assert.equal(mergeSearch("?page=audit&entry=4&q=x", state), "?page=audit&entry=5");
  assert.equal(mergeSearch("?entry=4", START), "");
});

test("opening an entry is not another list", () => {
  assert.equal(filterKey({ ...START, entry: "5", tab: "json", dialog: "exports" }), filterKey(START));
  assert.notEqual(filterKey({ ...START, range: "30d" }), filterKey(START));
});
