// Evidence: one file that answers a question and proves itself offline, made by the server and handed to the reader.

import type { Host } from "../lib/host.js";
import type { State } from "../lib/url.js";
import { save } from "./files.js";

const ASKED = ["actor", "action", "resource"];

/** The parts of the question that the filters ask; null when they ask for more than a sealed index can answer. */
export function questionOf({ chips, text }: Pick<State, "chips" | "text">): string[] | null {
  const fields = chips.map(({ field }) => field);
  const plain = chips.every(({ field, op, negated, values }) =>
    ASKED.includes(field) && !op && !negated && values.every((value) => !value.includes(",") && (field !== "resource" || /^[^:]+:./.test(value)) && !/\*$/.test(value.replace(/\.\*$/, ""))));
  return plain && !text && new Set(fields).size === fields.length ? chips.map(({ field, values }) => `${field}:${values.join(",")}`) : null;
}

/** What evidence is to answer: its parts, the period, and what it hides. */
export interface Question {
  ask: readonly string[];
  [more: string]: unknown;
}

/** Make a file, and save it; the name that it was saved under. Throws Problem. */
export async function evidence({ client }: Host, question: Question): Promise<string> {
  const answer = await client.order("evidence", question);
  const name = /filename="([^"]+)"/.exec(answer.headers.get("content-disposition") ?? "")?.[1] ?? "evidence.html";
  save(name, await answer.blob());
  return name;
}
