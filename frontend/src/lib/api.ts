// The HTTP API, seen from the reader's side: token, abort, problems. One object per element.

/** Why a request gave no answer, in the server's words (RFC 9457) or, without a server, in none. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly remedy: string;
  readonly start: number | undefined;
  readonly end: number | undefined;
  readonly request: string;

  constructor(status: number, body: Record<string, unknown> = {}) {
    const text = (name: string): string => (typeof body[name] === "string" ? body[name] : "");
    super(text("detail") || text("title") || `HTTP ${status}`);
    this.status = status;
    this.title = text("title");
    this.detail = text("detail");
    this.remedy = text("remedy");
    this.start = typeof body.start === "number" ? body.start : undefined;
    this.end = typeof body.end === "number" ? body.end : undefined;
    this.request = text("request_id");
  }
}

/** What went wrong, as a problem, whatever was thrown. Known by its name: each file of the viewer has a class of its own. */
export function asProblem(error: unknown): Problem {
  return error instanceof Error && error.name === "Problem" ? (error as Problem) : new Problem(0);
}

export type Params = Record<string, string | number | boolean | null | undefined>;
export type GetToken = () => Promise<string>;

/** A token lives ten minutes at most; it is replaced one minute before. */
const TOKEN_LIFE = 9 * 60_000;

export class Client {
  base = "";
  getToken: GetToken | undefined;
  #token: Promise<string> | undefined;
  #taken = 0;

  /** Have a token fetched that will be wanted soon. */
  warm(): void {
    void this.#bearer().catch(() => undefined);
  }

  /** Ask for JSON. Throws Problem; an abort passes through as the DOMException that fetch throws. */
  async get<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<T> {
    return (await this.open(path, params, signal)).json() as Promise<T>;
  }

  /** Ask, and read the answer oneself. */
  async open(path: string, params: Params = {}, signal?: AbortSignal, accept = "application/json"): Promise<Response> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(params)) {
      if (value !== null && value !== undefined && value !== "") query.append(name, String(value));
    }
    const text = query.toString();
    return this.#ask(`${path}${text && `?${text}`}`, { signal: signal ?? null, headers: { accept } });
  }

  async post<T>(path: string, body: object, method = "POST"): Promise<T> {
    return (await this.order(path, body, method)).json() as Promise<T>;
  }

  /** Send JSON, and read the answer oneself. */
  order(path: string, body: object, method = "POST"): Promise<Response> {
    return this.#ask(path, { method, body: JSON.stringify(body), headers: { accept: "application/json", "content-type": "application/json" } });
  }

  /** Address of something the API named: absolute, below the API, or relative to it. */
  resolve(href: string): string {
    return new URL(href.startsWith("/v1/") ? this.base + href : href, new URL(`${this.base}/v1/`, document.baseURI)).href;
  }

  async #ask(path: string, init: RequestInit): Promise<Response> {
    let { answer, token } = await this.#send(path, init);
    if (answer.status === 401 && token) ({ answer } = await this.#send(path, init, token));
    if (!answer.ok) throw new Problem(answer.status, await answer.json().catch(() => ({})));
    return answer;
  }

  /** Send once. A token that was refused is replaced, by one request for all that were refused with it. */
  async #send(path: string, init: RequestInit, refused?: string): Promise<{ answer: Response; token: string | undefined }> {
    const headers = new Headers(init.headers);
    const token = await this.#bearer(refused);
    if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
    try {
      return { answer: await fetch(`${this.base}/v1/${path}`, { ...init, headers }), token };
    } catch (error) {
      if (isAbort(error)) throw error;
      throw new Problem(0);
    }
  }

  async #bearer(refused?: string): Promise<string | undefined> {
    if (!this.getToken) return undefined;
    try {
      const old = Date.now() - this.#taken > TOKEN_LIFE;
      if (!this.#token || old || (refused !== undefined && (await this.#token) === refused)) {
        this.#taken = Date.now();
        this.#token = this.getToken();
      }
      return await this.#token;
    } catch (error) {
      this.#token = undefined;
      throw new Problem(401, { detail: error instanceof Error ? error.message : "" });
    }
  }
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}
