// Differences between two texts: word by word in the reader's language, line by line where that would be too slow.

import { diffArrays } from "diff";

export interface Piece {
  text: string;
  change: "same" | "added" | "removed" | "fold";
}

/** Beyond this many characters words are not compared: paragraphs are, with context. */
const WORDWISE = 20_000;
const CONTEXT = 2;

/** Say whether two values are better read as one text with marks than as two boxes. */
export function isProse(before: unknown, after: unknown): boolean {
  if (typeof before !== "string" || typeof after !== "string" || !before || !after) return false;
  return before.length > 32 || after.length > 32 || before.includes("\n") || after.includes("\n");
}

/** Compare two texts. `language` decides what a word is; without one, whole lines are compared. */
export function compare(before: string, after: string, language: string | null): Piece[] {
  const byLine = !language || before.length > WORDWISE || after.length > WORDWISE;
  const cut = byLine ? lines : wordsOf(language);
  const found = diffArrays(cut(before), cut(after)).map<Piece>(({ value, added, removed }) => ({
    text: value.join(""),
    change: added ? "added" : removed ? "removed" : "same",
  }));
  const pieces = byLine ? found : join(found);
  return pieces.flatMap((piece, at) => (piece.change === "same" ? fold(piece, at === 0, at === pieces.length - 1) : [piece]));
}

function wordsOf(language: string): (text: string) => string[] {
  const segmenter = new Intl.Segmenter(language, { granularity: "word" });
  return (text) => Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/** A space that stayed between two words that went belongs to what went: "has been" became "is on", not word by word. */
function join(pieces: Piece[]): Piece[] {
  const joined: Piece[] = [];
  let went = "";
  let came = "";
  const flush = (): void => {
    if (went) joined.push({ text: went, change: "removed" });
    if (came) joined.push({ text: came, change: "added" });
    went = came = "";
  };
  pieces.forEach(({ text, change }, at) => {
    if (change === "removed") went += text;
    else if (change === "added") came += text;
    else if (went && came && /^\s+$/.test(text) && at < pieces.length - 1) {
      went += text;
      came += text;
    } else {
      flush();
      joined.push({ text, change });
    }
  });
  flush();
  return joined;
}

function lines(text: string): string[] {
  return text.split(/(?<=\n)/);
}

/** Of long unchanged text keep two lines beside each change and say how many lines were left out. */
function fold(piece: Piece, first: boolean, last: boolean): Piece[] {
  const all = lines(piece.text);
  const head = first ? 0 : CONTEXT;
  const tail = last ? 0 : CONTEXT;
  const left = all.length - head - tail;
  if (left < 3) return [piece];
  const same = (text: string): Piece[] => (text ? [{ text, change: "same" }] : []);
  return [
    ...same(all.slice(0, head).join("")),
    { text: String(left), change: "fold" },
    ...same(all.slice(all.length - tail).join("")),
  ];
}

/** An object or a list with something in it, and not a marker for a value that is kept back. */
export function isTree(value: unknown): value is object {
  return typeof value === "object" && value !== null && !("$" in value) && Object.keys(value).length > 0;
}
