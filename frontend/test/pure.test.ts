import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fold } from "../src/lib/fold.js";
import { cut, LANGUAGES, Words, type Catalogue, type Message } from "../src/lib/i18n.js";
import { actionIcon } from "../src/lib/icons.js";
import { command } from "../src/lib/keys.js";
import type { Summary } from "../src/lib/types.js";
import { ceiling } from "../src/parts/histogram.js";

const catalogue = (language: string, folder = "locales"): Catalogue => JSON.parse(readFileSync(`src/${folder}/${language}.json`, "utf8"));
const english = catalogue("en");
const texts = (message: Message): string[] => (typeof message === "string" ? [message] : Object.values(message));
const slots = (text: string): string[] => cut(text).flatMap(({ text: name, slot }) => (slot ? [name] : [])).sort();

test("every language has a file, every file a language", () => {
  assert.deepEqual(readdirSync("src/locales").sort(), LANGUAGES.map((language) => `${language}.json`).sort());
});

for (const language of LANGUAGES) for (const folder of ["locales", "export"]) {
  test(`${folder}/${language}: every message is there, with its slots and every plural the language has`, () => {
    const [english, messages] = [catalogue("en", folder), catalogue(language, folder)];
    assert.deepEqual(Object.keys(english).filter((key) => !(key in messages)), [], `${language}.json lacks these messages`);
    assert.deepEqual(Object.keys(messages).filter((key) => !(key in english)), [], `${language}.json has messages that English has not`);
    const plurals = new Intl.PluralRules(language).resolvedOptions().pluralCategories.sort();
    for (const [key, message] of Object.entries(messages)) {
      const expected = slots(texts(english[key] as Message)[0] as string);
      const forms = typeof message === "string" ? { other: message } : message;
      for (const [form, text] of Object.entries(forms)) {
        // One and two have words of their own in Arabic: "two entries" is one word, without a number.
        const numbered = !(language === "ar" && ["one", "two"].includes(form) && !text.includes("{n}"));
        assert.deepEqual(slots(text), numbered ? expected : expected.filter((name) => name !== "n"), key);
      }
      if (typeof message !== "string") assert.deepEqual(Object.keys(message).sort(), plurals, key);
      assert.equal(typeof message, typeof english[key], key);
    }
  });
}

