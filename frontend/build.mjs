// Bundles the viewer and writes it, with hashes and the licences of what it contains, to where the wheel takes it from.
// viewer.js is what a page loads; details.js, more.js, export.js and one catalogue follow by themselves. Each is one self-contained file.
// evidence.html is the page that evidence is written into; empty, it is the stand-alone verifier.
// The output depends on the sources and the lock file only: the same input gives the same bytes.
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";

const here = new URL("./", import.meta.url);
const out = new URL("../src/whodid/viewer/static/", here);
const page = new URL("../src/whodid/evidence/static/evidence.html", here);
const KB = 1024;
/** Gzipped bytes that a file may have. */
const LIMITS = {
  "viewer.js": 45 * KB, "details.js": 30 * KB, "more.js": 36 * KB, "alerts.js": 24 * KB, "rules.js": 20 * KB, "export.js": 20 * KB, "reviews.js": 26 * KB, "tour.js": 15 * KB, "evidence.html": 18 * KB,
  // Letters of two and three bytes, and six plural forms in Arabic.
  "locales/hi.json": 10 * KB, "locales/ar.json": 10 * KB,
};

const banner = `// whodid viewer. Generated from frontend/ by "npm run build": do not edit.
// Contains Lit and jsdiff (BSD-3-Clause), see viewer.licenses.txt.`;

/** Style sheets become minified strings; the component turns them into constructable style sheets. */
const css = {
  name: "css",
  setup(plugin) {
    plugin.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true, target: "esnext" });
      return { contents: code.trim(), loader: "text" };
    });
  },
};

async function bundle(entry, define = {}) {
  const { outputFiles } = await build({
    entryPoints: [new URL(`src/${entry}.ts`, here).pathname],
    bundle: true,
    format: "esm",
    target: "es2022",
    minify: true,
    charset: "utf8",
    legalComments: "none",
    banner: { js: banner },
    plugins: [css],
    define,
    write: false,
    logLevel: "warning",
  });
  return outputFiles[0].contents;
}

/** The evidence page: one file, whose policy allows its one script and its one style, and no connection. */
async function evidencePage() {
  const { outputFiles } = await build({
    entryPoints: [new URL("src/evidence/page.ts", here).pathname],
    bundle: true,
    format: "iife",
    target: "es2022",
    minify: true,
    charset: "utf8",
    legalComments: "none",
    // Hashes in plain JavaScript: a file from a disk has no WebCrypto everywhere.
    plugins: [{ name: "hash", setup: ({ onResolve }) => onResolve({ filter: /^\.\/hash\.js$/ }, () => ({ path: new URL("src/evidence/hash.ts", here).pathname })) }],
    write: false,
    logLevel: "warning",
  });
  const script = outputFiles[0].text.trim();
  const style = (await transform(await readFile(new URL("src/evidence/page.css", here), "utf8"), { loader: "css", minify: true, target: "esnext" })).code.trim();
  if (/<\/script|<!--/i.test(script)) throw new Error("The script of the evidence page would end early");
  const allowed = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  const policy = `default-src 'none'; script-src ${allowed(script)}; style-src ${allowed(style)}; base-uri 'none'; form-action 'none'`;
  const parts = { policy, style, script };
  return (await readFile(new URL("src/evidence/page.html", here), "utf8")).replace(/\{(policy|style|script)\}/g, (_, name) => parts[name]);
}

async function licences() {
  const texts = [];
  for (const name of ["lit", "lit-html", "lit-element", "@lit/reactive-element", "diff"]) {
    const root = new URL(`node_modules/${name}/`, here);
    const { version, license } = JSON.parse(await readFile(new URL("package.json", root), "utf8"));
    texts.push(`${name} ${version} (${license})\n\n${(await readFile(new URL("LICENSE", root), "utf8")).trim()}\n`);
  }
  return texts.join(`\n${"-".repeat(80)}\n\n`);
}

const digest = (bytes) => createHash("sha256").update(bytes).digest("hex").slice(0, 16);
const files = { "details.js": await bundle("details"), "more.js": await bundle("more"), "rules.js": await bundle("rules"), "export.js": await bundle("export"), "reviews.js": await bundle("reviews"), "tour.js": await bundle("tour") };
for (const name of (await readdir(new URL("src/locales/", here))).sort()) {
  files[`locales/${name}`] = Buffer.from(JSON.stringify(JSON.parse(await readFile(new URL(`src/locales/${name}`, here), "utf8"))));
}
// viewer.js names what it fetches by content, so that no cache can pair it with the files of another version.
// The page of alerts fetches the editor of rules in the same way as viewer.js fetches what it needs.
files["alerts.js"] = await bundle("alerts", { DIGESTS: JSON.stringify({ "rules.js": digest(files["rules.js"]) }) });
const digests = Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, digest(bytes)]));
// A catalogue that lags behind is filled up from English, at the cost of one more request.
const keys = (name) => Object.keys(JSON.parse(files[name]));
const lacks = Object.keys(files).filter((name) => name.startsWith("locales/") && keys("locales/en.json").some((key) => !keys(name).includes(key)));
const languages = lacks.map((name) => name.slice("locales/".length, -".json".length));
files["viewer.js"] = await bundle("viewer", { DIGESTS: JSON.stringify(digests), LACKS: JSON.stringify(languages) });
const integrity = (bytes) => `sha384-${createHash("sha384").update(bytes).digest("base64")}`;
// `file` is the name under which the server gives exactly these bytes for ever.
const manifest = Object.fromEntries(
  Object.entries(files).map(([name, bytes]) => [name, { bytes: bytes.length, file: name.replace(/\.(\w+)$/, `-${digest(bytes)}.$1`), integrity: integrity(bytes) }]),
);

await mkdir(new URL("locales/", out), { recursive: true });
for (const [name, bytes] of Object.entries(files)) await writeFile(new URL(name, out), bytes);
await writeFile(new URL("manifest.json", out), `${JSON.stringify(manifest, null, 2)}\n`);
await writeFile(new URL("viewer.licenses.txt", out), await licences());
const evidence = await evidencePage();
await mkdir(new URL("./", page), { recursive: true });
await writeFile(page, evidence);

for (const [name, bytes] of Object.entries({ ...files, "evidence.html": evidence })) {
  const packed = gzipSync(bytes, { level: 9 }).length;
  const limit = LIMITS[name] ?? 7 * KB;
  console.log(`${name.padEnd(16)} ${String(bytes.length).padStart(7)} bytes  ${(packed / KB).toFixed(1).padStart(5)} KB gzipped of ${limit / KB}`);
  if (packed > limit) {
    console.error(`${name} is over its limit. Find what grew with \`npx esbuild --analyze\`, or move what is not needed at first to a file that is fetched later.`);
    process.exitCode = 1;
  }
}
