// A development server for the viewer: `npm run dev`, then http://127.0.0.1:8123. It serves the built files under the
// strict policy of the real page, and a made-up log through the same HTTP API. States are addresses:
// /empty /error /denied /expired /slow /tampered /reader (no personal values) /plain (no salts in proofs).

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { ACTIONS, KINDS, LABELS, TYPES } from "./catalog.mjs";
import { Log } from "./proof.mjs";
import { tell } from "./story.mjs";

const PORT = Number(process.env.PORT ?? 8123);
const STATIC = new URL("../../src/whodid/viewer/static/", import.meta.url);
const HERE = new URL("./", import.meta.url);
const TYPE = { js: "text/javascript", json: "application/json", css: "text/css", html: "text/html; charset=utf-8", txt: "text/plain" };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; require-trusted-types-for 'script'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const DAY = 86_400_000;

const now = Date.now();
const told = tell(now);
const log = new Log(told.map(({ entry }) => entry));
const byId = new Map(told.map((one) => [one.entry.id, one]));
const listed = [...told].sort((a, b) => b.entry.occurred_at.localeCompare(a.entry.occurred_at) || b.entry.index - a.entry.index);
const pick = (pair, lang) => pair?.[lang === "es" ? 1 : 0];

class Refused extends Error {
  constructor(status, body) {
    super(body.detail);
    Object.assign(this, { status, body });
  }
}

/** Enough of the query language to click through every menu. */
function matcher(text) {
  const tests = [];
  for (const found of text.matchAll(/(-?)(?:([a-z]+):)?((?:"[^"]*"|[^\s"])+)/g)) {
    const [whole, minus, field, rest] = found;
    const values = rest.split(",").map((value) => value.replace(/^"|"$/g, "").toLowerCase());
    const fits = (have) => values.some((value) => [have].flat().some((one) => one !== undefined && (value.endsWith("*") ? String(one).toLowerCase().startsWith(value.slice(0, -1)) : String(one).toLowerCase() === value)));
    const names = (r) => [`${r.type}:${r.id}`, r.id, r.name];
    const test = {
      actor: (e) => fits([e.actor.id, e.actor.name, e.actor.email]), action: (e) => fits([e.action, e.action.split(".")[1]]), category: (e) => fits(e.action.split(".")[0]), kind: (e) => fits(e.kind), type: (e) => fits(e.resource.type),
      resource: (e) => fits([e.resource, ...(e.related ?? [])].flatMap(names)), outcome: (e) => fits(e.outcome ?? "success"), severity: (e) => fits(e.severity), ip: (e) => fits(e.context?.ip), request: (e) => fits(e.context?.request),
      session: (e) => fits(e.context?.session), batch: (e) => fits(e.batch), change: (e) => fits((e.changes ?? []).map(({ path }) => path)), is: (e) => values.some((v) => e.outcome === v || e.marks?.includes(v) || (v === "batch" && e.batch)),
    }[field] ?? (field ? null : (e) => values.some((value) => JSON.stringify([e.actor, e.resource, e.related, e.reason, e.changes]).toLowerCase().includes(value)));
    if (!test) throw new Refused(400, { title: "The query cannot be understood", detail: `There is no field ${field}.`, remedy: "Use one of actor, action, kind, type, resource, change, ip, request, is.", start: found.index, end: found.index + whole.length });
    tests.push(minus ? (e) => !test(e) : test);
  }
  return (entry) => tests.every((test) => test(entry));
}

function bounds(given) {
  const range = given.get("range");
  if (!range) return [given.get("since") ? Date.parse(given.get("since")) : -Infinity, given.get("until") ? Date.parse(given.get("until")) : Infinity];
  const tz = given.get("tz") || "UTC";
  const shown = new Date(new Date(now).toLocaleString("en-US", { timeZone: tz }));
  const ahead = Math.round((shown - new Date(new Date(now).toLocaleString("en-US", { timeZone: "UTC" }))) / 60_000) * 60_000;
  const until = Math.floor((now + ahead) / DAY) * DAY - ahead + DAY;
  return [until - parseInt(range, 10) * DAY, until];
}

function select(given) {
  const fits = matcher(given.get("q") ?? "");
  const [since, until] = bounds(given);
  return listed.filter(({ entry }) => { const at = Date.parse(entry.occurred_at); return at >= since && at < until && fits(entry); });
}

const hide = (value) => (typeof value === "string" ? { $: "hidden" } : value);

