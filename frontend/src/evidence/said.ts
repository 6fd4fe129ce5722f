// What an opened entry says, as far as a verification needs it.

import { demand, type Opened } from "./document.js";

/** The shown fields that tags are made of, and the details. */
export function said(entry: Opened): Record<string, any> {
  const wanted = ["core", "actor.id", "resource.id", "related", "details"];
  return Object.fromEntries(entry.fields.filter(([path]) => wanted.includes(path)).map(([path, , value]) => [path, JSON.parse(value)]));
}

export function details(entry: Opened): Record<string, unknown> {
  const found: unknown = said(entry).details;
  demand(typeof found === "object" && found !== null && !Array.isArray(found));
  return found as Record<string, unknown>;
}