test("every message that the source asks for exists, and none is left over", () => {
  const source = ["", "lib/", "parts/"].flatMap((folder) =>
    readdirSync(`src/${folder}`).filter((name) => name.endsWith(".ts")).map((name) => readFileSync(`src/${folder}${name}`, "utf8")),
  ).join("\n");
  const literal = new Set(source.match(/(?<=")[a-z_0-9]+(?:\.[a-z_0-9]+)*(?=")/g));
  const built = [...source.matchAll(/`([a-z]+(?:\.[a-z]+)*)?\.?\$\{[^`]*?\}(\.[a-z]+)?`/g)].map(([, prefix = "", suffix = ""]) => [prefix, suffix] as const);
  const fields = /^(severity|is|reason|field|via|outcome)\./;
  for (const key of Object.keys(english)) {
    const made = built.some(([prefix, suffix]) => prefix && key.startsWith(`${prefix}.`) && key.endsWith(suffix));
    assert.ok(literal.has(key) || made || fields.test(key), `${key} is never said`);
  }
});

test("messages fill their slots, choose their plural and format their numbers", () => {
  const words = new Words("en", english);
  assert.equal(words.t("count.entries", { n: 1 }), "1 entry");
  assert.equal(words.t("count.entries", { n: 1846 }), "1,846 entries");
  assert.deepEqual(words.tx("export.recorded", { action: 7 }), ["This export is itself recorded as ", "7"]);
  assert.equal(new Words("es", catalogue("es")).t("count.entries", { n: 1 }), "1 entrada");
  assert.equal(new Words("es-MX").locale, "es-MX");
  const arabic = new Words("ar", catalogue("ar"));
  assert.deepEqual([0, 1, 2, 3, 11, 100, 1846].map((n) => arabic.t("count.entries", { n })), [
    "0 إدخال", "إدخال واحد", "إدخالان", "3 إدخالات", "11 إدخالًا", "100 إدخال", "1,846 إدخالًا",
  ]);
  assert.equal(new Words("hi", catalogue("hi")).t("count.entries", { n: 1_234_567 }), "12,34,567 प्रविष्टियाँ");
  assert.equal(new Words("pt-BR", catalogue("pt")).t("count.entries", { n: 1846 }), "1.846 registros");
  assert.deepEqual(LANGUAGES.map((one) => new Words(one).direction), ["ltr", "ltr", "ltr", "ltr", "rtl"]);
  assert.deepEqual([new Words("ar-EG").locale, new Words("ar-EG-u-nu-arab").locale], ["ar-EG-u-ca-gregory-nu-latn", "ar-EG-u-nu-arab"]);
  assert.deepEqual([new Words("xx").language, new Words("xx").locale, new Words("not a tag").language], ["en", "en-GB", "en"]);
  assert.equal(new Words("en-US").locale, "en-US");
  assert.equal(words.duration(41_000), "41 seconds");
  assert.equal(words.duration(3 * 3_600_000), "3 hours");
  assert.equal(words.length(192 * 60_000), "3 hours 12 minutes");
  assert.equal(words.length(3 * 3_600_000 + 59_000), "3 hours");
  assert.equal(words.length(269_000), "4 minutes 29 seconds");
  assert.equal(words.length(0), "0 seconds");
});

test("a message that a language lacks is said in English", async () => {
  const lagging = { title: "सूची" };
  const real = globalThis.fetch;
  globalThis.fetch = (async (address: string) => new Response(JSON.stringify(String(address).includes("hi.json") ? lagging : english))) as typeof fetch;
  try {
    const words = await Words.load(new Words("hi"));
    assert.deepEqual([words.t("title"), words.t("export")], ["सूची", english.export]);
  } finally {
    globalThis.fetch = real;
  }
});

const item = (index: number, action: string, more: Partial<Summary> = {}): Summary =>
  ({ index, action, occurred_at: new Date(Date.UTC(2026, 10, 20, 12, 0, 60 - index)).toISOString(), actor: { type: "user", id: "u" }, resource: { type: "user", id: "r" }, outcome: "success", ...more }) as Summary;
const shape = (items: Summary[]): number[][] => fold(items).map(({ head, rest }) => [head, ...rest].map(({ index }) => index));

test("neighbours of one batch fold, across nothing else", () => {
  const batch = { batch: "b1" };
  assert.deepEqual(shape([item(1, "contact.updated", batch), item(2, "contact.updated", batch), item(3, "contact.updated"), item(4, "contact.updated", batch)]), [[1, 2], [3], [4]]);
  assert.deepEqual(shape([item(1, "contact.updated", batch), item(2, "contact.created", batch), item(3, "contact.created", { batch: "b2" })]), [[1], [2], [3]]);
});

test("seals that follow one another fold, whatever they sealed", () => {
  const seal = (index: number): Summary => item(index, "audit.sealed", { occurred_at: new Date(Date.UTC(2026, 10, 20 - index)).toISOString() });
  assert.deepEqual(shape([seal(1), seal(2), item(3, "contact.updated"), seal(4)]), [[1, 2], [3], [4]]);
});

test("the same failed sign-in folds while the gaps are short", () => {
  const failed = (index: number, minutes: number, id = "usr_2M"): Summary =>
    item(index, "auth.login_failed", { outcome: "failed", resource: { type: "user", id }, occurred_at: new Date(Date.UTC(2026, 10, 20, 12, 60 - minutes)).toISOString() });
  assert.deepEqual(shape([failed(1, 0), failed(2, 5), failed(3, 14), failed(4, 30)]), [[1, 2, 3], [4]]);
  assert.deepEqual(shape([failed(1, 0), failed(2, 1, "usr_3P")]), [[1], [2]]);
  assert.deepEqual(shape([item(1, "auth.login"), item(2, "auth.login")]), [[1], [2]]);
});

test("a glyph for every action, that of the kind at least", () => {
  assert.equal(actionIcon("contact.merged", "update"), "merge");
  assert.equal(actionIcon("api_key.created", "security"), "key");
  assert.equal(actionIcon("invoice.voided", "delete"), "bin");
  assert.equal(actionIcon("invoice.sent", "status"), "swap");
});

test("axes end at round numbers", () => {
  assert.deepEqual([0, 1, 2, 3, 7, 11, 96, 100, 101, 4321].map(ceiling), [2, 2, 2, 5, 10, 20, 100, 100, 200, 5000]);
});

test("keys with modifiers, and keys typed into fields, are not commands", () => {
  const press = (key: string, more: object = {}): ReturnType<typeof command> => command({ key, ...more } as KeyboardEvent, undefined);
  globalThis.Element ??= class {} as typeof Element;
  assert.deepEqual([press("j"), press("?"), press("F"), press("x")], ["next", "help", "exclude", null]);
  assert.deepEqual([press("c", { ctrlKey: true }), press("c", { metaKey: true }), press("j", { isComposing: true }), press("ArrowDown")], [null, null, null, null]);
});
