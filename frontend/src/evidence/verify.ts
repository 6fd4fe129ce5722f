// The verification of an evidence document, step by step as docs/spec/evidence.md has it: the twin of whodid.evidence.verify.
// Both come to the same verdict about whatever they are given.

import { equal, toHex } from "../lib/bytes.js";
import { extendsTree, Frontier, leafHash, rootOf } from "../lib/merkle.js";
import { decode, demand, namedEntries, withheld, type Evidence, type Opened, type Reason } from "./document.js";
import { digest } from "./hash.js";
import {
  base64, bytes, checkOrigin, cut, DIMENSIONS, fromHex, headerOf, holds, keyOf, openCheckpoint, readHeader, readKey, RECORDS, saltHolds, signers, tagOf, valueOf,
  type Head, type Header, type Seal, type Sealed,
} from "./mathematics.js";
import { checkCarried, checkLink, datedBy, listSalted, readBound, readChain, readPieces, type Known, type Piece } from "./pieces.js";
import { details, said } from "./said.js";
import type { Anchored, Code, Counts, Cover, Linked, Verdict } from "./verdict.js";
import { levels } from "./verdict.js";

const MOST = 100;

class Ended extends Error {}

/** Verify a document. Never throws: whatever it is, there is a verdict. `trusted` are verifier keys from elsewhere. */
export async function verify(data: string, trusted: readonly string[] = []): Promise<Verdict> {
  const work = new Verification(trusted);
  let ended = true;
  try {
    await work.run(data);
    ended = false;
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
  }
  const { evidence, problems, cover, counts, head } = work;
  return {
    ok: !problems.length,
    trusted: trusted.length > 0 && head !== null,
    problems: problems.slice(0, MOST),
    signed: head && { origin: head.origin, size: head.size, root: toHex(head.root), vkey: evidence?.vkey ?? "", fingerprint: toHex(digest(head.public)), public: head.public, ...head.signed },
    anchors: work.anchors,
    linked: work.linked,
    evidence,
    cover,
    counts,
    answers: work.answers,
    levels: levels(evidence, cover, counts, new Set(problems.map(({ code }) => code)), ended),
  };
}

class Verification {
  evidence: Evidence | null = null;
  head: Head | null = null;
  readonly anchors: Anchored[] = [];
  readonly linked: Linked[] = [];
  cover: Cover | null = null;
  readonly problems: { code: Code; index: number | null }[] = [];
  readonly counts: Counts = { answers: 0, shown: 0, purged: 0, redacted: 0, erased: 0, unchecked: 0, headers: 0 };
  readonly answers: Opened[] = [];
  readonly #headers = new Map<number, Header>();
  #gone = new Set<number>();
  #spanned = false;
  #order: number[] = [];
  readonly #salted: { number: number; salt: string; seal: Seal; piece: Piece }[] = [];

  constructor(readonly trusted: readonly string[]) {}

