// The shapes that the HTTP API speaks, as far as the viewer reads them.

export const KINDS = ["create", "update", "delete", "status", "security"] as const;
export type Kind = (typeof KINDS)[number];
export type Outcome = "success" | "denied" | "failed";
export type ActorType = "user" | "api_key" | "system" | "scheduler" | "provider" | "anonymous";

/** A value that the server keeps back: hidden from this reader, replaced before storing, or erased. */
/** Where something that was ordered is found, once. */
export interface Ordered {
  href: string;
}

export interface Marker {
  $: "hidden" | "redacted" | "erased" | "unknown" | "db_computed" | "truncated" | "unencodable" | "bytes";
  /** Of a secret: its fingerprint. */
  fp?: string;
  /** Of a value that is too long: its bytes or members, how it begins, and how it reads where it changed. */
  length?: number;
  items?: number;
  head?: unknown;
  part?: string;
  /** Of a value without a form: what it was. */
  type?: string;
}
export type Shown = string | Marker;

export interface Actor {
  type: ActorType;
  id: string;
  name?: Shown;
  email?: Shown;
  role?: string;
  on_behalf_of?: Actor;
}

export interface Resource {
  type: string;
  id: string;
  name?: Shown;
}

export interface Related extends Resource {
  rel: string;
}

export interface Change {
  path: string;
  label?: string;
  op?: "add" | "remove" | "replace" | "set";
  before?: unknown;
  after?: unknown;
  added?: unknown[];
  removed?: unknown[];
  class?: "plain" | "personal" | "secret";
  before_fp?: string;
  after_fp?: string;
  from?: string;
}

export interface Reason {
  code?: string;
  text?: Shown;
}

export interface Sentence {
  template: string;
  parts: Record<string, { text: Shown; type: string; id: string }>;
}

export interface Second {
  form: "reason" | "changes" | "summary" | null;
  text?: Shown;
  changes?: Change[];
  /** How many changes are not listed. */
  more?: number;
  /** The summary in parts, where dates or times are among them. */
  summary?: Sentence;
}

/** An alert, as far as an entry that it rests on has to say. */
export interface Alert {
  id: string;
  title: string;
  level: "info" | "low" | "medium" | "high" | "critical";
  status: "open" | "acknowledged" | "resolved" | "muted" | "inhibited";
  /** What the level, and the verdict if there is one, are called. */
  called: { level: string; verdict?: string };
  /** Indexes. */
  entries: number[];
}

/** What a row needs. */
export interface Summary {
  index: number;
  id: string;
  occurred_at: string;
  recorded_at: string;
  actor: Actor;
  action: string;
  kind: Kind;
  severity: "info" | "notice" | "warning" | "critical";
  outcome: Outcome;
  resource: Resource;
  related?: Related[];
  reason?: Reason;
  batch?: string;
  marks?: string[];
  source?: string | null;
  country?: string | null;
  city?: Shown | null;
  ip?: Shown | null;
  sentence: Sentence;
  second: Second;
}

/** The entry in full, in wire form. */
export interface Entry {
  workspace: string;
  index: number;
  id: string;
  occurred_at: string;
  recorded_at: string;
  actor: Actor;
  action: string;
  kind: Kind;
  severity: Summary["severity"];
  outcome?: Outcome;
  resource: Resource;
  related?: Related[];
  changes?: Change[];
  reason?: Reason;
  cause?: string;
  batch?: string;
  details?: Record<string, unknown>;
  context?: {
    source?: string;
    ip?: Shown;
    forwarded_ip?: Shown;
    user_agent?: Shown;
    country?: string;
    city?: Shown;
    request?: string;
    session?: string;
  };
  marks?: string[];
  erased?: { at: string; paths: string[]; record: number };
}

/** What codes are called. */
export type Names = Readonly<Record<string, string>>;

export interface Detail {
  entry: Entry;
  sentence: Sentence;
  second: Second;
  labels?: Record<string, string>;
  /** Path of a field, or `details.<name>` → code that it holds → what the code is called. */
  values?: Record<string, Names>;
  cause?: Summary;
  removed_on?: string | null;
  held?: boolean;
}

export interface Count {
  value: number;
  exact: boolean;
}

export interface Page {
  items: Summary[];
  next: string | null;
  count: Count;
  head: { size: number; first: number };
  range?: { since: string | null; until: string | null };
  /** Id of whoever reads. */
  viewer?: string;
}

export interface Histogram {
  buckets: { start: string; end: string; counts: Partial<Record<Kind, number>>; denied?: number }[];
  total: Count;
  kinds: Partial<Record<Kind, number>>;
  /** Whether the bars hold every entry. */
  exact?: boolean;
}

export interface FacetValue {
  value: string;
  label?: string;
  count: number;
  type?: string;
}

export interface Facets {
  values: FacetValue[];
  exact: boolean;
}

export interface Labelled {
  value: string;
  label: string;
}

export interface CatalogPage {
  actions: { name: string; kind: Kind; category: string; label: string }[];
  kinds: Labelled[];
  categories: Labelled[];
  types: Labelled[];
}

export interface Retention {
  days: number;
  first: number;
  oldest_at: string | null;
  purges: { at: string; entries: number | null; until: string | null; index: number }[];
}

/** A field as it was committed to: shown with its salt, or withheld as a bare commitment (base64). */
export type ProofField = { path: string; salt: string; value: string } | { commitment: string };

/** The instant before which retention removed things; 0 while it removed nothing. */
export function edge(retention: Retention | null): number {
  return retention?.first && retention.oldest_at ? Date.parse(retention.oldest_at) : 0;
}

export interface ProofAnswer {
  index: number;
  size: number;
  leaf: string;
  path: string[];
  checkpoint: string;
  vkey: string;
  fields?: ProofField[];
}

/** The signed head, and what this viewer is called here. */
export interface CheckpointAnswer {
  size: number;
  first: number;
  checkpoint: string;
  vkey: string;
  viewer: string;
}

/** Many entries with their proofs under one signed head. */
export interface ProofsAnswer {
  size?: number;
  checkpoint?: string;
  vkey?: string;
  items: { entry: Entry; leaf: string; path: string[]; fields: ProofField[] }[];
}

export interface HashesAnswer {
  size: number;
  start: number;
  count: number;
  hashes: string;
}

export interface Insights {
  from: string | null;
  to: string | null;
  count: number;
  items: { field: string; value: string; label: string; count: number; expected: number; first: boolean; term: string }[];
}

export interface Suggestions {
  items: ({ kind: "field"; term: string; label: string } | { kind: "value"; field: string; term: string; label: string; count: number | null })[];
}

/** What an export will be. */
export interface Estimate {
  count: Count;
  /** Of an export, about how many bytes; of evidence nobody says. */
  size?: number;
  /** Values that the file hides as it was ordered. */
  hidden: Count;
  /** Where the files of an export end, whoever chose that. */
  split?: "month" | number | null;
}

/** An export that is made, or was made, on the server. */
export interface ExportJob {
  id: string;
  state: "waiting" | "running" | "ready" | "failed";
  filename: string;
  count: Count;
  /** About how many bytes it will have, and how many it has. */
  estimate: number;
  size: number | null;
  sha256: string | null;
  expires_at: string;
  /** Entries in the file so far. */
  done: number;
  fault: string | null;
  remedy: string | null;
}
