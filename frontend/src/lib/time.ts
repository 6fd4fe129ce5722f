// Wall clocks and instants: days of a zone, presets, typed dates. Pure; `now` is an argument, the only outside
// knowledge is the platform's time zone data. How a time looks in a language is format.ts.

export interface Wall {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
}

export interface Span {
  since: number;
  until: number;
}

export type Preset = "7d" | "30d" | "90d";
export const DAY = 86_400_000;

const clocks = new Map<string, Intl.DateTimeFormat>();

/** Say whether the platform knows a zone by this name. */
export function isZone(zone: string): boolean {
  try {
    clock(zone);
    return true;
  } catch {
    return false;
  }
}

let own = "";

/** The zone that this browser is in; to find it out takes a while, the first time. */
export function ownZone(): string {
  own ||= Intl.DateTimeFormat().resolvedOptions().timeZone;
  return own;
}

function clock(zone: string): Intl.DateTimeFormat {
  let known = clocks.get(zone);
  if (!known) {
    known = new Intl.DateTimeFormat("en-US", {
      timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric",
      hour: "numeric", minute: "numeric", second: "numeric",
    });
    clocks.set(zone, known);
  }
  return known;
}

/** Read the wall clock of a zone at an instant. */
export function wall(at: number, zone: string): Wall {
  const read: Record<string, number> = {};
  for (const { type, value } of clock(zone).formatToParts(at)) read[type] = Number(value);
  const { year, month, day, hour, minute, second } = read as unknown as Wall;
  return { year, month, day, hour, minute, second };
}

/** Minutes that the zone is ahead of UTC at an instant. */
export function offset(at: number, zone: string): number {
  const w = wall(at, zone);
  const shown = Date.UTC(w.year, w.month - 1, w.day, w.hour, w.minute, w.second);
  return Math.round((shown - Math.floor(at / 1000) * 1000) / 60_000);
}

/**
 * Find the instant at which a zone's wall clock shows a time. Fields may overflow (day 0, hour 25) as in `Date.UTC`.
 * A time that clocks skip in spring is taken after the gap; one that they show twice in autumn is the first.
 */
export function instant(w: Wall, zone: string): number {
  const shown = Date.UTC(w.year, w.month - 1, w.day, w.hour, w.minute, w.second);
  const early = shown - offset(shown - DAY / 2, zone) * 60_000;
  const late = shown - offset(shown + DAY / 2, zone) * 60_000;
  const fits = [early, late].filter((at) => at + offset(at, zone) * 60_000 === shown);
  return fits.length ? Math.min(...fits) : Math.max(early, late);
}

/** The midnight at which the zone's day of `at` begins, moved by whole days. */
export function midnight(at: number, zone: string, days = 0): number {
  const w = wall(at, zone);
  return instant({ ...w, day: w.day + days, hour: 0, minute: 0, second: 0 }, zone);
}

/** `2026-11-20` in the zone. */
export function dayKey(at: number, zone: string): string {
  const w = wall(at, zone);
  return `${w.year}-${two(w.month)}-${two(w.day)}`;
}

/** The last n whole days of the zone, today included. */
export function preset(name: Preset, now: number, zone: string): Span {
  return { since: midnight(now, zone, 1 - parseInt(name, 10)), until: midnight(now, zone, 1) };
}

/** `+01:00`-style text of an offset in minutes. */
export function isoOffset(minutes: number): string {
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/** The instant in full with the zone's offset: `2026-11-20T14:21:41.118+01:00`. */
export function isoLocal(at: number, zone: string): string {
  const minutes = offset(at, zone);
  return new Date(at + minutes * 60_000).toISOString().slice(0, 23) + isoOffset(minutes);
}

/** `UTC`, `UTC+1`, `UTC+5:30`. */
export function offsetText(at: number, zone: string): string {
  const minutes = offset(at, zone);
  if (!minutes) return "UTC";
  const size = Math.abs(minutes);
  const rest = size % 60 ? `:${two(size % 60)}` : "";
  return `UTC${minutes < 0 ? "−" : "+"}${Math.floor(size / 60)}${rest}`;
}

/** The place of an IANA name in words: `America/New_York` → `New York`. */
export function place(zone: string): string {
  return zone.slice(zone.lastIndexOf("/") + 1).replaceAll("_", " ");
}

const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const UNITS: Record<string, number> = { m: 60_000, h: 3_600_000, d: DAY, w: 7 * DAY };

/**
 * Understand a typed date or moment: `2026-11-01`, `2026-11-01 14:00`, `today`, `yesterday`, `last tue`, `3h`.
 *
 * Returns the span it names: a day, a minute, a second, or from then until now; null when it is none of these.
 */
export function understand(text: string, now: number, zone: string): Span | null {
  const said = text.trim().toLowerCase();
  const date = /^(\d{4})-(\d\d?)-(\d\d?)(?:[t ]+(\d\d?):(\d\d)(?::(\d\d))?)?$/.exec(said);
  if (date) return moment(date.slice(1).map((digits) => (digits === undefined ? -1 : Number(digits))), zone);
  if (said === "today") return { since: midnight(now, zone), until: midnight(now, zone, 1) };
  if (said === "yesterday") return { since: midnight(now, zone, -1), until: midnight(now, zone) };
  const ago = /^(\d{1,4}) ?([mhdw])$/.exec(said);
  if (ago) return { since: now - Number(ago[1]) * (UNITS[ago[2] as string] as number), until: now };
  const weekday = /^last ([a-z]{3})[a-z]*$/.exec(said);
  const wanted = weekday ? WEEKDAYS.indexOf(weekday[1] as string) : -1;
  if (wanted < 0) return null;
  const w = wall(now, zone);
  const today = new Date(Date.UTC(w.year, w.month - 1, w.day)).getUTCDay();
  const back = (today - wanted + 7) % 7 || 7;
  return { since: midnight(now, zone, -back), until: midnight(now, zone, 1 - back) };
}

function moment(fields: number[], zone: string): Span | null {
  const [year, month, day, hour, minute, second] = fields as [number, number, number, number, number, number];
  const real = new Date(Date.UTC(year, month - 1, day));
  if (real.getUTCMonth() !== month - 1 || real.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59) return null;
  const since = instant({ year, month, day, hour: Math.max(hour, 0), minute: Math.max(minute, 0), second: Math.max(second, 0) }, zone);
  if (hour < 0) return { since, until: midnight(since, zone, 1) };
  return { since, until: since + (second < 0 ? 60_000 : 1000) };
}

/** An instant as a link carries it. */
export function utc(at: number): string {
  return new Date(at).toISOString().replace(".000Z", "Z");
}

function two(n: number): string {
  return String(n).padStart(2, "0");
}