function sentence({ entry, provider }, lang) {
  const template = pick(ACTIONS[entry.action].slice(2), lang);
  const part = ({ type, id, name }) => ({ text: name ?? id, type, id });
  const absorbed = entry.related?.find(({ rel }) => rel === "absorbed");
  return { template, parts: { actor: part(entry.actor), resource: part(entry.resource), ...(absorbed && { absorbed: part(absorbed) }), ...(provider && { provider: { text: provider, type: "", id: "" } }) } };
}

function summary(one, lang, reader) {
  const { entry } = one;
  const { changes, details, context, cause, ...rest } = entry;
  const second = one.second ?? (entry.reason ? { form: "reason", text: entry.reason.text } : changes ? { form: "changes", changes: changes.slice(0, 2).map((change) => ({ ...change, label: pick(LABELS[change.path], lang) ?? change.path })) } : { form: null });
  return { outcome: "success", ...rest, source: context.source, country: context.country, city: context.city, ip: reader ? hide(context.ip) : context.ip, sentence: sentence(one, lang), second };
}

function detail(one, lang, reader) {
  const entry = structuredClone(one.entry);
  if (reader) {
    entry.context.ip = hide(entry.context.ip);
    entry.actor.email = hide(entry.actor.email);
    for (const change of entry.changes ?? []) if (change.class === "personal") for (const name of ["before", "after"]) if (name in change) change[name] = { $: "hidden" };
  }
  const labels = Object.fromEntries(Object.entries(LABELS).map(([path, pair]) => [path, pick(pair, lang)]));
  const { second } = summary(one, lang, reader);
  const cause = byId.get(entry.cause);
  return { entry, sentence: sentence(one, lang), second, labels, ...(cause && { cause: summary(cause, lang, reader) }), removed_on: new Date(Date.parse(entry.recorded_at) + 90 * DAY).toISOString() };
}

function histogram(given) {
  const found = select(given);
  let [since, until] = bounds(given);
  if (since === -Infinity) since = Date.parse(listed.at(-1).entry.occurred_at);
  if (until === Infinity) until = now;
  const step = [0.25, 1, 3, 6, 12, 24].map((hours) => hours * 3_600_000).find((size) => (until - since) / size <= 96) ?? DAY;
  const count = Math.max(1, Math.ceil((until - since) / step));
  const buckets = Array.from({ length: count }, (_, n) => ({ start: new Date(since + n * step).toISOString(), end: new Date(since + (n + 1) * step).toISOString(), counts: {} }));
  const kinds = {};
  for (const { entry } of found) {
    const { counts } = buckets[Math.min(count - 1, Math.floor((Date.parse(entry.occurred_at) - since) / step))];
    counts[entry.kind] = (counts[entry.kind] ?? 0) + 1;
    kinds[entry.kind] = (kinds[entry.kind] ?? 0) + 1;
  }
  return { buckets, total: { value: found.length, exact: true }, kinds };
}

function facets(given) {
  const field = given.get("field");
  const counts = new Map();
  for (const { entry } of select(given)) {
    const value = { actor: entry.actor.id, action: entry.action, kind: entry.kind, category: entry.action.split(".")[0], type: entry.resource.type, resource: `${entry.resource.type}:${entry.resource.id}` }[field];
    const one = counts.get(value) ?? { value, label: { actor: entry.actor.name ?? entry.actor.id, resource: entry.resource.name ?? entry.resource.id }[field] ?? value, count: 0, type: { actor: entry.actor.type, resource: entry.resource.type }[field] };
    one.count += 1;
    counts.set(value, one);
  }
  const prefix = (given.get("prefix") ?? "").toLowerCase();
  return { values: [...counts.values()].filter(({ label }) => label.toLowerCase().startsWith(prefix)).sort((a, b) => b.count - a.count).slice(0, Number(given.get("limit") ?? 50)), exact: true };
}

/** Exports by their ids. */
const jobs = new Map();

