// Why, and the facts: when, who, what, from where. Every value can be filtered by; resources have a history.

import { html, nothing, type TemplateResult } from "lit";
import { ms } from "../lib/format.js";
import type { Host } from "../lib/host.js";
import { actorIcon, icon, typeIcon } from "../lib/icons.js";
import { humane } from "../lib/labels.js";
import { DAY, utc } from "../lib/time.js";
import type { Actor, Detail, Resource } from "../lib/types.js";
import { START } from "../lib/url.js";
import { avatar } from "./avatar.js";
import { link, moments, sentence, shown } from "./row.js";
import { isMarker } from "./value.js";

const AROUND = 600_000;
const STOPPED = /\.(paused|cancelled|failed|stopped)$/;

/** The reason in words and the way to the entry that caused this one. */
export function why(host: Host, { entry, cause, second }: Detail): unknown {
  const { words } = host;
  const text = second.form === "reason" ? shown(host, second.text) : "";
  if (!text && !entry.cause) return nothing;
  const origin = cause
    ? html`<p>${words.tx("why.cause", { cause: html`<i>${sentence(host, cause.sentence, 0, true)}</i>` })}
        ${link(host, { entry: String(cause.index), tab: "changes" }, words.t("why.link"))}</p>`
    : entry.cause
      ? html`<p>${words.t("why.gone")}</p>`
      : nothing;
  return html`<div class="why">${icon(STOPPED.test(entry.action) ? "warn" : "arrow")}<div><b>${words.t(STOPPED.test(entry.action) ? "why.stopped" : "why.title")}</b>${text ? html`<p><bdi>${text}</bdi></p>` : nothing}${origin}</div></div>`;
}

export function facts(host: Host, { entry, cause, removed_on: removed, held, labels = {} }: Detail, history: (type: string, id: string) => void): TemplateResult {
  const { words, clock } = host;
  const { actor, context = {} } = entry;
  const at = ms(entry.occurred_at);
  const late = ms(entry.recorded_at) - at;
  const leaves = ms(removed ?? 0);
  const fact = (label: string, content: unknown, field?: string, value?: string, resource?: Resource): TemplateResult =>
    html`<dt>${label}</dt><dd data-field=${field ?? nothing} data-value=${value ?? nothing}>${content}${field && value
      ? html`<span class="ops"><button class="tag" aria-label=${words.t("fact.filter.label", { value })} @click=${() => host.filter(field, value)}>${words.t("fact.filter")}</button>${resource
          ? html`<button class="tag" aria-label=${words.t("fact.history.label", { value })} @click=${() => history(resource.type, resource.id)}>${words.t("fact.history")}</button>`
          : nothing}</span>`
      : nothing}</dd>`;
  const place = [shown(host, context.city), context.country ? words.country(context.country) : ""].filter(Boolean).join(", ");
  const device = isMarker(context.user_agent) ? shown(host, context.user_agent) : browser(host, context.user_agent ?? "");
  const where = [place, device].filter(Boolean).join(" · ");
  const ip = context.ip;
  return html`<dl class="meta">
    ${fact(words.t("fact.when"), html`<time datetime=${entry.occurred_at} title=${moments(host, entry.occurred_at, entry.recorded_at)}>${clock.full(at)}</time>
      <span class="mute">${clock.zoneText(at)} · ${clock.ago(at)}${late > 2000 ? html` · ${words.t("fact.arrived", { later: words.duration(late) })}` : nothing}</span>
      ${held ? html`<span class="tag">${words.t("fact.held")}</span>` : leaves && leaves - clock.now() < 7 * DAY ? html`<span class="tag a">${words.t("fact.removed", { day: clock.as("date", leaves) })}</span>` : nothing}
      <span class="ops"><button class="tag" @click=${() => host.go({ ...START, tz: host.state.tz, range: "custom", since: utc(at - AROUND), until: utc(at + AROUND), entry: host.wide ? host.state.entry : null })}>${words.t("fact.around")}</button></span>`)}
    ${fact(words.t("fact.who"), who(host, actor), "actor", actor.id)}
    ${actor.on_behalf_of ? fact(words.t("fact.behalf"), who(host, actor.on_behalf_of), "actor", actor.on_behalf_of.id) : nothing}
    ${fact(words.t("fact.resource"), what(host, entry.resource), "resource", `${entry.resource.type}:${entry.resource.id}`, entry.resource)}
    ${(entry.related ?? []).map((one) => fact(words.maybe(`rel.${one.rel}`) ?? labels[`related.${one.rel}`] ?? humane(one.rel), what(host, one), "resource", `${one.type}:${one.id}`, one))}
    ${cause ? fact(words.t("fact.cause"), html`${icon(actorIcon(cause.actor.type))}<span><bdi>${shown(host, cause.actor.name, cause.actor.id)}</bdi></span> <span class="mute mono" translate="no"><bdi>${cause.action}</bdi></span>`) : nothing}
    ${ip || where ? fact(words.t("fact.from"), html`${icon("web")}${ip ? html`<span><bdi>${shown(host, ip)}</bdi></span>` : nothing} <span class="mute">${where}</span>`, typeof ip === "string" ? "ip" : undefined, typeof ip === "string" ? ip : undefined) : nothing}
    ${(["request", "session"] as const).map((name) => (context[name] ? fact(words.t(`fact.${name}`), html`<span class="mono" translate="no"><bdi>${context[name]}</bdi></span>`, name, context[name]) : nothing))}
    ${entry.batch ? fact(words.t("fact.batch"), html`<span class="mono" translate="no"><bdi>${entry.batch}</bdi></span>`, "batch", entry.batch) : nothing}
    ${entry.erased ? fact(words.t("fact.erased"), html`<span>${clock.as("date", ms(entry.erased.at))}</span> ${link(host, { entry: String(entry.erased.record), tab: "changes" }, words.t("fact.erased.record"))}`) : nothing}
    ${entry.outcome && entry.outcome !== "success" ? fact(words.t("fact.outcome"), html`<span class="tag r">${words.t(`outcome.${entry.outcome}`)}</span>`, "outcome", entry.outcome) : nothing}
  </dl>`;
}

