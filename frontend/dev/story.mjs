// The story the development server tells: a marketing workspace with the threads that an audit log is opened for, on
// top of ninety days of ordinary work. Deterministic but for the present moment, from which everything counts back.

import { createHash } from "node:crypto";
import { ACTIONS } from "./catalog.mjs";

const MINUTE = 60_000;
const DAY = 86_400_000;
const CHROME = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36";
const FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0";

const person = (id, name, role) => ({ type: "user", id, name, email: `${name.split(" ")[0].toLowerCase()}@casalumen.es`, role });
const P = {
  maria: person("usr_2M", "Maria Torres", "Manager"), priya: person("usr_3P", "Priya Nair", "Marketing"), aisha: person("usr_1A", "Aisha Khan", "Owner"),
  joao: person("usr_7J", "João Silva", "Agent"), tomas: person("usr_4T", "Tomás Ruiz", "Admin"), lucia: person("usr_9L", "Lucía Gil", "Agent"),
  crm: { type: "api_key", id: "key_crm", name: "CRM sync" }, guard: { type: "system", id: "campaign-guard", name: "Campaign guard", role: "stop when template pauses" },
  scheduler: { type: "scheduler", id: "scheduler", name: "Scheduler" }, whatsapp: { type: "provider", id: "whatsapp", name: "WhatsApp" }, nobody: { type: "anonymous", id: "anonymous" },
};
const MADRID = { source: "web", ip: "83.45.112.20", user_agent: CHROME, country: "ES", city: "Madrid" };
const LISBON = { source: "sso", ip: "188.82.10.7", user_agent: FIREFOX, country: "PT", city: "Lisbon" };
const res = (type, id, name) => ({ type, id, name });
const DIWALI = res("campaign", "cmp_8Q2F", "Diwali early access");
const OFFER = res("template", "tpl_6D1W", "diwali_offer_2026");
const FIRST = ["Ana", "Luis", "Carmen", "Rahul", "Neha", "Marta", "Iván", "Sofía", "Diego", "Elena", "Pablo", "Lucía", "Zoe", "Hugo", "Inés"];
const LAST = ["García", "Pérez", "Ferrer", "Shah", "Ruiz", "Moreno", "Vega", "Santos", "Molina", "Ortega", "Kumar", "Silva"];

/** Small steady random numbers: the same story at every start. */
function dice(seed) {
  let state = seed;
  return () => (state = (state * 16807) % 2147483647) / 2147483647;
}

const BEFORE = `Hi {{1}}, your order {{2}} has been confirmed and will arrive soon. Track it any time with the button below.`;
const AFTER = `Hi {{1}}, your order {{2}} is on its way and should arrive by {{3}}. Track it any time with the button below.`;

