// A small round picture of an actor: initials on a steady colour for people, a glyph for everything else.

import { html, type TemplateResult } from "lit";
import { icon, type Icon } from "../lib/icons.js";

const COLOURS = 8;

export function avatar(actor: { type: string; id: string; name: string }, glyph: Icon): TemplateResult {
  if (actor.type !== "user") return html`<span class="av">${icon(glyph, "s")}</span>`;
  let hash = 2_166_136_261;
  for (const char of actor.id) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 16_777_619) >>> 0;
  const initials = actor.name.split(/\s+/).map((word) => [...word][0] ?? "").slice(0, 2).join("").toUpperCase();
  return html`<span class="av c${(hash >>> 13) % COLOURS}" aria-hidden="true">${initials}</span>`;
}
