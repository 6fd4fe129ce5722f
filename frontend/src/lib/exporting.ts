// A job that makes a file on the server: ordered, watched until it is over, and fetched with a link that works once.

import type { Client, Params } from "./api.js";
import { asProblem } from "./api.js";
import type { ExportJob } from "./types.js";

const FIRST = 250;
const LAST = 2_000;

export const order = (client: Client, wish: Params): Promise<ExportJob> => client.post("exports", wish);

/** Whether nothing happens to it any more. */
export const isOver = ({ state }: ExportJob): boolean => state === "ready" || state === "failed";

/** Ask until it is over, ever less often; a server that is away for a moment is asked again. */
export async function watch(client: Client, job: ExportJob, told: (job: ExportJob) => void, signal?: AbortSignal): Promise<ExportJob> {
  for (let pause = FIRST; !isOver(job); pause = Math.min(pause * 1.4, LAST)) {
    await new Promise((done) => setTimeout(done, pause));
    signal?.throwIfAborted();
    try {
      job = await client.get<ExportJob>(`exports/${job.id}`, {}, signal);
    } catch (error) {
      const { status } = asProblem(error);
      if (signal?.aborted || (status && status !== 429 && status < 500)) throw error;
      continue;
    }
    told(job);
  }
  return job;
}

/** The address of its file. It carries no token and works once. */
export async function link(client: Client, { id }: ExportJob): Promise<string> {
  return client.resolve((await client.post<{ href: string }>(`exports/${id}/link`, {})).href);
}
