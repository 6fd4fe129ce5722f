// A job that makes a file on the server: ordered, watched until it is over, and fetched with a link that works once.

import type { Client } from "./api.js";
import { asProblem } from "./api.js";
import type { Estimate, ExportJob } from "./types.js";

const FIRST = 250;
const LAST = 2_000;

/** What a file is to be: the filters of the list, and its layout. */
export interface Wish {
  format: string;
  proofs: boolean;
  /** All when there are none. */
  columns?: readonly string[];
  /** Chosen by the server when it is left out. */
  split?: "month" | number | null;
  [filter: string]: unknown;
}

/** Where files are ordered, and estimated. */
export type Files = "exports" | "evidence";

export const order = (client: Client, wish: Wish): Promise<ExportJob> => client.post("exports", wish);

/** What a file will be: how many entries, and of an export about how many bytes. */
export const guess = (client: Client, files: Files, wish: object): Promise<Estimate> => client.post(`${files}/estimate`, wish);

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
