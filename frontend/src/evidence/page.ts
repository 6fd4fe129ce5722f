// The page of an evidence file: reads the data beside it, verifies it, and says what was found. Without data it is the stand-alone
// verifier: it opens the file that somebody chooses or drops. It asks nothing of anybody: its policy forbids every connection.

import { toHex } from "../lib/bytes.js";
import { digest } from "./hash.js";
import { bytes } from "./mathematics.js";
import { FACTS, type Code, type Level, type State, type Verdict } from "./verdict.js";
import { verify } from "./verify.js";
import { question, tell, time, type Told } from "./words.js";

const STATES: Record<State, string> = { held: "Proven", part: "Proven in part", failed: "Not proven", absent: "Not in this file" };
const PLACES: Partial<Record<Code, string>> = { salt: "Segment", index: "Segment", dated: "Segment", volume: "Volume", anchor: "Anchor", linked: "Link" };
const LEVELS = {
  c0: ["C0", "Order"],
  c1: ["C1", "Every header"],
  c2: ["C2", "Every answer"],
  c3: ["C3", "Content"],
  c4: ["C4", "The world"],
} as const;
// In parts, so that no file holds it twice.
const OPEN = ["<script", 'id="evidence"', 'type="application/json">'].join(" ");

type Child = Node | string | null | false;

/** An element; children that are texts stay texts, whatever they hold. */
function h(name: string, names: string, ...children: Child[]): HTMLElement {
  const element = document.createElement(name);
  if (names) element.className = names;
  element.append(...children.filter((child): child is Node | string => child !== null && child !== false));
  return element;
}

/** Cut the data out of a whole file, as whodid.evidence.page does. */
export function extract(file: string): string {
  const parts = file.split(OPEN);
  const end = parts[1]?.indexOf("</script>") ?? -1;
  return parts.length === 2 && end >= 0 ? (parts[1] as string).slice(0, end) : "";
}

async function show(data: string): Promise<void> {
  const page = document.querySelector("main") as HTMLElement;
  page.replaceChildren(h("p", "note", "Checking…"));
  const began = performance.now();
  const verdict = await verify(data);
  const took = performance.now() - began;
  page.replaceChildren(...drawn(verdict, took));
  page.dataset.verdict = verdict.ok ? "ok" : (verdict.problems[0]?.code ?? "");
  page.dataset.took = took.toFixed(1);
  const opinion = page.querySelector("#opinion");
  if (opinion && verdict.signed) opinion.textContent = await second(verdict.signed);
}

/** What the browser's own cryptography says of the signature. */
async function second({ public: key, message, signature }: NonNullable<Verdict["signed"]>): Promise<string> {
  try {
    const known = await crypto.subtle.importKey("raw", key as BufferSource, { name: "Ed25519" }, false, ["verify"]);
    const holds = await crypto.subtle.verify("Ed25519", known, signature as BufferSource, message as BufferSource);
    return holds ? "This browser’s own cryptography agrees." : "This browser’s own cryptography does NOT agree: do not rely on this page.";
  } catch {
    return "This browser has no cryptography of its own to ask.";
  }
}

function* drawn(verdict: Verdict, took: number): Generator<HTMLElement> {
  yield banner(verdict);
  const { evidence, signed, counts, cover } = verdict;
  if (evidence) {
    yield h("section", "", h("h2", "", "What the file claims"), facts([
      ["Claim", question(evidence.statement)],
      ["Log", signed?.origin ?? "not known"],
      ["Reaches", cover ? reach(verdict) : "not known"],
      ["Says of itself, not proven", `workspace ${evidence.statement.workspace}, made ${time(evidence.statement.made_at)} by ${evidence.statement.made_by.name || "an actor"} (${evidence.statement.made_by.type} ${evidence.statement.made_by.id})`],
    ]));
  }
  yield h("section", "", h("h2", "", "What was found"), h("ul", "verdict", signature(verdict),
    ...anchors(verdict), ...(Object.keys(LEVELS) as (keyof typeof LEVELS)[]).map((name) => level(name, verdict.levels[name]))));
  if (signed) yield keys(signed.vkey, signed.fingerprint);
  if (verdict.problems.length > 1) {
    yield h("section", "", h("h2", "", "All problems"), h("ol", "", ...verdict.problems.map((problem) => h("li", "", told(problem)))));
  }
  if (evidence && cover) {
    yield h("section", "", h("h2", "", verdict.ok ? "The answer" : "What the file shows, not to be relied on"), h("p", "note", numbers(counts)),
      h("ol", "entries", ...verdict.answers.map((entry) => row(tellSafely(entry, verdict), verdict.problems.find((one) => one.index === entry.index && PLACED.includes(one.code))))), ...gone(verdict));
  }
  yield h("footer", "", h("p", "", `Checked on this device in ${took.toFixed(0)} ms, without a connection. `, h("span", "opinion", "")),
    h("p", "", "A page that checks itself convinces only who trusts its script. The script of this page has the SHA-256 ", h("code", "", SCRIPT), ". To check without it: ", h("code", "", "whodid verify FILE --key VKEY"), ", or open this file in the verifier of an installation that you trust."));
}

