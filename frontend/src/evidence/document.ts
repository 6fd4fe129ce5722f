// The evidence document: its shape and its only spelling, the twin of whodid.evidence.document. Nothing is checked here that
// needs a hash.

export interface Ask {
  dimension: "actor" | "action" | "resource" | "entry";
  values: string[][];
}

export interface Statement {
  asks: Ask[];
  since: number | null;
  until: number | null;
  workspace: string;
  made_at: number;
  made_by: { type: string; id: string; name: string };
}

export interface Found {
  positions: number[];
  key: string;
  value: string;
  path: string;
}

/** `[path, salt, value]` of a field that is shown, `["", commitment, why]` of one that is withheld. */
export type Field = [string, string, string];

export interface Opened {
  index: number;
  kind: number;
  recorded_at: number;
  tags: string;
  fields: Field[];
  path: string;
}

export interface Reason {
  index: number;
  stop: number;
  why: "purged" | "erased";
  record: number | null;
}

export interface Stretch {
  number: number;
  salt: string;
  found: Found[];
}

/** Volumes that stand for the segments that they hold. */
export interface Bound {
  volumes: string[];
  carried: number;
  covered: Stretch[];
  seals: [seal: string, path: string][];
  salts: [number: number, salt: string][];
}

/** An earlier head in the anchor log of the deployment, of which somebody outside has seen a head. */
export interface Link {
  checkpoint: string;
  stamp: string;
  entry: Opened;
  size: number;
  root: string;
  path: string;
  consistency: string;
}

export interface Evidence {
  whodid: string;
  version: number;
  statement: Statement;
  checkpoint: string;
  anchors: { checkpoint: string; consistency: string; stamp: string }[];
  vkey: string;
  origin: string[];
  seals: string[];
  sealed: number;
  segments: Stretch[];
  entries: Opened[];
  asides: { index: number; header: string; path: string }[];
  span: { start: number; frontier: string; leaves: string[]; consistency: string } | null;
  reasons: Reason[];
  /** Only in files of version 2, both or one. */
  bound?: Bound;
  linked?: Link[];
}

/** Whatever does not fit; which step of the verification that refutes is for its caller to say. */
export class Unfit extends Error {}

export function demand(holds: boolean): asserts holds {
  if (!holds) throw new Unfit();
}

type Shape = (value: unknown) => void;

const text: Shape = (value) => demand(typeof value === "string" && !/\p{Surrogate}/u.test(value));
const count: Shape = (value) => demand(Number.isSafeInteger(value) && (value as number) >= 0);
const one = (...words: string[]): Shape => (value) => demand(words.includes(value as string));
const maybe = (shape: Shape): Shape => (value) => value === null || shape(value);
const list = (shape: Shape): Shape => (value) => {
  demand(Array.isArray(value));
  value.forEach(shape);
};
const tuple = (...shapes: Shape[]): Shape => (value) => {
  demand(Array.isArray(value) && value.length === shapes.length);
  shapes.forEach((shape, at) => shape(value[at]));
};
const object = (members: Record<string, Shape>): Shape => (value) => {
  demand(typeof value === "object" && value !== null && !Array.isArray(value));
  demand(Object.keys(value).length === Object.keys(members).length);
  for (const [name, shape] of Object.entries(members)) {
    demand(Object.hasOwn(value, name));
    shape((value as Record<string, unknown>)[name]);
  }
};

const STRETCHES = list(tuple(count, text, list(tuple(list(count), text, text, text))));

const OPENED = object({ index: count, kind: count, recorded_at: count, tags: text, fields: list(tuple(text, text, text)), path: text });

const MEMBERS: Record<string, Shape> = {
  whodid: one("evidence"),
  version: count,
  statement: object({
    asks: list(object({ dimension: one("actor", "action", "resource", "entry"), values: list(list(text)) })),
    since: maybe(count), until: maybe(count), workspace: text, made_at: count,
    made_by: object({ type: text, id: text, name: text }),
  }),
  checkpoint: text, anchors: list(object({ checkpoint: text, consistency: text, stamp: text })), vkey: text, origin: list(text), seals: list(text), sealed: count,
  segments: STRETCHES,
  entries: list(OPENED),
  asides: list(object({ index: count, header: text, path: text })),
  span: maybe(object({ start: count, frontier: text, leaves: list(text), consistency: text })),
  reasons: list(object({ index: count, stop: count, why: one("purged", "erased"), record: maybe(count) })),
};