async function api(mode, method, path, given, request) {
  const lang = given.get("lang") ?? "en";
  const reader = mode === "reader";
  if (mode === "error") throw new Refused(503, { title: "The log is busy", detail: "The database did not answer in time.", remedy: "Try again in a moment.", request_id: "req_7f21c0" });
  if (mode === "denied") throw new Refused(403, { title: "Denied", detail: "This needs the permission audit:read.", remedy: "An administrator of the workspace can give it to you." });
  if (mode === "expired") throw new Refused(401, { title: "The token is no longer valid" });
  if (mode === "slow") await new Promise((done) => setTimeout(done, 6000));
  if (path === "catalog") {
    const pairs = (table) => Object.entries(table).map(([value, pair]) => ({ value, label: pick(pair, lang) }));
    return { actions: Object.entries(ACTIONS).map(([name, [kind]]) => ({ name, kind, category: name.split(".")[0], label: name })), kinds: pairs(KINDS), types: pairs(TYPES), categories: pairs({ ...TYPES, auth: ["Sign-in", "Acceso"] }) };
  }
  if (path === "retention") return { days: 90, classes: {}, first: 3120, oldest_at: listed.at(-1).entry.occurred_at, purges: [{ at: new Date(now - DAY).toISOString(), entries: 3120, until: new Date(now - 84 * DAY).toISOString(), index: 12 }] };
  if (mode === "empty") return path === "entries" ? { items: [], next: null, count: { value: 0, exact: true }, head: { size: 0, first: 0 } } : path === "histogram" ? { buckets: [], total: { value: 0, exact: true }, kinds: {} } : { values: [], exact: true };
  if (path === "entries") {
    const found = select(given);
    const from = Number(given.get("cursor") ?? 0);
    const to = from + Number(given.get("limit") ?? 50);
    return { items: found.slice(from, to).map((one) => summary(one, lang, reader)), next: to < found.length ? String(to) : null, count: { value: found.length, exact: true }, head: { size: told.length, first: 0 } };
  }
  if (path === "histogram") return histogram(given);
  if (path === "facets") return facets(given);
  if (path === "exports" && method === "POST") {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const asked = JSON.parse(Buffer.concat(chunks));
    const query = new URLSearchParams(Object.entries(asked).filter(([, value]) => value));
    const value = select(query).length;
    const job = { id: String(jobs.size + 1), state: "waiting", filename: `audit-log.${asked.format}`, count: { value, exact: true }, done: 0, query };
    jobs.set(job.id, job);
    return job;
  }
  if (path === "exports") return { items: [...jobs.values()].reverse() };
  const [, id, link] = /^exports\/(\d+)(\/link)?$/.exec(path) ?? [];
  if (id) {
    const job = jobs.get(id);
    if (!job) throw new Refused(404, { title: "There is no such export" });
    if (method === "DELETE") return jobs.delete(id), null;
    if (link) return { href: `/export/${id}`, filename: job.filename };
    // A fifth of it between two questions: the dialog has something to show.
    job.done = Math.min(job.count.value, job.done + Math.ceil(job.count.value / 5));
    job.state = job.done === job.count.value ? "ready" : "running";
    return job;
  }
  const [, key, tail] = /^entries\/([^/]+)(\/proof)?$/.exec(path) ?? [];
  const one = /^\d+$/.test(key ?? "") ? told[Number(key)] : byId.get(key);
  if (!one) throw new Refused(404, { title: "There is no such entry", detail: `The log has no entry ${key}.`, remedy: "Check the link." });
  if (!tail) {
    const answer = detail(one, lang, reader);
    if (mode === "tampered") answer.entry.actor.name = "Somebody Else";
    return answer;
  }
  const proof = log.prove(one.entry.index);
  return mode === "plain" || mode === "reader" ? { ...proof, fields: undefined } : proof;
}

async function file(base, name, answer) {
  const body = await readFile(new URL(name, base));
  answer.writeHead(200, { "content-type": TYPE[name.split(".").at(-1)], "content-security-policy": POLICY, "cache-control": "no-store" }).end(body);
}

createServer(async (request, answer) => {
  const { pathname, searchParams } = new URL(request.url, "http://localhost");
  try {
    const [, mode, path] = /^\/(?:(\w+)\/)?v1\/(.+)$/.exec(pathname) ?? [];
    const [, made] = /^\/export\/(\d+)$/.exec(pathname) ?? [];
    if (made) {
      answer.writeHead(200, { "content-type": "application/octet-stream", "content-disposition": "attachment" });
      return answer.end(select(jobs.get(made).query).map(({ entry }) => JSON.stringify(entry)).join("\n"));
    }
    if (path) {
      const body = JSON.stringify(await api(mode, request.method, path, searchParams, request));
      return answer.writeHead(200, { "content-type": "application/json" }).end(body);
    }
    if (pathname.startsWith("/static/")) return await file(STATIC, pathname.slice(8), answer);
    if (/^\/page\.(js|css)$/.test(pathname)) return await file(HERE, pathname.slice(1), answer);
    if (/^\/\w*$/.test(pathname)) return await file(HERE, "page.html", answer);
    answer.writeHead(404).end();
  } catch (error) {
    const status = error.status ?? (error.code === "ENOENT" ? 404 : 500);
    answer.writeHead(status, { "content-type": "application/problem+json" }).end(JSON.stringify({ status, ...(error.body ?? { title: error.message }) }));
  }
}).listen(PORT, "127.0.0.1", () => console.log(`http://127.0.0.1:${PORT} · ${told.length} entries`));
