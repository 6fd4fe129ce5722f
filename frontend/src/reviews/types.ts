// What the routes of reviews answer, as far as the page shows it, and what its parts are given.

import type { Clock } from "../lib/format.js";
import type { ReviewKey } from "./words.js";

export interface Who {
  type: string;
  id: string;
  name?: string;
}

/** What somebody wrote, or that the reader may not see it. */
export type Written = string | { $: string };

export interface Row {
  index: number;
  occurred_at: string;
  sentence: { template: string; parts: Record<string, { text: string }> };
}

export interface Item {
  id: string;
  why: string;
  entries: number[];
  rows: Row[];
  seen: { at: string; by: Who; comment: Written } | null;
  alert: string | null;
  own: boolean;
}

interface Fixed {
  number: number;
  start: number;
  stop: number;
  since: string;
  until: string;
  size: number;
  root: string;
  rule: string;
  rest: number;
  begun_at: string;
  items: Item[];
}

export interface Review extends Fixed {
  more: boolean;
  begun_by: Who;
}

export interface Short {
  number: number;
  index: number;
  signed_at: string;
  signed_by: Who;
  since: string;
  until: string;
  comment: Written;
  counts: Record<string, number>;
}

export interface Signed extends Fixed, Short {
  unseen_reason: Written;
  checked: { checkpoint: boolean; items: "same" | "different" | "gone" };
  evidence: { ask: string[] } | null;
}

export interface List {
  items: Short[];
  open: { number: number; items: number; seen: number } | null;
  until: string | null;
  due_at: string | null;
  overdue: boolean;
  manage: boolean;
}

/** What a part of the page shows with. */
export interface Page {
  readonly clock: Clock;
  /** Address of the page with the viewer; without it there are no links to entries. */
  readonly log: string;
  /** Address of the page of alerts. */
  readonly alerts: string;
  t(key: ReviewKey, slots?: Record<string, string | number>): string;
}
