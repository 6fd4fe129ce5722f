// The query text as the filter bar sees it: terms with a field become chips, everything else is the reader's own text.
// Cutting and joining only: what a term means, and whether it is right, is the server's to say (`whodid.query.parse`).

export interface Term {
  field: string;
  /** As they are meant, without quotes; a trailing `*` stands for any ending. */
  values: string[];
  /** `>`, `>=`, `<` or `<=` before one value, `..` between two, or nothing. */
  op: string;
  negated: boolean;
}

export interface Split {
  chips: Term[];
  text: string;
}

const FIELDS = new Set(
  ("actor action category kind type resource related id change before after reason via ip country outcome severity "
    + "request session batch cause index date is").split(" "),
);
const QUOTED = /"(?:\\.|[^"\\])*"\*?/;
const PIECE = new RegExp(`(?:${QUOTED.source}|[“”][^“”]*[“”]?|[^\\s"“”]|"\\S*)+`, "g");
const VALUE = new RegExp(`^(?:${QUOTED.source}|[^\\s"“”,]+)$`);

/** Cut a query text into terms with a known field and the words between them. */
export function split(text: string): Split {
  const chips: Term[] = [];
  const words: string[] = [];
  for (const piece of text.match(PIECE) ?? []) {
    const term = read(piece);
    if (term) chips.push(term);
    else words.push(piece);
  }
  return { chips, text: words.join(" ") };
}

/** A term that is beyond doubt; anything else stays in the reader's text, where the server explains it. */
function read(piece: string): Term | null {
  const parsed = /^(-?)([a-z]+):(>=|<=|>|<)?(.+)$/is.exec(piece);
  if (!parsed) return null;
  const [, minus, name = "", compared = "", rest = ""] = parsed;
  const field = name.toLowerCase() === "user" ? "actor" : name.toLowerCase();
  const range = !compared && !rest.includes('"') && rest.includes("..");
  const written = range ? rest.split("..") : compared ? [rest] : (rest.match(new RegExp(`${QUOTED.source}|[^,]+`, "g")) ?? []);
  const whole = written.join(range ? ".." : ",") === rest && written.every((value) => VALUE.test(value) && !/^"[^]*\*"$/.test(value));
  if (!FIELDS.has(field) || !whole || (range && written.length !== 2)) return null;
  return { field, values: written.map(unquote), op: range ? ".." : compared, negated: minus === "-" };
}

function unquote(value: string): string {
  return value.startsWith('"') ? value.replace(/^"|"(?=\*?$)/g, "").replace(/\\(.)/g, "$1") : value;
}

/** Write a value so that it is read back as one value. */
export function quote(value: string): string {
  const star = value.length > 1 && value.endsWith("*") ? "*" : "";
  const text = star ? value.slice(0, -1) : value;
  return /^(?![<>])(?:(?!\.\.)[^\s,*"“”])+$/.test(text) || text === "*" ? text + star : `"${text.replace(/["\\]/g, "\\$&")}"${star}`;
}

/** Write one term. */
export function write({ field, values, op, negated }: Term): string {
  const compared = op === ".." ? "" : op;
  return `${negated ? "-" : ""}${field}:${compared}${values.map(quote).join(op === ".." ? op : ",")}`;
}

/** Write chips, then text: the whole query. */
export function join({ chips, text }: Split): string {
  return [...chips.map(write), text.trim()].filter(Boolean).join(" ");
}

/** The values that a field must have, from all terms that ask for it plainly. */
export function chosen(chips: readonly Term[], field: string): string[] {
  return chips.flatMap((term) => (term.field === field && !term.negated && !term.op ? term.values : []));
}

/** Ask for exactly these values of a field; none lifts the filter. The chip keeps its place. */
export function choose(chips: readonly Term[], field: string, values: readonly string[]): Term[] {
  const term: Term = { field, values: [...values], op: "", negated: false };
  const kept: Term[] = [];
  let placed = !values.length;
  for (const chip of chips) {
    if (chip.field !== field || chip.negated || chip.op) kept.push(chip);
    else if (!placed) placed = kept.push(term) > 0;
  }
  return placed ? kept : [...kept, term];
}

/** Ask for a value of a field, or, if it is asked for, no longer. */
export function toggled(chips: readonly Term[], field: string, value: string): Term[] {
  const had = chosen(chips, field);
  return choose(chips, field, had.includes(value) ? had.filter((one) => one !== value) : [...had, value]);
}

/** Add a value to what a field may be, or exclude it; either lifts the other. */
export function narrow(chips: readonly Term[], field: string, value: string, negated: boolean): Term[] {
  const without = chips
    .map((chip) => (chip.field === field && !chip.op ? { ...chip, values: chip.values.filter((one) => one !== value) } : chip))
    .filter((chip) => chip.values.length);
  if (!negated) return choose(without, field, [...chosen(without, field), value]);
  return [...without, { field, values: [value], op: "", negated: true }];
}
