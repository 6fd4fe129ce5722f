// How a chip compares: the words between its field and its value, and the ways to say it otherwise. What each means is
// the query language's: `before`, `after` and `reason` ask whether a text occurs, a trailing `*` means "begins with".

import type { Term } from "./query.js";

export type Operator = "is" | "not" | "begins" | "begins.not" | "has" | "lacks" | "least" | "most";

const OCCURS = ["before", "after", "reason"];
/** Fields whose values may be cut short. */
const BEGINS = ["actor", "resource", "related", "change", "request", "session", "batch", ...OCCURS];
const COMPARED: Partial<Record<Operator, string>> = { least: ">=", most: "<=" };

const bare = (value: string): string => value.replace(/(?<=.)\*$/, "");

/** How a chip compares; null for a range and the like, which is shown as it is written. */
export function operator({ field, values, op, negated }: Term): Operator | null {
  if (op) return negated ? null : ((["least", "most"] as const).find((name) => COMPARED[name] === op) ?? null);
  const begins = BEGINS.includes(field) && values.every((value) => bare(value) !== value);
  if (begins) return negated ? "begins.not" : "begins";
  return OCCURS.includes(field) ? (negated ? "lacks" : "has") : negated ? "not" : "is";
}

/** The ways in which a chip may compare. */
export function operators({ field, values, op }: Term): Operator[] {
  if (op === ".." || op === "<" || op === ">") return [];
  if (OCCURS.includes(field)) return ["has", "lacks", "begins", "begins.not"];
  if (BEGINS.includes(field)) return ["is", "not", "begins", "begins.not"];
  return ["severity", "index"].includes(field) && values.length === 1 ? ["is", "not", "least", "most"] : ["is", "not"];
}

/** The chip compared in another way; `named` gives what a value is called, for an id has no beginning to ask for. */
export function compared(term: Term, by: Operator, named: (value: string) => string): Term {
  const begins = by.startsWith("begins");
  const cut = BEGINS.includes(term.field);
  const values = term.values.map((value) => (begins ? `${bare(bare(value) === value ? named(value) : value)}*` : cut ? bare(value) : value));
  return { ...term, values, op: COMPARED[by] ?? "", negated: by === "not" || by === "lacks" || by === "begins.not" };
}
