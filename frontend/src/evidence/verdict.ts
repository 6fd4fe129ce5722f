// The verdict: its shape, the sentences of what can be wrong, and the levels of completeness with their words; the twin of
// whodid.evidence.verdict and levels.

import { namedEntries, type Evidence, type Opened } from "./document.js";

export const FACTS = {
  form: "The file is not an evidence document as it was made",
  key: "The file names another key than a trusted one",
  signature: "The signed head of the log does not hold",
  anchor: "The head that somebody outside has seen is not an earlier state of this log",
  linked: "The head that stood in the anchor log of the deployment is not an earlier state of this log",
  seal: "The newest seal is not an entry of the log",
  chain: "The seals do not follow one another",
  bound: "The newest volume is not an entry of the log, or volumes and seals do not follow one another",
  dated: "The seal of this segment names a time stamp of a head that was not there yet",
  origin: "The name of the log does not commit to the salts of its first segments",
  segments: "The segments leave a gap, or one of them is not sealed",
  period: "The segments do not reach over the whole asked period",
  salt: "The salt of this segment is not the one that was fixed before its first entry",
  volume: "This volume says something else about what was asked for, or its salt is another",
  index: "The sealed index of this segment says something else about what was asked for",
  entry: "The entry is not what was recorded at this place of the log",
  span: "The headers are not those of the log",
  order: "It was recorded earlier than the entry before it",
  carry: "The header of the entry carries something else than the index says of it",
  tags: "The entry was filed under another actor, action or resource than it names",
  lacking: "The entry belongs to the answer and is not in the file",
  extra: "It does not belong to the answer",
  reason: "The record that should explain what is missing does not",
};

export type Code = keyof typeof FACTS;

/** Proven; proven but for what is withheld; refuted, or not reached; not claimed by this file. */
export type State = "held" | "part" | "failed" | "absent";

export interface Level {
  state: State;
  words: string;
}

export interface Cover {
  first: number;
  last: number;
  start: number;
  stop: number;
  recordedFirst: number;
  recordedLast: number;
  unindexed: number;
}

export interface Counts {
  answers: number;
  shown: number;
  purged: number;
  redacted: number;
  erased: number;
  unchecked: number;
  headers: number;
}

export interface Signed {
  origin: string;
  size: number;
  root: string;
  vkey: string;
  fingerprint: string;
  public: Uint8Array;
  message: Uint8Array;
  signature: Uint8Array;
}

export interface Anchored {
  size: number;
  /** Names that signed besides the log. Whether they may is not checked here. */
  others: string[];
  /** What a seal says of its time stamp, hexadecimal, or nothing when there is none. What the stamp says is not checked here. */
  stamp: string;
  /** Index from which on entries were recorded after that stamp, because a seal before them names it. */
  after: number | null;
}

export interface Linked {
  size: number;
  /** Of the anchor log. */
  name: string;
  /** Names that signed besides it. Whether they may is not checked here. */
  others: string[];
  /** Its time stamp, or nothing. What it says is not checked here. */
  stamp: string;
}

export interface Verdict {
  ok: boolean;
  trusted: boolean;
  problems: { code: Code; index: number | null }[];
  signed: Signed | null;
  anchors: Anchored[];
  linked: Linked[];
  evidence: Evidence | null;
  cover: Cover | null;
  counts: Counts;
  answers: Opened[];
  levels: Record<"c0" | "c1" | "c2" | "c3" | "c4", Level>;
}

const REACHED = {
  c0: ["entry", "span", "order"],
  c1: ["entry", "span", "segments"],
  c2: ["origin", "period", "salt", "volume", "index", "entry", "span", "carry", "lacking", "reason"],
  c3: ["entry", "span", "salt", "tags"],
} as const;

const C4: Level = {
  state: "absent",
  words: "That everything that happened was logged, no log can show. An outbox, numbered producers and signed receipts narrow it",
};

export function levels(evidence: Evidence | null, cover: Cover | null, counts: Counts, codes: ReadonlySet<Code>, ended: boolean): Verdict["levels"] {
  if (!evidence || !cover || ended) {
    const failed: Level = { state: "failed", words: "Not shown: the verification ended before it" };
    return { c0: failed, c1: failed, c2: failed, c3: failed, c4: C4 };
  }
  const span = evidence.span !== null;
  const segments = `segments ${cover.first} to ${cover.last} (entries ${cover.start} to ${cover.stop - 1})`;
  const late = cover.unindexed ? `; ${cover.unindexed} entries had lost their content before their segment was sealed` : "";
  const less = counts.unchecked ? `, but for ${counts.unchecked} of them not all of it is shown` : "";
  const said = {
    c0: "The entries stand at their places in the log, and their times do not go backwards",
    c1: span ? `Every leaf of ${segments} is here` : "Not every header is in this file",
    c2: `${namedEntries(evidence.statement) ? "Every entry that the question names is here" : `Every entry of ${segments} that answers the question is here, by ${span ? "all headers" : "the sealed indexes"}`}${late}`,
    c3: `The ${counts.shown} shown entries were filed under what they say${less}`,
  };
  const refuted = {
    c0: "Entries are not at their places, or their times go backwards",
    c1: "The headers are not every leaf of the covered segments",
    c2: "Entries that answer the question may be missing",
    c3: "It is not shown that the entries were filed under what they say",
  };
  const level = (name: keyof typeof REACHED): Level => {
    if (name === "c1" && !span) return { state: "absent", words: said[name] };
    if (REACHED[name].some((code) => codes.has(code))) return { state: "failed", words: refuted[name] };
    const part = (name === "c2" && cover.unindexed > 0) || (name === "c3" && counts.unchecked > 0);
    return { state: part ? "part" : "held", words: said[name] };
  };
  return { c0: level("c0"), c1: level("c1"), c2: level("c2"), c3: level("c3"), c4: C4 };
}
