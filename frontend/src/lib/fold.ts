// Runs of entries that read better as one row: a batch, the same failed sign-in over and over, seals. Nothing is hidden
// from counts and exports; the row says how many it stands for and unfolds.

import type { Summary } from "./types.js";

export interface Run {
  head: Summary;
  rest: Summary[];
  why: "batch" | "repeat" | null;
}

const WINDOW = 10 * 60_000;

/** Fold neighbours, newest first. */
export function fold(items: readonly Summary[]): Run[] {
  const runs: Run[] = [];
  for (const item of items) {
    const run = runs.at(-1);
    const why = run && kinship(run.rest.at(-1) ?? run.head, item);
    if (run && why && (run.why ?? why) === why) {
      run.why = why;
      run.rest.push(item);
    } else {
      runs.push({ head: item, rest: [], why: null });
    }
  }
  return runs;
}

function kinship(newer: Summary, older: Summary): Run["why"] {
  if (newer.action !== older.action) return null;
  if (newer.action === "audit.sealed" || (newer.batch && newer.batch === older.batch)) return "batch";
  const alike = newer.resource.id === older.resource.id && newer.actor.id === older.actor.id && newer.outcome === older.outcome;
  const close = Date.parse(newer.occurred_at) - Date.parse(older.occurred_at) < WINDOW;
  return newer.action === "auth.login_failed" && alike && close ? "repeat" : null;
}
