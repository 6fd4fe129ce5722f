// Runs the verifier that stands in the shipped evidence page: documents come in as base64, one a line, verdicts go out as JSON.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { runInThisContext } from "node:vm";

const [page] = process.argv.slice(2);
runInThisContext(/<script>([^]*?)<\/script>/.exec(readFileSync(page, "utf8"))[1]);
for await (const line of createInterface({ input: process.stdin })) {
  const [data, ...trusted] = line.split(" ");
  let text = "";
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(data, "base64"));
  } catch {
    // What is no text is no document.
  }
  const { ok, trusted: known, problems, levels, counts, answers } = await globalThis.verifyEvidence(text, trusted);
  const states = Object.fromEntries(Object.entries(levels).map(([name, { state, words }]) => [name, [state, words]]));
  console.log(JSON.stringify({ ok, trusted: known, problems: problems.map(({ code, index }) => [code, index]), levels: states, counts, answers: answers.map(({ index }) => index) }));
}
