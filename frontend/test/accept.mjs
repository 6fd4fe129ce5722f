// Checks proofs that somebody else made: JSON lines of {proof, entry} on standard input, one verdict a line on standard
// output. The tests of the log use it to see that a browser accepts what the log proves.
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL("../src/lib/proof.ts", import.meta.url))],
  bundle: true,
  format: "esm",
  write: false,
});
const { check } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
for await (const line of createInterface({ input: process.stdin })) {
  const { proof, entry } = JSON.parse(line);
  console.log(JSON.stringify(await check(proof, entry)));
}
