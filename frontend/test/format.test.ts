import assert from "node:assert/strict";
import { test } from "node:test";
import { Clock } from "../src/lib/format.js";

const NOW = Date.parse("2026-11-20T13:35:00Z");
const AT = "2026-11-20T13:21:41.118204Z";
const clock = (locale: string, zone = "Europe/Madrid"): Clock => new Clock(locale, zone, () => NOW);

test("times read calmly in English, with the day before the month and 24 hours", () => {
  const english = clock("en-GB");
  assert.equal(english.as("time", AT), "14:21:41");
  assert.deepEqual(english.time(AT), ["14:21", ":41", ""]);
  assert.equal(english.as("day", AT), "Friday 20 November");
  assert.equal(english.as("short", AT), "20 Nov 14:21");
  assert.equal(english.full(AT), "Fri 20 Nov 2026, 14:21:41");
  assert.equal(english.as("date", "2025-03-03T10:00:00Z"), "3 Mar 2025");
  assert.equal(english.zoneText(AT), "Madrid, UTC+1");
  assert.equal(clock("en-GB", "UTC").zoneText(AT), "UTC");
  assert.equal(english.iso(AT), "2026-11-20T14:21:41.118+01:00");
});

test("the year is left out while it is this one", () => {
  assert.equal(clock("en-GB").as("monthDay", AT), "20 November");
  assert.equal(clock("en-GB").as("monthDay", "2025-11-20T12:00:00Z"), "20 November 2025");
});

test("twelve hours where the locale has them, seconds apart from what follows", () => {
  const [minutes, seconds, rest] = clock("en-US").time(AT);
  assert.deepEqual([minutes, seconds, rest.trim()], ["02:21", ":41", "PM"]);
});

test("a range is days when it is whole days, and times otherwise", () => {
  assert.equal(clock("en-GB").range("2026-11-13T23:00:00Z", "2026-11-20T23:00:00Z"), "14 – 20 Nov");
  assert.equal(clock("en-GB").range("2026-11-19T23:00:00Z", "2026-11-20T23:00:00Z"), "20 Nov");
  assert.match(clock("en-GB").range("2026-11-20T08:00:00Z", "2026-11-20T14:00:00Z"), /^20 Nov,? 09:00 – 15:00$/);
  assert.match(clock("es").range("2026-11-13T23:00:00Z", "2026-11-20T23:00:00Z"), /^14 – 20 nov$/);
});

test("relative times go from seconds to days of the calendar", () => {
  const english = clock("en-GB");
  assert.equal(english.ago(AT), "13 min ago");
  assert.equal(english.ago(NOW - 3 * 3_600_000), "3 hr ago");
  assert.equal(english.ago("2026-11-19T23:30:00Z"), "14 hr ago");
  assert.equal(english.ago("2026-11-18T12:30:00Z"), "2 days ago");
  assert.equal(english.relative(0, "day"), "today");
  assert.equal(clock("es").relative(-1, "day"), "ayer");
});

test("columns of a calendar have short names, and shorter ones where those are whole words", () => {
  assert.deepEqual(new Clock("en-GB", "UTC").weekdays(0)[0], { slim: "Mon", whole: "Monday" });
  assert.deepEqual(new Clock("ar", "UTC").weekdays(5)[0], { slim: "س", whole: "السبت" });
});

test("a day is the same day in every zone", () => {
  for (const zone of ["America/Los_Angeles", "Pacific/Kiritimati", "UTC"]) {
    assert.equal(clock("en-GB", zone).as("date", "2026-08-28"), "28 Aug 2026");
  }
  assert.equal(clock("es", "America/Bogota").as("date", "2026-08-28"), "28 ago 2026");
});
