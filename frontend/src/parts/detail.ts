// The data of the drawer: the entry in full, the history of its resource, and the check of its proof.

import { asProblem, type Problem } from "../lib/api.js";
import type { Host } from "../lib/host.js";
import { check, type Verdict } from "../lib/proof.js";
import type { Detail as Answer, Page, ProofAnswer } from "../lib/types.js";

const KEPT = 60;
const HISTORY = 50;

export class Detail {
  key: string | null = null;
  data: Answer | null = null;
  problem: Problem | null = null;
  history: Page | null = null;
  historyFailed = false;
  verdict: Verdict | null = null;
  proofProblem: Problem | null = null;
  checkedAt = 0;
  readonly #host: Host;
  readonly #answers = new Map<string, Promise<Answer>>();

  constructor(host: Host) {
    this.#host = host;
  }

  /** Fetch before it is asked for, on hover or focus. */
  prefetch(key: string): void {
    void this.ask(key).catch(() => undefined);
  }

  /** Answers are in one language and under one set of rights. */
  forget(): void {
    this.#answers.clear();
    this.key = null;
  }

  /** Show an entry, or nothing. */
  async open(key: string | null): Promise<void> {
    if (this.key === key) return;
    this.#reset(key);
    if (key === null) return;
    try {
      const data = await this.ask(key);
      if (this.key !== key) return;
      this.data = data;
      if (data.cause) this.#host.labels.learn([data.cause]);
      this.#host.requestUpdate();
      await Promise.all([this.#past(key, data), this.verify()]);
    } catch (error) {
      if (this.key !== key) return;
      this.problem = asProblem(error);
      this.#host.report(this.problem);
      this.#host.requestUpdate();
    }
  }

  retry(): void {
    const { key } = this;
    this.key = null;
    void this.open(key);
  }

  /** Check the entry in this browser, again if it was before. */
  async verify(): Promise<void> {
    const { key, data } = this;
    if (!data) return;
    this.verdict = this.proofProblem = null;
    this.#host.requestUpdate();
    try {
      const answer = await this.#host.client.get<ProofAnswer>(`entries/${data.entry.index}/proof`);
      const verdict = await check(answer, data.entry);
      if (this.key !== key) return;
      this.verdict = verdict;
    } catch (error) {
      if (this.key !== key) return;
      this.proofProblem = asProblem(error);
    }
    this.checkedAt = Date.now();
    this.#host.requestUpdate();
  }

  async #past(key: string, { entry: { resource } }: Answer): Promise<void> {
    const { client, clock, labels, words } = this.#host;
    const path = `resources/${encodeURIComponent(resource.type)}/${encodeURIComponent(resource.id)}/history`;
    try {
      const history = await client.get<Page>(path, { limit: HISTORY, tz: clock.zone, lang: words.language });
      if (this.key !== key) return;
      this.history = history;
      labels.learn(history.items);
    } catch {
      if (this.key === key) this.historyFailed = true;
    }
    this.#host.requestUpdate();
  }

  /** An entry in full; asked for once. */
  ask(key: string): Promise<Answer> {
    let answer = this.#answers.get(key);
    if (!answer) {
      answer = this.#host.client.get<Answer>(`entries/${encodeURIComponent(key)}`, { lang: this.#host.words.language });
      answer.catch(() => this.#answers.delete(key));
      this.#answers.set(key, answer);
      const [oldest] = this.#answers.keys();
      if (this.#answers.size > KEPT && oldest !== undefined) this.#answers.delete(oldest);
    }
    return answer;
  }

  #reset(key: string | null): void {
    this.key = key;
    this.data = this.problem = this.history = this.verdict = this.proofProblem = null;
    this.historyFailed = false;
    this.#host.requestUpdate();
  }
}
