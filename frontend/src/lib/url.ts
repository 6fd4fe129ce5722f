// The state of the viewer as a query string and back. Order is fixed and defaults are left out, so that equal states
// have equal links.

import { isZone, utc, type Preset } from "./time.js";
import { join, split, type Term } from "./query.js";

export const TABS = ["changes", "history", "json", "proof"] as const;
export type Tab = (typeof TABS)[number];
export type Range = Preset | "all" | "custom";

export const DIALOGS = ["exports", "questions"] as const;
export type Dialog = (typeof DIALOGS)[number];

export interface State {
  chips: Term[];
  text: string;
  range: Range;
  /** RFC 3339 instants in UTC; only with range `custom`. */
  since: string | null;
  until: string | null;
  /** A zone other than the reader's own. */
  tz: string | null;
  entry: string | null;
  tab: Tab;
  /** What stands over the page. */
  dialog: Dialog | null;
}

export const START: State = {
  chips: [], text: "", range: "7d", since: null, until: null, tz: null, entry: null, tab: "changes", dialog: null,
};

/** A compact view tells everything there is. */
export const WHOLE: Pick<State, "chips" | "text" | "range" | "since" | "until"> = { chips: [], text: "", range: "all", since: null, until: null };

const NAMES = ["q", "since", "until", "range", "tz", "entry", "tab", "dialog"];

/** Read a state; what cannot be understood is treated as absent. */
export function readState(search: string): State {
  const given = new URLSearchParams(search);
  const since = moment(given.get("since"));
  const until = moment(given.get("until"));
  const range = given.get("range") ?? "";
  const tz = given.get("tz");
  const tab = given.get("tab") as Tab;
  const dialog = given.get("dialog") as Dialog;
  return {
    ...split(given.get("q") ?? ""),
    range: since || until ? "custom" : ["7d", "30d", "90d", "all"].includes(range) ? (range as Range) : "7d",
    since,
    until,
    tz: tz && isZone(tz) ? tz : null,
    entry: /^[\w-]{1,64}$/.test(given.get("entry") ?? "") ? given.get("entry") : null,
    tab: TABS.includes(tab) ? tab : "changes",
    dialog: DIALOGS.includes(dialog) ? dialog : null,
  };
}

/** Write a state, without the question mark. Empty for the state one starts with. */
export function writeState(state: State): string {
  const written = new URLSearchParams();
  const values = [
    join(state),
    state.range === "custom" ? state.since : null,
    state.range === "custom" ? state.until : null,
    state.range === "7d" || state.range === "custom" ? null : state.range,
    state.tz,
    state.entry,
    state.entry && state.tab !== "changes" ? state.tab : null,
    state.dialog,
  ];
  values.forEach((value, at) => value && written.append(NAMES[at] as string, value));
  return written.toString().replace(/%3A/g, ":").replace(/%2C/g, ",").replace(/%2F/g, "/");
}

/** Put a state into the query string of a page that has parameters of its own. */
export function mergeSearch(search: string, state: State): string {
  const others = new URLSearchParams(search);
  for (const name of NAMES) others.delete(name);
  const merged = [others.toString(), writeState(state)].filter(Boolean).join("&");
  return merged && `?${merged}`;
}

/** What of a state decides which entries are listed; equal texts, equal lists. */
export function filterKey(state: State): string {
  return writeState({ ...state, entry: null, dialog: null });
}

function moment(text: string | null): string | null {
  if (!text || !/^\d{4}-\d\d-\d\d/.test(text)) return null;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : utc(at);
}
