import assert from "node:assert/strict";
import { test } from "node:test";
import { Cutter, messages, type Message } from "../src/lib/sse.js";

const TEXT = 'event: head\nid: 8\ndata: {"size":8}\n\n: still here\n\nevent: entries\r\ndata: one\r\ndata: two é\r\n\r\ndata:bare\n\n';
const MEANT = [{ event: "head", data: '{"size":8}' }, null, { event: "entries", data: "one\ntwo é" }, { event: "message", data: "bare" }];

test("messages are cut out of a text, however it comes in pieces", () => {
  assert.deepEqual(new Cutter().push(TEXT), MEANT);
  for (let size = 1; size < 12; size += 1) {
    const cutter = new Cutter();
    const found: (Message | null)[] = [];
    for (let at = 0; at < TEXT.length; at += size) found.push(...cutter.push(TEXT.slice(at, at + size)));
    assert.deepEqual(found.filter(Boolean), MEANT.filter(Boolean), `pieces of ${size}`);
  }
});

test("a message that is not finished is not told", () => {
  assert.deepEqual(new Cutter().push("event: entries\ndata: half"), []);
});

test("a body is read to its end, letters cut in two included", async () => {
  const bytes = new TextEncoder().encode(TEXT);
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  const found: (Message | null)[] = [];
  for await (const message of messages(body)) found.push(message);
  assert.deepEqual(found.filter(Boolean), MEANT.filter(Boolean));
});
