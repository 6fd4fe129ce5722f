import assert from "node:assert/strict";
import { test } from "node:test";
import { DAY, dayKey, instant, isoLocal, isZone, midnight, offsetText, place, preset, understand, wall } from "../src/lib/time.js";

const MADRID = "Europe/Madrid";
const NOW = Date.parse("2026-11-20T13:35:00Z"); // Friday, 14:35 in Madrid
const at = (text: string): number => Date.parse(text);
const span = (since: string, until: string): { since: number; until: number } => ({ since: at(since), until: at(until) });

test("a wall clock and its instant are inverses, in every hour of two years and five zones", () => {
  for (const zone of [MADRID, "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]) {
    for (let hour = 0; hour < 2 * 365 * 24; hour += 7) {
      const then = at("2026-01-01T00:30:00Z") + hour * 3_600_000;
      const back = instant(wall(then, zone), zone);
      // An hour that clocks show twice is read as the first of the two.
      assert.ok(back === then || (back < then && dayKey(back, zone) === dayKey(then, zone)), `${zone} ${new Date(then).toISOString()}`);
      assert.deepEqual(wall(back, zone), wall(then, zone));
    }
  }
});

test("a time that clocks skip lies after the gap, one that they show twice is the first", () => {
  const gap = instant({ year: 2026, month: 3, day: 29, hour: 2, minute: 30, second: 0 }, MADRID);
  assert.equal(isoLocal(gap, MADRID), "2026-03-29T03:30:00.000+02:00");
  const twice = instant({ year: 2026, month: 10, day: 25, hour: 2, minute: 30, second: 0 }, MADRID);
  assert.equal(isoLocal(twice, MADRID), "2026-10-25T02:30:00.000+02:00");
});

test("days begin at midnight of the zone, whatever their length", () => {
  assert.equal(midnight(NOW, MADRID), at("2026-11-19T23:00:00Z"));
  assert.equal(midnight(at("2026-10-25T12:00:00Z"), MADRID, 1) - midnight(at("2026-10-25T12:00:00Z"), MADRID), 25 * 3_600_000);
  assert.equal(midnight(at("2026-03-29T12:00:00Z"), MADRID, 1) - midnight(at("2026-03-29T12:00:00Z"), MADRID), 23 * 3_600_000);
});

test("a preset is whole days, today included", () => {
  assert.deepEqual(preset("7d", NOW, MADRID), span("2026-11-13T23:00:00Z", "2026-11-20T23:00:00Z"));
  assert.deepEqual(preset("30d", NOW, "UTC"), span("2026-10-22T00:00:00Z", "2026-11-21T00:00:00Z"));
});

test("what people type is understood", () => {
  const cases: [string, ReturnType<typeof span> | null][] = [
    ["2026-11-01", span("2026-10-31T23:00:00Z", "2026-11-01T23:00:00Z")],
    ["2026-10-25", span("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z")],
    [" 2026-11-01 14:00 ", span("2026-11-01T13:00:00Z", "2026-11-01T13:01:00Z")],
    ["2026-11-01T14:00:05", span("2026-11-01T13:00:05Z", "2026-11-01T13:00:06Z")],
    ["Today", span("2026-11-19T23:00:00Z", "2026-11-20T23:00:00Z")],
    ["yesterday", span("2026-11-18T23:00:00Z", "2026-11-19T23:00:00Z")],
    ["last tue", span("2026-11-16T23:00:00Z", "2026-11-17T23:00:00Z")],
    ["last friday", span("2026-11-12T23:00:00Z", "2026-11-13T23:00:00Z")],
    ["3h", { since: NOW - 3 * 3_600_000, until: NOW }],
    ["2 w", { since: NOW - 14 * DAY, until: NOW }],
    ["2026-02-30", null], ["2026-13-01", null], ["2026-11-01 25:00", null], ["2026-11-01 10:61", null], ["last xyz", null], ["soon", null], ["", null], ["3y", null],
  ];
  for (const [text, expected] of cases) assert.deepEqual(understand(text, NOW, MADRID), expected, text);
});

test("offsets and zones in words", () => {
  assert.equal(offsetText(NOW, MADRID), "UTC+1");
  assert.equal(offsetText(NOW, "Asia/Kolkata"), "UTC+5:30");
  assert.equal(offsetText(NOW, "America/St_Johns"), "UTC−3:30");
  assert.equal(offsetText(NOW, "UTC"), "UTC");
  assert.equal(place("America/Argentina/Buenos_Aires"), "Buenos Aires");
  assert.equal(isZone("Europe/Atlantis"), false);
});