/** Name, then role and address as they were at that moment. */
function who(host: Host, actor: Actor): TemplateResult {
  const { words } = host;
  const name = shown(host, actor.name, actor.id);
  const kind = actor.type === "user" ? [actor.role ?? "", shown(host, actor.email)] : [words.t(`actor.${actor.type}`), actor.role ?? ""];
  return html`${avatar({ ...actor, name }, actorIcon(actor.type))}<span><bdi>${name}</bdi></span> <span class="mute"><bdi>${kind.filter(Boolean).join(" · ")}</bdi></span>`;
}

function what(host: Host, resource: Resource): TemplateResult {
  return html`<span class="ty" title=${host.labels.type(resource.type)}>${icon(typeIcon(resource.type))}</span><span><bdi>${shown(host, resource.name, host.labels.type(resource.type))}</bdi></span> <span class="mute mono" translate="no"><bdi>${resource.id}</bdi></span>`;
}

const BROWSERS: [RegExp, string][] = [[/Edg\//, "Edge"], [/OPR\//, "Opera"], [/Firefox\//, "Firefox"], [/Chrome\//, "Chrome"], [/Safari\//, "Safari"]];
const SYSTEMS: [RegExp, string][] = [[/Windows/, "Windows"], [/iPhone|iPad/, "iOS"], [/Mac OS X/, "macOS"], [/Android/, "Android"], [/Linux/, "Linux"]];

/** A browser's name and system from its user agent; a program's own name otherwise. */
function browser(host: Host, agent: string): string {
  const name = BROWSERS.find(([sign]) => sign.test(agent))?.[1];
  const system = SYSTEMS.find(([sign]) => sign.test(agent))?.[1];
  return name && system ? host.words.t("fact.device", { browser: name, system }) : agent.slice(0, 60);
}