/** What was planted, newest first: [minutes ago, actor, action, resource, the rest]. */
const THREADS = [
  [3, P.maria, "contact.deleted", res("contact", "con_5JP2", "Juan Pérez"), { reason: { code: "request", text: "Asked to be removed by phone, ticket #2231" }, changes: [{ path: "name", op: "remove", before: "Juan Pérez", class: "personal" }, { path: "phone_e164", op: "remove", before: "+34 611 330 118", class: "personal" }, { path: "tags", op: "set", removed: ["vip", "newsletter"] }] }],
  [7, P.maria, "contact.merged", res("contact", "con_4H7P", "Ana García López"), {
    related: [{ ...res("contact", "con_9K1D", "Ana Garcia"), rel: "absorbed" }], second: { form: "summary", text: "Took email, birthday and consent; moved 38 messages and 1 tag" },
    changes: [{ path: "email", op: "add", after: "ana.gl@correo.es", class: "personal", from: "con_9K1D" }, { path: "tags", op: "set", added: ["ramadan-24"] }, { path: "consent.marketing", before: "opted_in", after: "opted_out", from: "con_9K1D" }],
    details: { survivor: "con_4H7P", absorbed: "con_9K1D", matched_by: ["phone_e164"], moved: { messages: 38, notes: 4, campaign_memberships: 2, call_logs: 0 }, fields: [
      { path: "name", survivor: "Ana García López", absorbed: "Ana Garcia", winner: "survivor", rule: "survivor_has_value" }, { path: "phone_e164", survivor: "+34 611 204 880", absorbed: "0611 204880", winner: "survivor", rule: "normalised_equal" },
      { path: "email", survivor: null, absorbed: "ana.gl@correo.es", winner: "absorbed", rule: "survivor_empty" }, { path: "birthday", survivor: null, absorbed: "12 May", winner: "absorbed", rule: "survivor_empty" },
      { path: "city", survivor: "Madrid", absorbed: "Getafe", winner: "survivor", rule: "chosen_by_user" }, { path: "tags", survivor: ["vip", "newsletter"], absorbed: ["newsletter", "ramadan-24"], winner: "union" },
      { path: "consent.marketing", survivor: "given, 3 Mar 2025", absorbed: "withdrawn, 9 Oct 2026", winner: "absorbed", rule: "strictest_wins" }] } }],
  [14, P.guard, "campaign.paused", DIWALI, { cause: "status", reason: { code: "template_paused", text: "Template diwali_offer_2026 was paused by WhatsApp for low quality" }, related: [{ ...OFFER, rel: "cause" }], context: { source: "job", request: "req_01K9ZT4M" },
    changes: [{ path: "status", before: "running", after: "paused" }, { path: "pause.reason", op: "add", after: "template_paused" }, { path: "pause.resume", op: "add", after: "manual, after approval" }, { path: "next_batch_at", op: "remove", before: "2026-11-20T13:22:00Z" }], details: { sent: 8214, audience: 20000, waiting: 11786, provider_code: 132015 } }],
  [14.02, P.whatsapp, "template.status_changed", OFFER, { key: "status", context: { source: "webhook", request: "req_01K9ZT4M" }, changes: [{ path: "status", before: "approved", after: "paused" }, { path: "paused_until", op: "add", after: "2026-11-20T16:21:40Z" }] }],
  [37, P.priya, "campaign.cancelled", res("campaign", "cmp_2WCL", "Winter clearance"), { reason: { code: "manual", text: "Wrong audience: it included people who had opted out" }, changes: [{ path: "status", before: "running", after: "cancelled" }], details: { sent: 412, audience: 9030, discarded: 8618 } }],
  ...Array.from({ length: 64 }, (_, n) => [55 + n / 60, P.crm, "contact.updated", res("contact", `con_B${100 + n}`, `${FIRST[n % 15]} ${LAST[n % 12]}`), { batch: "batch-77", context: { source: "api", ip: "34.90.12.8" }, changes: [{ path: "city", before: "Getafe", after: "Madrid" }] }]),
  [140, P.aisha, "user.role_changed", res("user", "usr_7J", "João Silva"), { changes: [{ path: "role", before: "Agent", after: "Admin" }, { path: "permissions", op: "set", added: ["campaigns:start", "users:manage"] }] }],
  [144, P.joao, "auth.sso_login", res("session", "ses_88", undefined), { second: { form: "summary", text: "New device, first sign-in from Lisbon" }, context: LISBON, provider: "Google Workspace" }],
  ...Array.from({ length: 6 }, (_, n) => [168 + n, P.nobody, "auth.login_failed", res("user", "usr_2M", "Maria Torres"), { outcome: "failed", reason: { code: "wrong_password", text: "Wrong password" }, context: { source: "web", ip: "185.220.101.4", user_agent: "python-requests/2.32" } }]),
  [213, P.priya, "template.edited", res("template", "tpl_2M6X", "order_update"), { marks: ["redacted"], changes: [{ path: "components.body.text", before: BEFORE, after: AFTER }, { path: "components.buttons[0].url", before: "https://casalumen.es/orders/{{1}}", after: "https://casalumen.es/track/{{1}}" }, { path: "status", before: "approved", after: "pending" }, { path: "components.header.handle", class: "secret", before_fp: "9f2c60d1a4e1", after_fp: "41ab03cc9d77" }] }],
  [231, P.aisha, "api_key.revoked", res("api_key", "key_old", "Old website widget"), { second: { form: "summary", text: "Last used 62 days ago" }, changes: [{ path: "status", before: "active", after: "revoked" }] }],
  [245, P.scheduler, "campaign.started", DIWALI, { second: { form: "summary", text: "20,000 recipients on +34 910 555 014" }, context: { source: "job" } }],
  [277, P.tomas, "webhook.updated", res("webhook", "whk_55", "Order events"), { marks: ["redacted"], changes: [{ path: "url", before: "hooks.lumen.es/v1", after: "hooks.lumen.es/v2" }, { path: "secret", class: "secret", before_fp: "9f2c60d1a4e1", after_fp: "41ab03cc9d77" }] }],
  [323, P.maria, "account.created", res("account", "acc_20", "Casa Lumen Support"), { second: { form: "summary", text: "+34 910 555 020, quality green, portfolio limit 100,000 a day" }, changes: [{ path: "custom", op: "add", after: { hours: { mon: "9–18", sat: "10–14" }, greeting: "Hola", tags: ["support"] } }] }],
  [420, P.lucia, "contact.deleted", res("contact", "con_7Q", "Elena Vega"), { outcome: "denied", reason: { text: "Missing permission contacts:delete" } }],
  [460, P.aisha, "contact.erased", res("contact", "con_ER", undefined), { reason: { text: "Request #2244" }, changes: [{ path: "name", before: { $: "erased" }, after: { $: "erased" }, class: "personal" }], details: { fields_erased: 14, entries: 31 } }],
  [520, P.aisha, "role.updated", res("role", "rol_agent", "Agent"), { changes: [{ path: "permissions", op: "set", added: ["contacts:export"] }], details: { people: 9 } }],
  [600, P.priya, "team.modified", res("team", "tea_night", "Night shift"), { changes: [{ path: "members", before: ["Lucía Gil", "Tomás Ruiz"], after: ["João Silva", "Tomás Ruiz"] }, { path: "custom", before: { a: 1, b: { c: "x", d: [1, 2] } }, after: { a: 1, b: { c: "y", d: [1, 2] } } }] }],
  [610, P.crm, "contact.created", res("contact", "con_LATE", "<img src=x onerror=alert(1)>"), { late: 3 * 3_600_000, marks: ["late"], context: { source: "api", ip: "34.90.12.8" } }],
];

