// Glyphs of 16 by 16, drawn for this page: one path each. Decoration only, the words beside them carry the meaning.

import { html, type TemplateResult } from "lit";

const PATHS = {
  plus: "M8 3v10M3 8h10",
  pen: "M3 13l.7-3L10.6 3.1a1.4 1.4 0 012 0l.3.3a1.4 1.4 0 010 2L6 12.3 3 13z",
  bin: "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5M6.8 7v3.6M9.2 7v3.6",
  merge: "M4 2.5v2.2c0 2 4 2.3 4 4.3v4.5M12 2.5v2.2c0 2-4 2.3-4 4.3M5.8 11.4L8 13.6l2.2-2.2",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3.2l7.5 4.8L5 12.8z",
  stop: "M2.5 8a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0M6 6l4 4M10 6l-4 4",
  swap: "M3 5.5h9M9.5 3L12 5.5 9.5 8M13 10.5H4M6.5 8L4 10.5 6.5 13",
  key: "M2.5 10.8a2.7 2.7 0 1 0 5.4 0a2.7 2.7 0 1 0-5.4 0M7.2 8.8L13 3M11 5l1.8 1.8M9.3 6.7l1.2 1.2",
  login: "M9.5 3H12a1 1 0 011 1v8a1 1 0 01-1 1H9.5M2.8 8H9M6.6 5.4L9.2 8l-2.6 2.6",
  logout: "M6.5 3H4a1 1 0 00-1 1v8a1 1 0 001 1h2.5M6.5 8H13M10.5 5.4L13.1 8l-2.6 2.6",
  shield: "M8 1.8l5 1.9v3.9c0 3.2-2.1 5.5-5 6.6-2.9-1.1-5-3.4-5-6.6V3.7zM5.8 8l1.6 1.6L10.4 6.5",
  guard: "M8 1.8l5 1.9v3.9c0 3.2-2.1 5.5-5 6.6-2.9-1.1-5-3.4-5-6.6V3.7z",
  warn: "M8 2.4l6 10.7H2zM8 6.5v3M8 11.3v.1",
  search: "M2.8 7a4.2 4.2 0 1 0 8.4 0a4.2 4.2 0 1 0-8.4 0M10.2 10.2L13.5 13.5",
  download: "M8 2.5v7.5M5 7.2l3 3 3-3M3 13h10",
  x: "M4.2 4.2l7.6 7.6M11.8 4.2l-7.6 7.6",
  right: "M6 3.5L10.5 8 6 12.5",
  left: "M10 3.5L5.5 8 10 12.5",
  up: "M3.5 10L8 5.5 12.5 10",
  down: "M3.5 6L8 10.5 12.5 6",
  arrow: "M3 8h10M9.5 4.5L13 8l-3.5 3.5",
  calendar: "M4.5 3.5h7a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2h-7a2 2 0 0 1-2-2v-6a2 2 0 0 1 2-2zM2.5 6.8h11M5.5 2v3M10.5 2v3",
  user: "M5.4 5.5a2.6 2.6 0 1 0 5.2 0a2.6 2.6 0 1 0-5.2 0M3 13.5c.5-2.7 2.5-4 5-4s4.5 1.3 5 4",
  users: "M3.7 5.8a2.3 2.3 0 1 0 4.6 0a2.3 2.3 0 1 0-4.6 0M1.8 13c.4-2.3 2-3.5 4.2-3.5s3.8 1.2 4.2 3.5M10.5 3.7a2.3 2.3 0 010 4.2M12 9.8c1.2.5 1.9 1.6 2.2 3.2",
  web: "M2.4 8a5.6 5.6 0 1 0 11.2 0a5.6 5.6 0 1 0-11.2 0M2.4 8h11.2M8 2.4c2 2 2 9.2 0 11.2M8 2.4c-2 2-2 9.2 0 11.2",
  bot: "M5 5.5h6a2 2 0 0 1 2 2v3.5a2 2 0 0 1-2 2h-6a2 2 0 0 1-2-2v-3.5a2 2 0 0 1 2-2zM8 2.8v2.7M6 8.8v.7M10 8.8v.7M1.5 9v1.5M14.5 9v1.5",
  mega: "M2.5 6.5v3h2l6 3.5V3l-6 3.5zM12.8 6.3a2.6 2.6 0 010 3.4M5.5 9.8l.8 3.4",
  doc: "M4 2.5h5.5L12.5 5.5v8H4zM9.3 2.7v3h3M6 8.5h4.5M6 10.8h3",
  phone: "M6.3 2h3.4a1.8 1.8 0 0 1 1.8 1.8v8.4a1.8 1.8 0 0 1-1.8 1.8h-3.4a1.8 1.8 0 0 1-1.8-1.8v-8.4a1.8 1.8 0 0 1 1.8-1.8zM7.3 12h1.4",
  hook: "M2 11a2 2 0 1 0 4 0a2 2 0 1 0-4 0M10 11a2 2 0 1 0 4 0a2 2 0 1 0-4 0M6 4.5a2 2 0 1 0 4 0a2 2 0 1 0-4 0M7 6.2L4.9 9.3M9 6.2l2.1 3.1M6 11h4",
  lock: "M5.1 7h5.8a1.6 1.6 0 0 1 1.6 1.6v3.3a1.6 1.6 0 0 1-1.6 1.6h-5.8a1.6 1.6 0 0 1-1.6-1.6v-3.3a1.6 1.6 0 0 1 1.6-1.6zM5.5 7V5.3a2.5 2.5 0 015 0V7",
  log: "M3 4h1M6.5 4H13M3 8h1M6.5 8H13M3 12h1M6.5 12H13",
  link: "M6.8 9.2l2.4-2.4M7.5 4.7l1-1a2.7 2.7 0 013.8 3.8l-1 1M8.5 11.3l-1 1a2.7 2.7 0 01-3.8-3.8l1-1",
  copy: "M7.3 5.5h4.4a1.8 1.8 0 0 1 1.8 1.8v4.4a1.8 1.8 0 0 1-1.8 1.8H7.3a1.8 1.8 0 0 1-1.8-1.8V7.3a1.8 1.8 0 0 1 1.8-1.8zM10.5 5.5V4A1.5 1.5 0 009 2.5H4A1.5 1.5 0 002.5 4v5A1.5 1.5 0 004 10.5h1.5",
  filter: "M2.5 4h11M4.8 8h6.4M6.8 12h2.4",
  clock: "M2.4 8a5.6 5.6 0 1 0 11.2 0a5.6 5.6 0 1 0-11.2 0M8 4.8V8l2.2 1.5",
  check: "M3.5 8.5l3 3 6-7",
  gear: "M6 8a2 2 0 1 0 4 0a2 2 0 1 0-4 0M8 1.8v2M8 12.2v2M1.8 8h2M12.2 8h2M3.6 3.6L5 5M11 11l1.4 1.4M12.4 3.6L11 5M5 11l-1.4 1.4",
  ask: "M2.4 8a5.6 5.6 0 1 0 11.2 0a5.6 5.6 0 1 0-11.2 0M6.3 6.4a1.75 1.75 0 1 1 2.5 1.6c-.5.2-.8.6-.8 1.2M8 11.3v.1",
  bell: "M4 11.2V7.4a4 4 0 0 1 8 0v3.8l1 1.1H3zM6.6 13.8h2.8",
  inbox: "M2.5 9h3l1 2h3l1-2h3M2.5 9l2-5.5h7L13.5 9v4h-11z",
  table: "M2.5 3.5h11v9h-11zM2.5 6.5h11M2.5 9.5h11M6.5 3.5v9",
  bars: "M3 13V8.5M6.3 13V4M9.7 13V6.5M13 13V2.8",
  spark: "M8 2.2l1.5 4.3L13.8 8l-4.3 1.5L8 13.8 6.5 9.5 2.2 8l4.3-1.5z",
  mark: "M4.5 2.5h7v11L8 10.8l-3.5 2.7z",
} as const;

