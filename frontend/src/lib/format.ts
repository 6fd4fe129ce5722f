// How an instant looks: one zone, one locale, one source of now.

import { DAY, isoLocal, midnight, offsetText, place } from "./time.js";

/** An instant: milliseconds since 1970, or its RFC 3339 text. */
export type At = number | string;

export function ms(at: At): number {
  return typeof at === "number" ? at : Date.parse(at);
}

/** Whether this is a day without a time, `2026-11-20`. */
export function isDay(at: unknown): at is string {
  return typeof at === "string" && /^\d{4}-\d\d-\d\d$/.test(at);
}

const clock = { hour: "2-digit", minute: "2-digit" } as const;
const day = { day: "numeric", month: "short" } as const;

/** The forms a time takes on the page. A year that says `other` is left out while it is this one. */
const SHAPES = {
  time: { ...clock, second: "2-digit" }, // 14:21:41
  hour: clock, // 14:21
  day: { weekday: "long", day: "numeric", month: "long", year: "other" }, // Friday 20 November
  yearly: { day: "numeric", month: "long" }, // 20 November, of any year
  slimDay: { weekday: "short", ...day, year: "other" }, // Fri 20 Nov
  weekday: { weekday: "long" }, // Friday
  monthDay: { day: "numeric", month: "long", year: "other" }, // 20 November
  month: { month: "long", year: "numeric" }, // November 2026
  date: { ...day, year: "numeric" }, // 20 Nov 2026
  fullDay: { weekday: "short", ...day, year: "numeric" }, // Fri 20 Nov 2026
  short: { ...day, ...clock, year: "other" }, // 20 Nov 14:21
  axisDay: { weekday: "short", day: "numeric" }, // Fri 20
  axisDate: day, // 20 Nov
  number: { day: "numeric" }, // 20
  span: { ...day, year: "other" }, // 20 Nov
} as const;

/** Letters that a column of a calendar has room for. */
const WIDEST = 4;

export type Shape = keyof typeof SHAPES;

export class Clock {
  readonly #formats = new Map<string, Intl.DateTimeFormat>();

  constructor(
    readonly locale: string,
    readonly zone: string,
    readonly now: () => number = Date.now,
  ) {}

  #format(shape: Shape, at: At): Intl.DateTimeFormat {
    // A day is the same day everywhere.
    const timeZone = isDay(at) ? "UTC" : this.zone;
    const { year, ...rest } = SHAPES[shape] as { year?: string };
    const shown = year === "numeric" || (year === "other" && this.iso(at).slice(0, 4) !== this.iso(this.now()).slice(0, 4));
    const key = shape + shown + timeZone;
    let known = this.#formats.get(key);
    if (!known) {
      known = new Intl.DateTimeFormat(this.locale, { ...rest, ...(shown ? { year: "numeric" } : {}), timeZone });
      this.#formats.set(key, known);
    }
    return known;
  }

  /** An instant in one of the forms above, with calm punctuation: `Fri 20 Nov` and `20 Nov 14:21` need no comma. */
  as(shape: Shape, at: At): string {
    return this.#format(shape, at).format(ms(at)).replace(/^(\p{L}+),/u, "$1").replace(/(\p{L}),? (?:at )?(\d\d:)/u, "$1 $2");
  }

  /** `14:21`, then `:41`, then what may follow, so that a narrow page can leave the seconds out. */
  time(at: At): [string, string, string] {
    const parts = this.#format("time", at).formatToParts(ms(at));
    const second = parts.findIndex(({ type }) => type === "second");
    const text = (from: number, to?: number): string => parts.slice(from, to).map(({ value }) => value).join("");
    return [text(0, second - 1), text(second - 1, second + 1), text(second + 1)];
  }

  /** `Fri 20 Nov 2026, 14:21:41`. */
  full(at: At): string {
    return `${this.as("fullDay", at)}${this.locale.startsWith("ar") ? "،" : ","} ${this.as("time", at)}`;
  }

  /** `14 – 20 Nov`, or with times for less than whole days. `to` is exclusive. */
  range(from: At, to: At): string {
    const [since, until] = [ms(from), ms(to)];
    const whole = since === midnight(since, this.zone) && until === midnight(until, this.zone);
    return this.#format(whole ? "span" : "short", since).formatRange(since, whole ? until - 1 : until).replace(/\s?[–-]\s?/, " – ");
  }

  /** Names of the days of a week that begins so many days after Monday: short ones for heads of columns, and whole ones. */
  weekdays(first: number): { slim: string; whole: string }[] {
    const named = (weekday: "long" | "short" | "narrow"): string[] => {
      const names = new Intl.DateTimeFormat(this.locale, { weekday, timeZone: "UTC" });
      return [0, 1, 2, 3, 4, 5, 6].map((n) => names.format(Date.UTC(2024, 0, 1 + first + n)));
    };
    const short = named("short");
    // In some languages the short names are the whole ones.
    const slim = short.some((name) => name.length > WIDEST) ? named("narrow") : short;
    return named("long").map((whole, at) => ({ slim: slim[at] as string, whole }));
  }

  /** `13 min ago`; whole days by the calendar of the zone. */
  ago(at: At): string {
    const seconds = (ms(at) - this.now()) / 1000;
    const size = Math.abs(seconds);
    const [unit, length] = size < 60 ? (["second", 1] as const) : size < 3600 ? (["minute", 60] as const) : (["hour", 3600] as const);
    return size < 86_400
      ? this.relative(Math.round(seconds / length), unit, "short")
      : this.relative(Math.round((midnight(ms(at), this.zone) - midnight(this.now(), this.zone)) / DAY), "day", "short");
  }

  relative(n: number, unit: Intl.RelativeTimeFormatUnit, style: "long" | "short" = "long"): string {
    return new Intl.RelativeTimeFormat(this.locale, { numeric: "auto", style }).format(n, unit);
  }

  /** `Madrid, UTC+1`. */
  zoneText(at: At = this.now()): string {
    const text = offsetText(ms(at), this.zone);
    return this.zone === "UTC" ? text : `${place(this.zone)}, ${text}`;
  }

  /** Whether the locale writes hours up to twelve, with what tells morning from afternoon. */
  get twelve(): boolean {
    return this.#format("time", 0).resolvedOptions().hour12 ?? false;
  }

  /** The instant in full, for machines and for those who hover. */
  iso(at: At): string {
    return isoLocal(ms(at), this.zone);
  }
}

/** First letter large, as a heading wants it. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