  #add(code: Code, index: number | null = null): void {
    this.problems.push({ code, index });
  }

  /** What everything that follows rests on: without it, the work ends. */
  async #basis<T>(code: Code, act: () => T | Promise<T>): Promise<T> {
    try {
      return await act();
    } catch {
      this.#add(code);
      throw new Ended();
    }
  }

  async #step(code: Code, index: number | null, act: () => void | Promise<void>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch {
      this.#add(code, index);
      return false;
    }
  }

  async run(data: string): Promise<void> {
    const evidence = await this.#basis("form", () => decode(data));
    this.evidence = evidence;
    const head = await this.#signature(evidence);
    await this.#anchored(evidence, head);
    await this.#linked(evidence, head);
    const known = await this.#opened(evidence, head);
    const covered = await this.#basis("segments", () => readPieces(evidence, known));
    const { wrong, after } = datedBy(evidence, known, new Map(this.anchors.filter(({ stamp }) => stamp).map(({ stamp, size }) => [stamp, size])));
    for (const number of wrong) this.#add("dated", number);
    for (const anchor of this.anchors) anchor.after = after.get(anchor.stamp) ?? null;
    await this.#covered(evidence, head, known, covered);
    await this.#lookups(evidence, covered);
    const leaves = await this.#entries(evidence, head, covered);
    await this.#span(evidence, head, covered, leaves);
    this.#times();
    this.#carried(evidence);
    await this.#tags(evidence, covered);
    await this.#answer(evidence, covered);
  }

  async #signature({ vkey, checkpoint }: Evidence): Promise<Head> {
    const key = await this.#basis("signature", () => readKey(vkey));
    await this.#basis("key", () => demand(!this.trusted.length || this.trusted.includes(vkey)));
    this.head = await this.#basis("signature", () => openCheckpoint(checkpoint, key));
    return this.head;
  }

  /** The log went on from every head that somebody outside is said to have seen. */
  async #anchored({ anchors, vkey }: Evidence, head: Head): Promise<void> {
    const own = readKey(vkey);
    let below = 0;
    for (const [at, { checkpoint, consistency, stamp }] of anchors.entries()) {
      await this.#step("anchor", at, async () => {
        const earlier = openCheckpoint(checkpoint, own);
        const [said, path] = [base64(stamp), cut(base64(consistency), 32)];
        demand(below < earlier.size && earlier.size <= head.size);
        await extendsTree(earlier.size, head.size, earlier.root, head.root, path);
        below = earlier.size;
        this.anchors.push({ size: earlier.size, others: signers(checkpoint).filter((name) => name !== head.origin), stamp: said.length ? toHex(digest(bytes("whodid/anchor/v1\n"), said)) : "", after: null });
      });
    }
  }

  /** And from every head that stood in the anchor log of the deployment. */
  async #linked({ linked, vkey }: Evidence, head: Head): Promise<void> {
    for (const [at, link] of (linked ?? []).entries()) {
      await this.#step("linked", at, async () => {
        await checkLink(link, readKey(vkey), head);
        demand(link.size >= (this.linked.at(-1)?.size ?? 0));
        const name = link.checkpoint.split("\n")[0] as string;
        this.linked.push({ size: link.size, name, others: signers(link.checkpoint).filter((one) => one !== name), stamp: link.stamp });
      });
    }
  }

  async #opened(evidence: Evidence, head: Head): Promise<Known> {
    await this.#basis("seal", () => checkCarried(evidence, head, evidence.sealed, "seal", evidence.seals.at(-1)));
    const chain = await this.#basis("chain", () => readChain(evidence));
    const known: Known = { seals: new Map(chain.map((seal) => [seal.number, seal])), newest: (chain.at(-1) as Seal).number, volumes: new Map() };
    const { bound } = evidence;
    if (bound) await this.#basis("bound", () => readBound(evidence, bound, head, chain, known));
    return known;
  }

  /** The salts of what is covered, and how far it reaches. */
  async #covered(evidence: Evidence, head: Head, { seals, newest, ...known }: Known, covered: Piece[]): Promise<void> {
    const { statement: { since, until }, origin } = evidence;
    const [{ first }, { last }] = [covered[0] as Piece, covered.at(-1) as Piece];
    const listed = listSalted(evidence, { seals, newest, ...known }, covered);
    const fixed = new Map([...seals.values()].map(({ number, commitment }) => [number + 2, commitment]));
    await this.#step("origin", null, () => {
      demand(origin.length === (listed.some(({ number }) => number < 2) ? 2 : 0));
      const commitments = origin.map(base64);
      if (commitments.length) checkOrigin(head.origin, commitments[0] as Uint8Array, commitments[1] as Uint8Array);
      commitments.forEach((commitment, number) => fixed.set(number, commitment));
    });
    const [before, after] = [seals.get(first - 1), seals.get(last + 1)];
    const early = since === null || first === 0 || (before !== undefined && before.recordedLast < BigInt(since));
    const late = last === newest || (until !== null && after !== undefined && (!after.indexed || after.recordedFirst >= BigInt(until)));
    if (!early || !late) this.#add("period");
    for (const { number, salt, seal, piece } of listed) {
      if (!seal || !piece || !saltHolds("segment", number, salt, fixed.get(number))) this.#add("salt", number);
      if (seal && piece) this.#salted.push({ number, salt, seal, piece });
    }
    for (const { code, stretch: { number, salt }, sealed } of covered) {
      if (code === "volume" && !saltHolds(code, number, salt, sealed.commitment)) this.#add(code, number);
    }
    const counted = covered.map(({ sealed }) => sealed).filter(({ indexed }) => indexed);
    this.cover = {
      first, last, start: (covered[0] as Piece).sealed.start, stop: (covered.at(-1) as Piece).sealed.stop,
      recordedFirst: counted.length ? Number(counted.map((one) => one.recordedFirst).reduce((a, b) => (a < b ? a : b))) : 0,
      recordedLast: counted.length ? Number(counted.map((one) => one.recordedLast).reduce((a, b) => (a > b ? a : b))) : 0,
      unindexed: covered.reduce((sum, { sealed }) => sum + sealed.stop - sealed.start - sealed.indexed, 0),
    };
  }

  /** Check what the indexes are said to hold for what was asked. */
  async #lookups(evidence: Evidence, covered: Piece[]): Promise<void> {
    const values = asked(evidence);
    for (const { code, stretch: { number, salt, found }, sealed: { start, stop, root } } of covered) {
      await this.#step(code, number, () => {
        values.forEach(({ dimension, value }, place) => {
          const { positions, key, value: neighbour, path } = found[place] as (typeof found)[number];
          const wanted = keyOf(fromHex(tagOf(base64(salt), dimension, value)));
          if (!positions.length) {
            demand(!holds(root, wanted, base64(key), base64(neighbour), base64(path)));
            return;
          }
          demand(!key && !neighbour && positions.every((position, i) => (i ? position > (positions[i - 1] as number) : position >= start) && position < stop));
          holds(root, wanted, wanted, valueOf(positions), base64(path));
        });
      });
    }
  }

  /** Check what is opened or set aside; the leaf hashes of what the span must hold. */
  async #entries({ entries, asides, span }: Evidence, head: Head, covered: Piece[]): Promise<Map<number, Uint8Array>> {
    const inside = (at: number): boolean => span !== null && at >= span.start && at < (covered.at(-1) as Piece).sealed.stop;
    const leaves = new Map<number, Uint8Array>();
    const place = async (index: number, path: string, hash: Uint8Array): Promise<void> => {
      demand(equal(await rootOf(index, head.size, hash, cut(base64(path), 32)), head.root));
    };
    for (const entry of entries) {
      await this.#step("entry", entry.index, async () => {
        const header = headerOf(entry);
        const hash = await leafHash(header);
        if (inside(entry.index)) demand(!entry.path);
        else await place(entry.index, entry.path, hash);
        this.#headers.set(entry.index, readHeader(header));
        if (inside(entry.index)) leaves.set(entry.index, hash);
      });
    }
    for (const { index, header, path } of asides) {
      await this.#step("entry", index, async () => {
        const data = base64(header);
        const read = readHeader(data);
        await place(index, path, await leafHash(data));
        this.#headers.set(index, read);
      });
    }
    return leaves;
  }

  /** Fold every leaf of the covered segments to a state of the signed tree. */
  async #span({ span, reasons, statement: { asks } }: Evidence, head: Head, covered: Piece[], known: Map<number, Uint8Array>): Promise<void> {
    if (!span) {
      if (!asks.length) this.#add("span");
      return;
    }
    if (this.problems.some(({ code }) => code === "entry")) return;
    const [first, start, stop] = [(covered[0] as Piece).sealed.start, span.start, (covered.at(-1) as Piece).sealed.stop];
    const headers = new Map<number, Header>();
    const gone = new Set<number>();
    const good = await this.#step("span", null, async () => {
      // Purges follow one another.
      const explained = reasons.reduce((at, { why, index, stop: end }) => (why === "purged" && index <= at ? Math.max(at, end) : at), first);
      demand(first <= start && start <= explained);
      demand(stop - start === known.size + span.leaves.length);
      const before = cut(base64(span.frontier), 32);
      const rest = span.leaves[Symbol.iterator]();
      const row: Uint8Array[] = [];
      for (let at = start; at < stop; at++) {
        const own = known.get(at);
        if (own) {
          row.push(own);
          continue;
        }
        const data = base64(rest.next().value as string);
        if (data.length !== 32) headers.set(at, readHeader(data));
        else gone.add(at);
        row.push(data.length === 32 ? data : await leafHash(data));
      }
      const frontier = new Frontier();
      const parts = BigInt(start).toString(2);
      demand([...parts].filter((digit) => digit === "1").length === before.length);
      for (const [at, digit] of [...parts].entries()) {
        if (digit === "1") {
          const hash = before.shift() as Uint8Array;
          demand(hash.length === 32);
          await frontier.push(hash, parts.length - 1 - at);
        }
      }
      for (const hash of row) await frontier.push(hash);
      await extendsTree(stop, head.size, await frontier.root(), head.root, cut(base64(span.consistency), 32));
    });
    if (!good) return;
    for (const [at, header] of headers) this.#headers.set(at, header);
    this.#gone = gone;
    this.#spanned = true;
    this.counts.headers = span.leaves.length;
  }

  #times(): void {
    this.#order = [...this.#headers.keys()].sort((a, b) => a - b);
    this.#order.forEach((at, place) => {
      const before = place ? this.#headers.get(this.#order[place - 1] as number) : undefined;
      if (before && (this.#headers.get(at) as Header).recordedAt < before.recordedAt) this.#add("order", at);
    });
  }

  /** Hold the indexes against the headers that are here: a contradiction convicts whoever sealed. */
  #carried(evidence: Evidence): void {
    const values = asked(evidence);
    for (const { salt, seal, piece: { code, stretch } } of values.length ? this.#salted : []) {
      if (this.problems.some((one) => one.code === code && one.index === stretch.number)) continue;
      const known = readSalt(salt);
      if (!known) continue;
      const tags = values.map(({ dimension, value }) => tagOf(known, dimension, value));
      const holding = stretch.found.map(({ positions }) => new Set(positions));
      for (const position of this.#known(seal)) {
        const carried = (this.#headers.get(position) as Header).tags;
        if (tags.some((tag, place) => carried.includes(tag) !== (holding[place] as Set<number>).has(position))) this.#add("carry", position);
      }
    }
  }

  /** Compare the tags of each opened entry with what it says; below a volume this takes the segment's salt. */
  async #tags({ entries }: Evidence, covered: Piece[]): Promise<void> {
    for (const { salt, seal: { start, stop } } of this.#salted) {
      const known = readSalt(salt);
      if (!known) continue;
      for (const entry of entries) {
        const header = this.#headers.get(entry.index);
        if (entry.index < start || entry.index >= stop || !header) continue;
        await this.#step("tags", entry.index, () => {
          this.counts.unchecked += agree(entry, header.tags, known) ? 0 : 1;
        });
      }
    }
    for (const { code, sealed } of covered) {
      for (const at of code === "volume" ? this.#known(sealed) : []) {
        if (!this.#salted.some(({ seal: { start, stop } }) => start <= at && at < stop)) this.#add("tags", at);
      }
    }
  }

  /** Demand every entry that answers the question, or the reason why it is not here; and nothing else. */
  async #answer(evidence: Evidence, covered: Piece[]): Promise<void> {
    const { statement, entries, asides, reasons, sealed, span, bound } = evidence;
    if (!statement.asks.length && !this.#spanned) return; // Without the span nobody knows what every entry is, and that was said.
    const opened = new Map(entries.map((entry) => [entry.index, entry]));
    const purged = reasons.filter(({ why }) => why === "purged");
    const erased = new Set(reasons.filter(({ why }) => why === "erased").map(({ index }) => index));
    const wanted = expected(evidence, covered);
    const outside = new Set([...wanted].filter((at) => this.#headers.has(at) && this.#outside(evidence, at)));
    const missing = [...new Set([...wanted, ...this.#gone])].filter((one) => !outside.has(one)).sort((a, b) => a - b);
    for (const at of missing) {
      const entry = opened.get(at);
      if (entry && wanted.has(at)) this.#shown(entry, erased);
      else if (!this.#headers.has(at) && purged.some(({ index, stop }) => index <= at && at < stop)) this.counts.purged += wanted.has(at) ? 1 : 0;
      else this.#add("lacking", at);
    }
    const { start } = (covered[0] as Piece).sealed;
    if (!statement.asks.length && span) this.counts.purged += span.start - start;
    this.counts.answers = this.counts.shown + this.counts.purged;
    const records = new Set(reasons.map(({ record }) => record));
    for (const at of opened.keys()) {
      if (!(wanted.has(at) && !outside.has(at)) && !records.has(at) && at !== sealed && at !== bound?.carried) this.#add("extra", at);
    }
    for (const { index } of asides) if (span || !outside.has(index)) this.#add("extra", index);
    const absent = missing.filter((at) => !opened.has(at));
    for (const reason of reasons) await this.#reason(reason, evidence, opened, absent, start);
  }

  /** Check that a reason explains something, and that the record that it names says so. */
  async #reason(reason: Reason, { span }: Evidence, opened: Map<number, Opened>, absent: number[], start: number): Promise<void> {
    const { index, stop, why, record } = reason;
    const within = (at: number): boolean => index <= at && at < stop;
    const entry = opened.get(index);
    const below = span !== null && index < span.start && start < stop;
    const needed = why === "erased"
      ? entry !== undefined && stop === index + 1 && withheld(entry).some(([, , one]) => one === "erased")
      : (below || absent.some(within)) && !this.#order.some(within);
    if (!needed) {
      this.#add("extra", index);
    } else if (record !== null) {
      await this.#step("reason", index, () => {
        demand(this.#headers.get(record)?.kind === RECORDS[why] && covers(details(opened.get(record) as Opened), reason));
      });
    }
  }

  #shown(entry: Opened, erased: Set<number>): void {
    this.answers.push(entry);
    this.counts.shown += 1;
    for (const [, , why] of withheld(entry)) this.counts[why === "erased" && erased.has(entry.index) ? "erased" : "redacted"] += 1;
  }

  #outside({ statement: { since, until } }: Evidence, at: number): boolean {
    const { recordedAt } = this.#headers.get(at) as Header;
    return (since !== null && recordedAt < BigInt(since)) || (until !== null && recordedAt >= BigInt(until));
  }

  /** The entries of a segment whose headers are here, by index. */
  #known({ start, stop }: Sealed): number[] {
    return this.#order.filter((at) => at >= start && at < stop);
  }
}