const MORE: Record<string, Shape> = {
  bound: object({ volumes: list(text), carried: count, covered: STRETCHES, seals: list(tuple(text, text)), salts: list(tuple(count, text)) }),
  linked: list(object({ checkpoint: text, stamp: text, entry: OPENED, size: count, root: text, path: text, consistency: text })),
};

/** RFC 8785 for what a document holds: texts, lists, objects with plain names, whole numbers, null. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`;
}

type Rows = [number: number, salt: string, found: [positions: number[], key: string, value: string, path: string][]][];
type Written = Omit<Evidence, "segments" | "bound"> & { segments: Rows; bound?: Omit<Bound, "covered"> & { covered: Rows } };

/** The same with names for what is written as arrays, because there is much of it. */
function unpacked({ segments, bound, ...written }: Written): Evidence {
  const stretches = (rows: Rows): Stretch[] =>
    rows.map(([number, salt, found]) => ({ number, salt, found: found.map(([positions, key, value, path]) => ({ positions, key, value, path })) }));
  return { ...written, segments: stretches(segments), ...(bound && { bound: { ...bound, covered: stretches(bound.covered) } }) };
}

/** Read a document. Throws when it is none, or is not written as it was made. */
export function decode(data: string): Evidence {
  const found: unknown = JSON.parse(data);
  demand(typeof found === "object" && found !== null && "version" in found);
  const more = Object.entries(MORE).filter(([name]) => Object.hasOwn(found, name));
  object({ ...MEMBERS, ...Object.fromEntries(more) })(found);
  demand(found.version === (more.length ? 2 : 1));
  demand(canonical(found).replaceAll("<", "\\u003c") === data);
  const evidence = unpacked(found as Written);
  checkForm(evidence);
  return evidence;
}

/** The fields of an entry that are commitments alone. */
export function withheld(entry: Opened): Field[] {
  return entry.fields.filter(([path]) => !path);
}

export function ascend(numbers: readonly number[]): boolean {
  return numbers.every((number, at) => !at || (numbers[at - 1] as number) < number);
}

/** The entries that a question names, or undefined when it asks for what they carry. */
export function namedEntries({ asks }: Statement): number[] | undefined {
  return asks.find(({ dimension }) => dimension === "entry")?.values.map(([index]) => Number(index));
}

function checkForm({ statement, segments, seals, entries, asides, reasons, span, bound, linked }: Evidence): void {
  const dimensions = statement.asks.map(({ dimension }) => dimension);
  demand(dimensions.join() === (["actor", "action", "resource", "entry"] as const).filter((name) => dimensions.includes(name)).join());
  for (const { dimension, values } of statement.asks) {
    const width = dimension === "action" || dimension === "entry" ? 1 : 2;
    demand(values.length > 0 && values.every((value) => value.length === width && !value.join("").includes("\0")));
  }
  const indexes = namedEntries(statement);
  const alone = statement.asks.length === 1 && statement.since === null && statement.until === null;
  demand(!indexes || (alone && ascend(indexes) && indexes.every((at, place) => at <= Number.MAX_SAFE_INTEGER && `${at}` === statement.asks[0]?.values[place]?.[0])));
  const asked = indexes ? 0 : statement.asks.reduce((sum, { values }) => sum + values.length, 0);
  const stretches = [...segments, ...(bound?.covered ?? [])];
  demand(stretches.length > 0 && seals.length > 0 && stretches.every(({ found }) => found.length === asked));
  if (bound) demand(bound.volumes.length > 0 && bound.covered.length > 0 && !span && asked > 0 && ascend(bound.salts.map(([number]) => number)));
  for (const listed of [entries, asides]) demand(ascend(listed.map(({ index }) => index)));
  for (const wanted of ["purged", "erased"]) {
    const listed = reasons.filter(({ why }) => why === wanted);
    demand(listed.every(({ index, stop }, at) => index < stop && (!at || (listed[at - 1] as { stop: number }).stop <= index)));
  }
  const opened = new Set(entries.map(({ index }) => index));
  demand(!asides.some(({ index }) => opened.has(index)));
  demand(!linked || linked.length > 0);
  for (const entry of [...entries, ...(linked ?? []).map((one) => one.entry)]) {
    const paths = entry.fields.map(([path]) => path).filter(Boolean);
    demand(new Set(paths).size === paths.length && withheld(entry).every(([, , why]) => why === "redacted" || why === "erased"));
  }
}
