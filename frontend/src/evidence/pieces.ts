// What a document covers: sealed segments and volumes, once the log's signature vouches for them; the twin of
// whodid.evidence.pieces. Whatever does not fit throws.

import { equal, toHex } from "../lib/bytes.js";
import { extendsTree, leafHash, rootOf } from "../lib/merkle.js";
import { ascend, demand, type Bound, type Evidence, type Link, type Stretch } from "./document.js";
import { digest } from "./hash.js";
import {
  anchorsKey, base64, bytes, checkChain, checkVolumes, cut, fromHex, headerOf, holds, LOG_LINK, number, openCheckpoint, readSeal, readVolume, SEAL,
  type Head, type Key, type Seal, type Volume,
} from "./mathematics.js";
import { details } from "./said.js";

/** Seals and volumes that the log vouches for. */
export interface Known {
  seals: Map<number, Seal>;
  newest: number;
  volumes: Map<number, Volume>;
}

/** A segment or a volume that the question covers; `code` is that of the problem when its index says something else. */
export interface Piece {
  code: "index" | "volume";
  stretch: Stretch;
  first: number;
  last: number;
  sealed: Seal | Volume;
}

/** A segment whose salt is here; without its seal, or with nothing that covers it, the salt is of no use. */
export interface Salted {
  number: number;
  salt: string;
  seal: Seal | undefined;
  piece: Piece | undefined;
}

/** Demand that an entry of the log carries a seal or a volume. */
export async function checkCarried({ entries }: Evidence, head: Head, at: number, member: "seal" | "volume", data: string | undefined): Promise<void> {
  const entry = entries.find(({ index }) => index === at);
  demand(entry !== undefined && data !== undefined);
  const header = headerOf(entry);
  const root = await rootOf(at, head.size, await leafHash(header), cut(base64(entry.path), 32));
  demand(equal(root, head.root) && header[1] === SEAL && details(entry)[member] === toHex(base64(data)));
}

/** Demand that a head stood in the map of the anchor log, and that the signed one continues it. */
export async function checkLink({ checkpoint, stamp, entry, size, root, path, consistency }: Link, own: Key, head: Head): Promise<void> {
  const anchored = openCheckpoint(checkpoint, anchorsKey(own, checkpoint.split("\n")[0] as string));
  const header = headerOf(entry);
  const { map } = details(entry);
  demand(equal(await rootOf(entry.index, anchored.size, await leafHash(header), cut(base64(entry.path), 32)), anchored.root));
  demand(header[1] === LOG_LINK && typeof map === "string" && /^(?:[0-9a-f]{2})*$/.test(map));
  base64(stamp);
  const known = base64(root);
  const [key, value] = [digest(bytes("whodid/anchored-log/v1\n"), bytes(head.origin)), digest(bytes("whodid/anchored-head/v1\n"), number(size, 8), known)];
  holds(fromHex(map), key, key, value, base64(path));
  demand(size > 0 && size <= head.size);
  await extendsTree(size, head.size, known, head.root, cut(base64(consistency), 32));
}

/** The seals that are chained by hash. */
export function readChain({ seals, sealed, segments, bound }: Evidence): Seal[] {
  const chain = seals.map((seal) => readSeal(base64(seal)));
  checkChain(chain);
  demand((chain.at(-1) as Seal).stop <= sealed);
  if (!bound) demand((chain[0] as Seal).number === Math.max(0, (segments[0] as Stretch).number - 2));
  return chain;
}

/** The volumes, and the seals that are shown below them. */
export async function readBound(evidence: Evidence, bound: Bound, head: Head, chain: Seal[], known: Known): Promise<void> {
  await checkCarried(evidence, head, bound.carried, "volume", bound.volumes.at(-1));
  const volumes = bound.volumes.map((volume) => readVolume(base64(volume)));
  checkVolumes(volumes);
  const newest = volumes.at(-1) as Volume;
  const last = known.seals.get(newest.last);
  demand((chain[0] as Seal).number === Math.max(0, newest.last - 1) && last !== undefined && newest.stop === last.stop);
  for (const volume of volumes) known.volumes.set(volume.number, volume);
  const shown: number[] = [];
  for (const [text, path] of bound.seals) {
    const data = base64(text);
    const seal = readSeal(data);
    const volume = volumes.find(({ first, last }) => first <= seal.number && seal.number <= last);
    demand(volume !== undefined);
    const root = await rootOf(seal.number - volume.first, volume.last - volume.first + 1, await leafHash(data), cut(base64(path), 32));
    demand(equal(root, volume.seals) && volume.start <= seal.start && seal.stop <= volume.stop);
    demand((seal.start === volume.start) === (seal.number === volume.first) && (seal.stop === volume.stop) === (seal.number === volume.last));
    const chained = known.seals.get(seal.number);
    demand(!chained || equal(chained.hash, seal.hash));
    known.seals.set(seal.number, seal);
    shown.push(seal.number);
  }
  demand(ascend(shown) && shown.includes(newest.last));
}

/** What is covered, in order and without a gap. */
export function readPieces({ segments, bound }: Evidence, known: Known): Piece[] {
  const found: Piece[] = [];
  for (const stretch of segments) {
    const sealed = known.seals.get(stretch.number);
    demand(sealed !== undefined);
    found.push({ code: "index", stretch, first: stretch.number, last: stretch.number, sealed });
  }
  for (const stretch of bound?.covered ?? []) {
    const sealed = known.volumes.get(stretch.number);
    demand(sealed !== undefined);
    found.push({ code: "volume", stretch, first: sealed.first, last: sealed.last, sealed });
  }
  for (const code of ["index", "volume"]) demand(ascend(found.filter((piece) => piece.code === code).map(({ first }) => first)));
  found.sort((a, b) => a.first - b.first);
  found.forEach(({ first, sealed }, at) => {
    const before = found[at - 1];
    demand(!before || (before.last + 1 === first && before.sealed.stop === sealed.start));
  });
  return found;
}

/** The segments whose salts are here: the covered ones, then those below volumes. */
export function listSalted({ bound }: Evidence, known: Known, covered: Piece[]): Salted[] {
  const own = covered.filter(({ code }) => code === "index").map((piece) => ({ number: piece.first, salt: piece.stretch.salt, seal: known.seals.get(piece.first), piece }));
  const below = (bound?.salts ?? []).map(([number, salt]) => ({
    number, salt, seal: known.seals.get(number), piece: covered.find(({ code, first, last }) => code === "volume" && first <= number && number <= last),
  }));
  return [...own, ...below];
}

/** Hold seals against the time stamps that they name: each was there before the seal. Segments where that cannot be; and since when. */
export function datedBy({ sealed }: Evidence, { seals }: Known, sizes: ReadonlyMap<string, number>): { wrong: number[]; after: Map<string, number> } {
  const wrong: number[] = [];
  const after = new Map<string, number>();
  let least = 0;
  for (const [number, { anchor }] of [...seals].sort(([a], [b]) => a - b)) {
    const size = sizes.get(anchor);
    if (size === undefined) continue;
    const following = seals.get(number + 1);
    const carrier = following ? following.stop - 1 : sealed;
    if (size < least || size > carrier) wrong.push(number);
    least = Math.max(least, size);
    if (!after.has(anchor)) after.set(anchor, carrier + 1);
  }
  return { wrong, after };
}