function asked({ statement: { asks } }: Evidence): { dimension: number; value: string }[] {
  return asks.flatMap(({ dimension, values }) => (dimension === "entry" ? [] : values.map((value) => ({ dimension: DIMENSIONS[dimension], value: value.join("\0") }))));
}

/** The positions that answer the question. */
function expected({ statement, entries, span }: Evidence, covered: Piece[]): Set<number> {
  const { asks } = statement;
  const indexes = namedEntries(statement);
  // Nothing says under what an entry beyond the covered pieces was filed: shown, it is no answer.
  const opened = new Set(entries.map(({ index }) => index));
  if (indexes) return new Set(indexes.filter((at) => !opened.has(at) || covered.some(({ sealed: { start, stop } }) => at >= start && at < stop)));
  const all = new Set<number>();
  for (const { stretch: { found }, sealed: { start, stop } } of covered) {
    if (!asks.length) for (let position = Math.max(start, span?.start ?? 0); position < stop; position++) all.add(position);
    let place = 0;
    const groups = asks.map(({ values }) => new Set(found.slice(place, (place += values.length)).flatMap(({ positions }) => positions)));
    for (const position of groups[0] ?? []) if (groups.every((group) => group.has(position))) all.add(position);
  }
  return all;
}

/** Compare tags with content; whether there was content for all of them. Throws when one is the tag of something else. */
function agree(entry: Opened, tags: readonly string[], salt: Uint8Array): boolean {
  const known = said(entry);
  const word = (value: unknown): string => {
    demand(typeof value === "string");
    return value;
  };
  const named = (one: Record<string, unknown>): string => `${word(one.type)}\0${word(one.id)}`;
  const listed: ([number, string] | null)[] = [
    "actor.id" in known ? [DIMENSIONS.actor, named(known["actor.id"])] : null,
    "core" in known ? [DIMENSIONS.action, word(known.core.action)] : null,
    "resource.id" in known ? [DIMENSIONS.resource, named(known["resource.id"])] : null,
  ];
  if ("related" in known) {
    demand(Array.isArray(known.related));
    for (const one of known.related) listed.push([DIMENSIONS.resource, named(one)]);
  } else if (withheld(entry).length) {
    while (listed.length < tags.length) listed.push(null);
  }
  demand(listed.length === tags.length);
  listed.forEach((one, at) => demand(!one || tagOf(salt, ...one) === tags[at]));
  return !listed.includes(null);
}

/** Whether a record of a purge or an erasure speaks of all the entries that it is said to explain; its ranges ascend. */
function covers({ first, ranges = [] }: Record<string, unknown>, { index, stop }: Reason): boolean {
  let at = Number.isSafeInteger(first) && index < (first as number) ? (first as number) : index;
  demand(Array.isArray(ranges));
  for (const range of ranges) {
    demand(Array.isArray(range) && range.length === 2);
    if (range.every(Number.isSafeInteger) && range[0] <= at && at < range[1]) at = range[1];
  }
  return at >= stop;
}

function readSalt(text: string): Uint8Array | null {
  try {
    return base64(text);
  } catch {
    return null;
  }
}