export type Icon = keyof typeof PATHS;

/** Glyphs that point along the line of reading: they turn round where it runs the other way. */
const POINTING: readonly string[] = ["right", "left", "arrow"];

/** Draw a glyph; `s` is the small one. */
export function icon(name: Icon, size: "" | "s" = ""): TemplateResult {
  return html`<svg class="i ${size} ${POINTING.includes(name) ? "along" : ""}" viewBox="0 0 16 16" aria-hidden="true"><path d=${PATHS[name]}></path></svg>`;
}

const VERBS: Record<string, Icon> = {
  merged: "merge", paused: "pause", started: "play", resumed: "play", reactivated: "play", cancelled: "stop", failed: "stop", denied: "warn",
  login: "login", sso_login: "login", logout: "logout", login_failed: "warn", verify_failed: "warn", role_changed: "lock",
  password_changed: "lock", completed: "check", exported: "download", purged: "bin", erased: "bin",
};

const NOUNS: Record<string, Icon> = { api_key: "key", role: "lock", sso: "login", audit: "log" };

const KINDS: Record<string, Icon> = { create: "plus", update: "pen", delete: "bin", status: "swap", security: "guard" };

/** The glyph of an action: that of its verb, else, for security, of its noun, else of its kind. */
export function actionIcon(action: string, kind: string): Icon {
  const [noun = "", verb = ""] = action.split(".");
  return VERBS[verb] ?? (kind === "security" ? NOUNS[noun] : undefined) ?? KINDS[kind] ?? "doc";
}

const TYPES: Record<string, Icon> = {
  contact: "user", user: "user", campaign: "mega", template: "doc", account: "phone", webhook: "hook", api_key: "key", role: "lock",
  team: "users", segment: "users", session: "login", sso: "login", workspace: "gear", audit: "log",
};

/** The glyph of a resource type; a plain page for types that a host invents. */
export function typeIcon(type: string): Icon {
  return TYPES[type] ?? "doc";
}

/** The glyph of an actor that is not a person. */
export function actorIcon(type: string): Icon {
  return ({ api_key: "key", provider: "hook", anonymous: "user" } as Record<string, Icon>)[type] ?? "bot";
}