function banner({ ok, problems }: Verdict): HTMLElement {
  const first = problems[0];
  return h("header", ok ? "good" : "bad",
    h("p", "brand", "whodid evidence"),
    h("h1", "", ok ? "Nothing is wrong with this file" : "Do not rely on this file"),
    h("p", "", ok ? "Everything below was recorded as it stands. Whose key signed it is yours to compare." : `${first ? told(first) : ""}`));
}

function told({ code, index }: Verdict["problems"][number]): string {
  const place = index === null ? "" : `${PLACES[code] ?? "Entry"} ${index}: `;
  return `${place}${FACTS[code]}.`;
}

function reach({ cover, evidence }: Verdict): string {
  if (!cover) return "";
  const start = cover.first === 0 ? "from the beginning of the log" : `from entry ${cover.start}; nothing is said of what was recorded before`;
  const times = cover.recordedLast ? `, recorded ${time(cover.recordedFirst)} to ${time(cover.recordedLast)}` : "";
  return `${start}, to entry ${cover.stop - 1}${times}; ${evidence?.seals.length ?? 0} seals`;
}

function numbers(counts: Verdict["counts"]): string {
  const parts = [
    `${many(counts.shown, "entry", "entries")} shown`,
    `${many(counts.redacted, "field")} withheld by whoever made the file`,
    `${many(counts.erased, "field")} erased from the log`,
    `${many(counts.purged, "entry", "entries")} purged by retention`,
  ];
  return `${parts.join(" · ")}.`;
}

function many(count: number, one: string, more = `${one}s`): string {
  return `${count} ${count === 1 ? one : more}`;
}

function signature({ signed, trusted }: Verdict): HTMLElement {
  const words = signed
    ? `A key signed the log at ${signed.size} entries. ${trusted ? "It is one that you trust." : "The file brought the key along: compare it below."} `
    : "The signed head of the log does not hold.";
  return line(signed ? "held" : "failed", "Signature", signed ? "Holds" : "Does not hold", words, signed ? h("span", "", "") : null, "opinion");
}

/** Heads that somebody outside may have seen: that the log went on from them is checked here, who they are is not. */
function anchors({ anchors, linked }: Verdict): HTMLElement[] {
  const told = (size: number, others: string[], stamp: string, more: string): HTMLElement => {
    const who = [others.length ? `signatures that name ${others.join(", ")}` : "", stamp ? "a time stamp (RFC 3161)" : ""].filter(Boolean).join(", and ");
    return line("part", "Anchor", "Linked", `The log went on from a head of ${many(size, "entry", "entries")}${more}${who ? ` that carries ${who}: not checked here, whodid verify does it with --policy and --stamps` : ""}.`);
  };
  return [
    ...anchors.map(({ size, others, stamp, after }) => told(size, others, stamp, after === null ? "" : `, and entries from ${after} on were recorded after it,`)),
    ...linked.map(({ size, name, others, stamp }) => told(size, others, stamp, `, by a head of the anchor log ${name}`)),
  ];
}

function level(name: keyof typeof LEVELS, { state, words }: Level): HTMLElement {
  const [short, title] = LEVELS[name];
  return line(state, `${short} · ${title}`, name === "c4" ? "Not provable" : STATES[state], `${words}.`);
}

function line(state: State, title: string, verdict: string, words: string, more: HTMLElement | null = null, id = ""): HTMLElement {
  if (more) more.id = id;
  return h("li", state, h("strong", "", title), h("em", "", verdict), h("span", "", words, more));
}

function keys(vkey: string, fingerprint: string): HTMLElement {
  const answer = h("output", "", "");
  const field = document.createElement("input");
  field.setAttribute("aria-label", "Key or fingerprint that you got from elsewhere");
  field.placeholder = "Paste the key or fingerprint that you got from elsewhere";
  field.spellcheck = false;
  field.addEventListener("input", () => {
    const given = field.value.replaceAll(/\s/g, "");
    const same = given === vkey || given.toLowerCase() === fingerprint;
    answer.textContent = given && (same ? "This is the key that signed." : "This is another key.");
    answer.className = same ? "held" : "failed";
  });
  return h("section", "", h("h2", "", "The key"), facts([["Fingerprint", (fingerprint.match(/.{8}/g) ?? []).join(" ")], ["Verifier key", vkey]], "mono"), h("p", "compare", field, answer));
}

