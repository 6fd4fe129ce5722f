// Runs test/*.test.ts with Node's own runner: esbuild turns each into a module first. Arguments name single files.
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL("./", import.meta.url));
const wanted = process.argv.slice(2);
const names = (await readdir(join(here, "test"))).filter((name) => name.endsWith(".test.ts") && (!wanted.length || wanted.some((one) => name.includes(one))));
const out = await mkdtemp(join(tmpdir(), "whodid-viewer-"));
try {
  await build({
    entryPoints: names.map((name) => join(here, "test", name)),
    outdir: out,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    sourcemap: "inline",
    logLevel: "warning",
  });
  const files = names.map((name) => join(out, name.replace(/\.ts$/, ".mjs")));
  const { status } = spawnSync(process.execPath, ["--enable-source-maps", "--no-warnings", "--test", ...files], { stdio: "inherit", cwd: here });
  process.exitCode = status ?? 1;
} finally {
  await rm(out, { recursive: true, force: true });
}
