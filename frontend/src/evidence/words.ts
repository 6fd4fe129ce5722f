// An entry in words, from nothing but its authenticated fields: a sentence that somebody could have sent along would prove
// nothing. English only; the names of actions are turned into words by their own rule.

import type { Ask, Opened, Statement } from "./document.js";

export interface Told {
  index: number;
  id: string;
  occurredAt: string;
  recordedAt: string;
  sentence: string;
  why: string;
  changes: { path: string; before: string; after: string }[];
  facts: [name: string, value: string][];
  redacted: number;
  erased: number;
}

type Json = Record<string, any>;

const words = (name: string): string => name.replaceAll(/[._]/g, " ");

export function time(micros: number): string {
  return new Date(micros / 1000).toISOString().replace("T", " ").replace("Z", " UTC");
}

/** Read an entry. Only to be called for entries that were verified. What is said to be erased, for no reason, is withheld. */
export function tell(entry: Opened, explained: boolean): Told {
  const fields: Json = Object.fromEntries(entry.fields.filter(([path]) => path).map(([path, , value]) => [path, JSON.parse(value)]));
  const core: Json = fields.core ?? {};
  const reason: Json = fields.reason ?? {};
  const place: Json = fields["context.place"] ?? {};
  const less = entry.fields.filter(([path]) => !path);
  const erased = explained ? less.filter(([, , why]) => why === "erased").length : 0;
  const facts: [string, unknown][] = [
    ["Actor", who(fields)],
    ["E-mail", fields["actor.email"]],
    ["Role", fields["actor.id"]?.role],
    ["On behalf of", fields["actor.on_behalf_of"]],
    ["Action", core.action],
    ["Resource", thing(fields["resource.id"], fields["resource.name"])],
    ...((fields.related as Json[] | undefined) ?? []).map((one, at): [string, unknown] => [`Related (${one.rel})`, thing(one, fields[`related.${at}.name`])]),
    ["Caused by entry", core.cause],
    ["Batch", core.batch],
    ["From", [place.ip, place.city, place.country].filter(Boolean).join(", ")],
    ["Source", core.source],
    ["Session", core.session],
    ["Request", core.request],
    ["Browser", fields["context.user_agent"]],
    ["Marks", core.marks?.join(", ")],
    ["Details", fields.details],
  ];
  return {
    index: entry.index,
    id: String(core.id ?? ""),
    occurredAt: String(core.occurred_at ?? "").replace("T", " ").replace("Z", " UTC"),
    recordedAt: time(entry.recorded_at),
    sentence: sentence(fields, core),
    why: [reason.code, reason.text].filter(Boolean).join(": "),
    changes: ((core.changes as Json[] | undefined) ?? []).map((outline, at) => changed(outline, fields[`changes.${at}`])),
    facts: facts.filter(([, value]) => value !== undefined && value !== null && value !== "").map(([name, value]) => [name, plain(value)]),
    redacted: less.length - erased,
    erased,
  };
}

function who(fields: Json): string {
  const actor: Json | undefined = fields["actor.id"];
  if (!actor) return fields["actor.name"] ?? "An actor who is not shown";
  return fields["actor.name"] ? `${fields["actor.name"]} (${actor.type} ${actor.id})` : `${words(actor.type)} ${actor.id}`;
}

function thing(id: Json | undefined, name: string | undefined): string | undefined {
  if (!id) return name;
  return name ? `${name} (${words(id.type)} ${id.id})` : `${words(id.type)} ${id.id}`;
}

/** `contact.deleted` on a contact: Maria Torres deleted contact Juan Pérez. */
function sentence(fields: Json, core: Json): string {
  const actor = fields["actor.name"] ?? who(fields);
  const [noun = "", ...verb] = String(core.action ?? "").split(".");
  const id: Json | undefined = fields["resource.id"];
  const what = id ? `${words(id.type)} ${fields["resource.name"] ?? id.id}` : (fields["resource.name"] ?? "a resource that is not shown");
  const failed = core.outcome && core.outcome !== "success" ? ` (${core.outcome})` : "";
  if (!core.action) return `${actor}: an action that is not shown, on ${what}`;
  return `${actor} ${id?.type === noun ? `${words(verb.join(" "))} ${what}` : `— ${words(core.action)} — ${what}`}${failed}`;
}

function changed(outline: Json, values: Json | undefined): { path: string; before: string; after: string } {
  const side = (value: unknown, print: unknown): string => (print === undefined ? (value === undefined ? "" : plain(value)) : `secret, fingerprint ${plain(print)}`);
  if (!values) return { path: outline.path, before: "withheld", after: "withheld" };
  if (values.added || values.removed) {
    const list = (items: unknown[] | undefined, sign: string): string => (items ?? []).map((item) => `${sign} ${plain(item)}`).join("\n");
    return { path: outline.path, before: list(values.removed, "−"), after: list(values.added, "+") };
  }
  return { path: outline.path, before: side(values.before, values.before_fp), after: side(values.after, values.after_fp) };
}

function plain(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value, null, 1).replaceAll(/\n\s*/g, " ");
}

/** What was asked, as a sentence about the entries. */
export function question({ asks, since, until }: Statement): string {
  const named = ({ values }: Ask): string => values.map((value) => value.join(" ")).join(" or ");
  const parts = asks.map((ask) => ({ actor: `done by ${named(ask)}`, resource: `about ${named(ask)}`, action: `of the actions ${named(ask)}`, entry: `of these: ${named(ask)}` })[ask.dimension]);
  const period = [since === null ? "" : `from ${time(since)}`, until === null ? "" : `until ${time(until)}`].filter(Boolean).join(" ");
  return `Every entry ${[...parts, period && `recorded ${period}`].filter(Boolean).join(", ")}`.trim();
}