function facts(rows: [string, string][], names = ""): HTMLElement {
  return h("dl", names, ...rows.flatMap(([name, value]) => [h("dt", "", name), h("dd", "", h("bdi", "", value))]));
}

/** An entry that cannot be told is named all the same: authentic content is not always well made. */
function tellSafely(entry: Verdict["answers"][number], { evidence }: Verdict): Told {
  try {
    return tell(entry, evidence?.reasons.some(({ why, index }) => why === "erased" && index === entry.index) ?? false);
  } catch {
    return { ...EMPTY, index: entry.index, recordedAt: time(entry.recorded_at), sentence: "An entry that this page cannot put into words" };
  }
}

const EMPTY: Told = { index: 0, id: "", occurredAt: "", recordedAt: "", sentence: "", why: "", changes: [], facts: [], redacted: 0, erased: 0 };

/** Problems whose place is an entry, not a segment. */
const PLACED = ["entry", "order", "carry", "tags", "lacking", "extra", "reason"];

function row(entry: Told, wrong?: Verdict["problems"][number]): HTMLElement {
  const less = [entry.redacted && `${many(entry.redacted, "field")} withheld`, entry.erased && `${many(entry.erased, "field")} erased`].filter(Boolean).join(", ");
  const table = h("table", "", h("thead", "", h("tr", "", ...["Changed", "Before", "After"].map((title) => h("th", "", title)))),
    h("tbody", "", ...entry.changes.map(({ path, before, after }) => h("tr", "", h("th", "", h("bdi", "", path)), h("td", "before", h("bdi", "", before)), h("td", "after", h("bdi", "", after))))));
  return h("li", wrong ? "wrong" : "", wrong ? h("p", "flaw", told(wrong)) : null, h("p", "sentence", h("bdi", "", entry.sentence)),
    h("p", "note", `${entry.occurredAt || entry.recordedAt} · entry ${entry.index}${less ? ` · ${less}` : ""}`),
    entry.why ? h("p", "why", `“${entry.why}”`) : null,
    entry.changes.length ? table : null,
    h("details", "", h("summary", "", "Everything about it"), facts([...entry.facts, ["Recorded", entry.recordedAt], ["Id", entry.id]])));
}

function gone({ evidence, counts }: Verdict): HTMLElement[] {
  if (!evidence?.reasons.length || !counts) return [];
  const items = evidence.reasons.map(({ index, stop, why, record }) =>
    h("li", "", `${stop === index + 1 ? `Entry ${index}` : `Entries ${index} to ${stop - 1}`}: ${why === "purged" ? "content purged by retention" : "fields erased on request"}${record === null ? ", the record of it has been purged as well" : `, recorded as entry ${record}`}.`));
  return [h("h2", "", "What is missing, and why"), h("ul", "", ...items)];
}

/** The stand-alone verifier: a file is chosen or dropped. */
function ask(): void {
  const page = document.querySelector("main") as HTMLElement;
  const field = document.createElement("input");
  field.type = "file";
  field.accept = ".html,text/html";
  const open = async (file: File | null | undefined): Promise<void> => {
    if (!file) return;
    let data = "";
    try {
      data = extract(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await file.arrayBuffer()));
    } catch {
      // Not a text: the verdict is about nothing, and says so.
    }
    await show(data);
    page.prepend(h("p", "note", `${file.name}, read without its own script`));
  };
  field.addEventListener("change", () => void open(field.files?.[0]));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    void open(event.dataTransfer?.files[0]);
  });
  page.replaceChildren(h("header", "", h("p", "brand", "whodid evidence"), h("h1", "", "Check an evidence file"), h("p", "", "Choose the file, or drop it anywhere on this page. It stays on this device: this page has no connection to anything.")),
    h("p", "compare", field), h("footer", "", h("p", "", "The script of this verifier has the SHA-256 ", h("code", "", SCRIPT), ".")));
}

/** SHA-256 of this very script: whoever published the verifier publishes it too. */
let SCRIPT = "";

if (typeof document === "undefined") {
  Object.assign(globalThis, { verifyEvidence: verify, extractEvidence: extract });
} else {
  // On paper nothing can be opened.
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => (one.open = true)));
  SCRIPT = toHex(digest(bytes(document.currentScript?.textContent ?? "")));
  const data = document.querySelector("#evidence")?.textContent ?? "";
  if (data) void show(data);
  else ask();
}
