// Calls the published WorkOS client as told on standard input, and writes what came of each call as JSON.
import { readFileSync } from "node:fs";
import { WorkOS } from "@workos-inc/node";

const told = JSON.parse(readFileSync(0, "utf8"), (_, value) => (value?.$date ? new Date(value.$date) : value));
const client = new WorkOS(told.key, { apiHostname: "127.0.0.1", port: told.port, https: false });
const results = [];
for (const [module, method, ...args] of told.calls) {
  try {
    const result = await client[module][method](...args);
    results.push({ result: result?.autoPagination ? await result.autoPagination() : (result ?? null) });
  } catch (error) {
    const { name, status, code, message, errors, requestID } = error;
    results.push({ error: { name, status, code, message, errors, requestID } });
  }
}
process.stdout.write(JSON.stringify(results));
