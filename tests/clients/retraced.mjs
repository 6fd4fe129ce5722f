// Calls the published Retraced client as told on standard input, and writes what came of each call as JSON.
// A query is read to its last page.
import { readFileSync } from "node:fs";
import retraced from "@retracedhq/retraced";

const told = JSON.parse(readFileSync(0, "utf8"), (_, value) => (value?.$date ? new Date(value.$date) : value));
const client = new retraced.Client(told.config);
const results = [];
for (const [method, ...args] of told.calls) {
  try {
    const result = await client[method](...args);
    if (method !== "query") {
      results.push({ result });
      continue;
    }
    const pages = [result.currentResults];
    while (result.hasNextPage()) {
      await result.nextPage();
      pages.push(result.currentResults);
    }
    results.push({ result: { total: result.totalCount, pages } });
  } catch (error) {
    results.push({ error: error.message });
  }
}
process.stdout.write(JSON.stringify(results));
