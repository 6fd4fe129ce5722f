import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Clock } from "../src/lib/format.js";
import type { Host } from "../src/lib/host.js";
import { Words, type Catalogue } from "../src/lib/i18n.js";
import type { Marker } from "../src/lib/types.js";
import { isWithheld, naming, plain, raw, why } from "../src/parts/value.js";

const host = (language: string): Host =>
  ({ words: new Words(language, JSON.parse(readFileSync(`src/locales/${language}.json`, "utf8")) as Catalogue) }) as Host;

const markers: [Marker, string, string][] = [
  [{ $: "unknown" }, "Value unknown", "Valor desconocido"],
  [{ $: "db_computed" }, "Computed by the database", "Calculado por la base de datos"],
  [{ $: "truncated", length: 10_000_000, head: "Lorem ipsum" }, "Too long: 10 MB, begins with “Lorem ipsum”", "Demasiado largo: 10 MB, empieza por «Lorem ipsum»"],
  [{ $: "truncated", length: 20_480, head: "Lorem", part: "new end" }, "Too long: 20.5 kB. Where it changed: “new end”", "Demasiado largo: 20,5 kB. Donde cambió: «new end»"],
  [{ $: "truncated", items: 1000, head: { a: 1 } }, 'Too long: 1,000 parts, begins with “{"a":1}”', 'Demasiado largo: 1000 partes, empieza por «{"a":1}»'],
  [{ $: "truncated", items: 1 }, "Too long: 1 part", "Demasiado largo: 1 parte"],
  [{ $: "unencodable", type: "Thing" }, "Cannot be shown: Thing", "No se puede mostrar: Thing"],
  [{ $: "unencodable", type: "str", head: "a\\u0000b" }, "Cannot be shown: a\\u0000b", "No se puede mostrar: a\\u0000b"],
  [{ $: "bytes", length: 12 }, "Binary data: 12 byte", "Datos binarios: 12 B"],
  [{ $: "redacted", fp: "9f2c41d07be85ae1" }, "Hidden before it was stored", "Oculto antes de guardarse"],
];

test("a day of no year is a day, and what runs the other way stands by itself", () => {
  const clock = new Clock("en-GB", "Asia/Tokyo");
  assert.equal(plain({ ...host("en"), clock }, "--02-29"), "29 February");
  assert.equal(raw("--02-29"), "--02-29");
  assert.equal(plain(host("en"), ["vip", "lamps"]), "vip and lamps");
  assert.equal(plain(host("ar"), ["vip", "lamps"]), "\u200f\u2068vip\u2069 و\u2068lamps\u2069");
});

test("codes are said as the server names them, languages as the browser does", () => {
  const values = { status: { paused: "en pausa" } };
  assert.equal(plain(host("es"), "paused", naming(host("es"), values, "status", "paused")), "en pausa");
  assert.equal(raw("paused", values.status), "paused");
  assert.equal(plain(host("es"), "paused", naming(host("es"), values, "tags", "paused")), "paused");
  assert.equal(plain(host("es"), "pt_BR", naming(host("es"), values, "language", "pt_BR")), "portugués de Brasil");
  assert.equal(plain(host("es"), ["es", "!"], naming(host("es"), values, "details.languages", ["es", "!"])), "español y !");
});

test("every marker has words in each language", () => {
  for (const [marker, english, spanish] of markers) {
    assert.equal(why(host("en"), marker), english);
    assert.equal(why(host("es"), marker), spanish);
    assert.notEqual(plain(host("en"), marker), `marker.${marker.$}`);
  }
});

test("what is kept back is told from what is only not known", () => {
  assert.deepEqual(markers.map(([marker]) => isWithheld(marker)), [...Array(9).fill(false), true]);
});

test("a marker of somebody else is shown as it is", () => {
  const foreign = { $: "decimal", v: "10.50" } as unknown as Marker;
  assert.equal(why(host("en"), foreign), '{"$":"decimal","v":"10.50"}');
  assert.equal(plain(host("en"), foreign), '{"$":"decimal","v":"10.50"}');
});
