// What the pages beside the viewer share, each an element of its own: token, language, clock, one act at a time, and what
// is said of it.

import { html, LitElement, type PropertyValues, type TemplateResult } from "lit";
import { asProblem, Client, type GetToken, type Problem } from "./api.js";
import { Clock } from "./format.js";
import { Words, type Key } from "./i18n.js";
import { icon } from "./icons.js";
import { isZone, ownZone } from "./time.js";

type Catalogues = Record<string, ConstructorParameters<typeof Words>[1]>;

export abstract class OwnPage<K extends string> extends LitElement {
  static override readonly properties = { api: {}, locale: {}, theme: { reflect: true }, zone: {}, log: {} };

  /** Base address of the HTTP API; below it is `/v1`. */
  declare api: string;
  /** Language and formats; the page's language by default. */
  declare locale: string;
  declare theme: "auto" | "light" | "dark";
  /** IANA zone in which times are shown; the reader's own by default. */
  declare zone: string;
  /** Address of the page with the viewer, for links to entries; without it there are none. */
  declare log: string;

  declare clock: Clock;
  protected readonly client = new Client();
  /** There before anything is drawn, as the clock is. */
  declare protected words: Words;
  protected problem: Problem | null = null;
  protected said = "";
  protected busy = false;
  readonly #catalogues: Catalogues;

  constructor(catalogues: Catalogues) {
    super();
    this.#catalogues = catalogues;
    this.api = this.zone = this.log = this.locale = "";
    this.theme = "auto";
  }

  /** How the page gets the token of its reader; asked at the start, before it runs out, and once when it is refused. */
  set getToken(get: GetToken | undefined) {
    this.client.getToken = get;
    void this.load();
  }

  get getToken(): GetToken | undefined {
    return this.client.getToken;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (Object.hasOwn(this, "getToken")) {
      // Set before this class was there: the property hides the accessor.
      const { getToken } = this;
      delete this.getToken;
      this.getToken = getToken;
    }
  }

  override willUpdate(changed: PropertyValues): void {
    this.client.base = this.api.replace(/\/+$/, "");
    if (changed.has("locale") || changed.has("zone")) {
      const wanted = this.locale || document.documentElement.lang || navigator.language;
      const { language } = new Words(wanted);
      this.words = new Words(wanted, this.#catalogues[language]);
      this.clock = new Clock(this.words.locale, this.shownZone);
      this.spoken();
    }
  }

  /** The zone that times are shown in. */
  protected get shownZone(): string {
    return isZone(this.zone) ? this.zone : ownZone();
  }

  t(key: K, slots: Record<string, string | number> = {}): string {
    return this.words.t(key as unknown as Key, slots);
  }

  /** Ask for what the page shows; what it throws stands in its place. */
  protected abstract fetched(): Promise<void>;

  /** The language is another. */
  protected abstract spoken(): void;

  protected async load(): Promise<void> {
    await this.updateComplete;
    this.problem = await this.fetched().then(() => null, asProblem);
    if (this.problem) this.tell("alv-error", { ended: this.problem.status === 401 });
    this.requestUpdate();
  }

  /** Tell the page around. */
  protected tell(name: string, detail: object): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  /** Do something that changes the log; say what came of it. */
  protected async act(act: () => Promise<unknown>, done: string): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.requestUpdate();
    const problem = await act().then(() => null, asProblem);
    this.said = problem ? `${problem.detail || this.t("failed" as K)} ${problem.remedy}`.trim() : done;
    this.busy = false;
    this.requestUpdate();
    return !problem;
  }

  protected focusOn(selector: string): void {
    void this.updateComplete.then(() => this.renderRoot.querySelector<HTMLElement>(selector)?.focus());
  }

  /** What stands in place of what could not be had. */
  protected failure({ detail, title, remedy }: Problem): TemplateResult {
    return html`<p class="empty" role="alert">${icon("warn")} ${detail || title || this.t("failed" as K)} ${remedy}
      <button class="btn sm" @click=${() => this.load()}>${this.t("retry" as K)}</button></p>`;
  }
}