const ORDINARY = ["contact.updated", "contact.updated", "contact.updated", "contact.updated", "contact.created", "auth.login", "auth.logout", "campaign.started", "template.edited", "contact.deleted"];

/** All entries, oldest first, as they are kept; `late` and other stage directions removed. */
export function tell(now, perDay = 260) {
  const roll = dice(7);
  const pick = (list) => list[Math.floor(roll() * list.length)];
  const events = THREADS.map(([minutes, actor, action, resource, rest]) => ({ at: now - minutes * MINUTE, actor, action, resource, ...rest }));
  for (let day = 0; day < 84; day += 1) {
    const noon = Math.floor(now / DAY) * DAY - day * DAY + 12 * 3_600_000;
    const quiet = [0, 6].includes(new Date(noon).getUTCDay()) ? 0.25 : 1;
    for (let n = 0; n < perDay * quiet * (0.7 + roll() * 0.6); n += 1) {
      const at = noon + ((roll() + roll() + roll()) / 3 - 0.5) * 20 * 3_600_000;
      if (at > now - 620 * MINUTE) continue;
      const action = pick(ORDINARY);
      const type = action.split(".")[0];
      const actor = type === "contact" && roll() < 0.5 ? P.crm : action === "campaign.started" ? P.scheduler : pick([P.maria, P.priya, P.aisha, P.joao, P.tomas, P.lucia]);
      const who = `${pick(FIRST)} ${pick(LAST)}`;
      const resource = { contact: () => res("contact", `con_${Math.floor(roll() * 4000)}`, who), template: () => res("template", "tpl_2M6X", "order_update"), campaign: () => res("campaign", `cmp_${Math.floor(roll() * 30)}`, "Loyalty points reminder"), auth: () => res("session", `ses_${n}`, undefined) }[type]();
      const changes = action === "contact.updated" ? [{ path: "city", before: "Getafe", after: pick(["Madrid", "Lisbon", "Valencia"]) }] : action === "template.edited" ? [{ path: "components.body.text", before: BEFORE, after: AFTER }] : undefined;
      events.push({ at, actor, action, resource, changes, reason: action === "contact.deleted" ? { text: "Duplicate" } : undefined });
    }
  }
  events.sort((a, b) => a.at + (a.late ?? 0) - (b.at + (b.late ?? 0)));
  const ids = new Map();
  return events.map(({ at, late = 0, key, cause, second, provider, ...event }, index) => {
    const hash = createHash("sha256").update(`${index}`).digest("hex");
    const id = `019ab${hash.slice(0, 3)}-${hash.slice(3, 7)}-7${hash.slice(7, 10)}-8${hash.slice(10, 13)}-${hash.slice(13, 25)}`;
    if (key) ids.set(key, id);
    const [kind, severity] = ACTIONS[event.action];
    const context = event.context ?? (event.actor.type === "user" ? { ...MADRID, request: `req_${hash.slice(0, 10)}` } : { source: event.actor.type === "api_key" ? "api" : "job" });
    const stamp = (ms) => new Date(ms).toISOString().replace("Z", `${String(index % 1000).padStart(3, "0")}Z`);
    const clean = Object.fromEntries(Object.entries(event).filter(([, value]) => value !== undefined));
    const entry = { workspace: "casa-lumen", index, id, occurred_at: stamp(at), recorded_at: stamp(at + late + 13), kind, severity, ...clean, context };
    if (cause) entry.cause = ids.get(cause);
    return { entry, second, provider };
  });
}
