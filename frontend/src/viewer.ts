// <audit-log-viewer>: the element. It holds the state, wires the parts together, and speaks to the page around it
// through attributes, `getToken` and events. What a part looks like is in parts/, what is pure in lib/.

import { html, LitElement, nothing, unsafeCSS, type PropertyValues, type TemplateResult } from "lit";
import { asProblem, Client, type GetToken } from "./lib/api.js";
import { Clock } from "./lib/format.js";
import type { Host } from "./lib/host.js";
import { Words } from "./lib/i18n.js";
import { command, prints } from "./lib/keys.js";
import { Labels } from "./lib/labels.js";
import { keep, recall } from "./lib/local.js";
import { narrow } from "./lib/query.js";
import { isZone, ownZone } from "./lib/time.js";
import type { Alert, CatalogPage, Retention } from "./lib/types.js";
import { filterKey, mergeSearch, readState, START, WHOLE, writeState, type State } from "./lib/url.js";
import { Bar } from "./parts/bar.js";
import { Bell } from "./parts/bell.js";
import { obey, type Parts } from "./parts/commands.js";
import { Compact } from "./parts/compact.js";
import { foot, head } from "./parts/edges.js";
import { Feed } from "./parts/feed.js";
import { Activity } from "./parts/histogram.js";
import { Later } from "./parts/later.js";
import { List } from "./parts/list.js";
import { Resting } from "./parts/resting.js";
import { States } from "./parts/states.js";
import { Voice } from "./parts/voice.js";
import sheets from "./styles/index.js";

const NARROW = 760;
const WIDE = 1000;
const LEAD = 60;
const SHORTCUTS = "alv-shortcuts";
export class AuditLogViewer extends LitElement implements Host {
  static override readonly styles = sheets.map((sheet) => unsafeCSS(sheet));
  static override readonly properties = {
    api: {}, locale: {}, theme: { reflect: true }, docs: {}, alerts: {}, reviews: {}, zone: {}, resource: {}, view: { reflect: true },
    urlSync: { type: Boolean, attribute: "url-sync" }, openTypes: { attribute: "open-types" },
    tellHeight: { type: Boolean, attribute: "tell-height" },
  };

  /** Base address of the HTTP API; below it is `/v1`. */
  declare api: string;
  /** Language and formats; the page's language by default. */
  declare locale: string;
  declare theme: "auto" | "light" | "dark";
  /** Where the first steps are explained; linked from the empty log. */
  declare docs: string;
  /** Address of the page with the alerts; without it the viewer does not speak of them. */
  declare alerts: string;
  /** Address of the page with the reviews; without it the viewer does not say that one is overdue. */
  declare reviews: string;
  /** IANA zone of the workspace, in which times are shown at first; the reader's own by default. */
  declare zone: string;
  /** `history`: only what happened to `resource`, as a short list for a page of the host. */
  declare view: "log" | "history";
  /** The resource of a history, `type:id`. */
  declare resource: string;
  /** Keep the address of the page in step with the state. */
  declare urlSync: boolean;
  /** Say with `alv-height` how high the content is: for a frame that has no height of its own. */
  declare tellHeight: boolean;
  /** Resource types that the host can open, separated by spaces, or `*`. */
  declare openTypes: string;

  readonly client = new Client();
  readonly labels = new Labels();
  words = new Words("en");
  clock = new Clock("en-GB", "UTC");
  state: State = START;
  retention: Retention | null = null;
  memory: string | null = null;
  narrow = false;
  wide = true;

  readonly #voice = new Voice(this);
  readonly #bar = new Bar(this, (act) => this.#later.withMore(({ menus }) => act(menus)));
  readonly #feed = new Feed(this);
  readonly #activity = new Activity(this);
  readonly #resting = new Resting(this);
  readonly #bell = new Bell(this, this.#feed, (may) => this.#resting.renew(may));
  readonly #list = new List(this, this.#feed, (item) => this.#show(item.index));
  readonly #states = new States(this, this.#feed, this.#bar, () => this.#again());
  readonly #compact = new Compact(this, this.#feed, (item) => this.#show(item.index));
  readonly #later = new Later(this, this.#list, { feed: this.#feed, bar: this.#bar, activity: this.#activity });
  #short = false;
  #shortcuts = recall<boolean>(SHORTCUTS) !== false;
  /** The catalogue of messages could not be had. */
  #mute = false;
  #offline = false;
  #height = 0;
  #loaded = "";
  /** The page around had its turn. */
  #settled = false;
  #started = false;
  #answer: () => void = () => undefined;
  /** Until the first answer of the list. */
  readonly #answered = new Promise<void>((done) => (this.#answer = done));
  #hoverTimer: number | undefined;
  #sizes: ResizeObserver | null = null;

  constructor() {
    super();
    this.api = this.docs = this.alerts = this.reviews = this.zone = this.openTypes = this.resource = "";
    this.view = "log";
    this.locale = "";
    this.theme = "auto";
    this.urlSync = this.tellHeight = false;
  }

  /** How the viewer gets the token of its reader; asked at the start, before it runs out, and once when it is refused. */
  set getToken(get: GetToken | undefined) {
    this.client.getToken = get;
    if (this.#started) this.#refresh();
    else if (this.isConnected) this.client.warm();
  }

  get getToken(): GetToken | undefined {
    return this.client.getToken;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.urlSync) this.state = readState(location.search);
    if (Object.hasOwn(this, "getToken")) {
      // Set before this class was there: the property hides the accessor.
      const { getToken } = this;
      delete this.getToken;
      this.getToken = getToken;
    }
    this.#sizes = new ResizeObserver(([entry]) => this.#measure(entry?.contentRect));
    this.#sizes.observe(this);
    if (!this.#settled) void this.#settle();
    document.addEventListener("keydown", this.#keys);
    window.addEventListener("popstate", this.#back);
    window.addEventListener("online", this.#network);
    window.addEventListener("offline", this.#network);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#sizes?.disconnect();
    this.#activity.stop();
    this.#more?.stop();
    document.removeEventListener("keydown", this.#keys);
    window.removeEventListener("popstate", this.#back);
    window.removeEventListener("online", this.#network);
    window.removeEventListener("offline", this.#network);
  }

  override willUpdate(changed: PropertyValues): void {
    this.client.base = this.api.replace(/\/+$/, "");
    if (changed.has("locale")) {
      this.words = new Words(this.locale || document.documentElement.lang || navigator.language);
      void this.#speak(this.words);
    }
    if (changed.has("alerts") && this.#started) void this.#bell.ask();
    if (!this.#settled) return;
    const zone = this.state.tz ?? this.#zones[0]?.[1] ?? "UTC";
    if (this.clock.zone !== zone || this.clock.locale !== this.words.locale) this.clock = new Clock(this.words.locale, zone);
    if (this.about && this.#narrowed(this.state)) this.state = { ...this.state, ...WHOLE };
    const key = [filterKey(this.state), this.api, this.words.locale, zone, this.about].join("\n");
    if (key !== this.#loaded) {
      const start = !this.#loaded || changed.has("api") || changed.has("locale");
      this.#loaded = key;
      void Promise.resolve().then(() => this.#refresh(start));
    }
  }

  /** Without a token: until the page's own scripts had their turn to say how to get one. */
  async #settle(): Promise<void> {
    if (!this.getToken && document.readyState !== "complete") {
      const once = (target: EventTarget, type: string): Promise<unknown> => new Promise((done) => target.addEventListener(type, done, { once: true }));
      await Promise.race([once(document, "DOMContentLoaded"), once(window, "load")]);
    }
    this.#settled = true;
    this.requestUpdate();
  }

  async #speak(words: Words): Promise<void> {
    const loaded = await Words.load(words).catch(() => null);
    // Rows that come soon are drawn with the page around them, at once.
    await Promise.race([this.#answered, pause(LEAD)]);
    if (this.words !== words) return;
    this.#mute = !loaded;
    if (loaded) this.words = loaded;
    this.requestUpdate();
  }

  protected override firstUpdated(): void {
    this.dispatchEvent(new CustomEvent("alv-ready", { bubbles: true, composed: true }));
  }

  protected override updated(): void {
    if (this.about) this.#compact.placed(this.state.entry !== null && this.#drawer !== null);
    this.#activity.placed();
    if (this.words.ready && !this.about) this.#more?.stand(this.state.dialog);
    if (this.tellHeight) requestAnimationFrame(() => this.#measured());
  }

  /** Tell the page around how high everything is, without what scrolls being cut. */
  #measured(): void {
    const high = (of: Iterable<Element>): number =>
      [...of].reduce((sum, one) => sum + (one.matches(".list") ? high(one.children) : (one as HTMLElement).offsetHeight), 0);
    const page = this.renderRoot.querySelector(".page, .compact");
    const height = page ? high(page.children) + (this.about ? 8 : 40) : 0;
    if (!height || Math.abs(height - this.#height) < 2) return;
    this.#height = height;
    this.dispatchEvent(new CustomEvent("alv-height", { detail: { height }, bubbles: true, composed: true }));
  }

  #refresh(start = true): void {
    this.#started = true;
    if (start) {
      this.#drawer?.forget();
      this.#more?.forget();
    }
    const asked = this.#loaded;
    const listed = this.#feed.load();
    void listed.then(this.#answer).then(() => this.#announce());
    // The rows have everything for themselves until they are seen, and lose that lead when they take their time.
    void Promise.race([listed, pause(LEAD)]).then(() => (this.#feed.busy ? undefined : painted())).then(() => {
      if (start) void this.#facts();
      if (!this.about && asked === this.#loaded) void this.#activity.load();
    });
    this.#more?.menus.refresh();
    void this.#inspect();
    this.#stand();
  }

  /** Have the drawer show the entry of the state, fetching its code first if need be. */
  async #inspect(focus = false): Promise<void> {
    if (this.state.entry !== null) await this.#later.fetchDrawer();
    await this.#drawer?.open(this.state.entry, focus);
  }

  /** The parts of the second file and the third, once they are here. */
  get #drawer(): Later["drawer"] {
    return this.#later.drawer;
  }

  get #more(): Later["more"] {
    return this.#later.more;
  }

  get shortcuts(): boolean {
    return this.#shortcuts;
  }

  set shortcuts(on: boolean) {
    this.#shortcuts = on;
    keep(SHORTCUTS, on);
  }

  async #facts(): Promise<void> {
    const { client, words } = this;
    const quiet = <T>(asked: Promise<T>): Promise<T | null> => asked.catch(() => null);
    const [catalog, retention] = await Promise.all([
      quiet(client.get<CatalogPage>("catalog", { lang: words.language })),
      quiet(client.get<Retention>("retention")),
    ]);
    if (catalog) this.labels.catalog = catalog;
    this.retention = retention;
    this.requestUpdate();
    void this.#bell.ask();
  }

  go(patch: Partial<State>, how: "push" | "replace" = "push"): void {
    if (this.about && this.#narrowed({ ...this.state, ...patch })) {
      // A compact view has no filters of its own: the question is one for the full log.
      const query = writeState({ ...START, ...patch, entry: null });
      this.dispatchEvent(new CustomEvent("alv-open-log", { detail: { query }, bubbles: true, composed: true }));
      return;
    }
    const before = writeState(this.state);
    this.state = { ...this.state, ...patch };
    const query = writeState(this.state);
    this.requestUpdate();
    if (query === before) return;
    if (this.urlSync) {
      const address = location.pathname + mergeSearch(location.search, this.state) + location.hash;
      if (how === "push") history.pushState(null, "", address);
      else history.replaceState(null, "", address);
    }
    this.dispatchEvent(new CustomEvent("alv-state", { detail: { query }, bubbles: true, composed: true }));
    void this.#inspect(how === "push");
    this.#stand();
  }

  /** Have the code of a dialog here that the state has open. */
  #stand(): void {
    if (this.state.dialog && !this.about) this.#later.withMore(() => this.requestUpdate());
  }

  /** The zones that times are shown in by turns: that of the page around first, each once. */
  get #zones(): (readonly [Host["nextZone"], string])[] {
    const zones = [["workspace", this.zone], ["own", ownZone()], ["utc", "UTC"]] as const;
    return zones.filter(([of, zone], at) => zone && (of !== "workspace" || isZone(zone)) && zones.findIndex((one) => one[1] === zone) === at);
  }

  get #nextZone(): readonly [Host["nextZone"], string] {
    const zones = this.#zones;
    return zones[(zones.findIndex(([, zone]) => zone === this.clock.zone) + 1) % zones.length] ?? ["utc", "UTC"];
  }

  get nextZone(): Host["nextZone"] {
    return this.#nextZone[0];
  }

  turnZone(): void {
    const [, zone] = this.#nextZone;
    this.go({ tz: zone === this.#zones[0]?.[1] ? null : zone }, "replace");
  }

  get you(): string | null {
    return this.#feed.viewer;
  }

  #narrowed(state: State): boolean {
    return filterKey({ ...state, tz: null }) !== filterKey({ ...START, ...WHOLE });
  }

  /** Take up a state from outside: what `alv-state` once reported. */
  restore(query: string): void {
    this.state = readState(query);
    this.requestUpdate();
    void this.#inspect();
    this.#stand();
  }

  get about(): string | null {
    return this.view === "history" && /^[^:]+:./.test(this.resource) ? this.resource : null;
  }

  get covered(): boolean {
    return this.state.entry !== null && this.#drawer !== null && this.wide;
  }

  href(patch: Partial<State>): string {
    return mergeSearch(this.urlSync ? location.search : "", { ...this.state, dialog: null, ...patch }) || "?";
  }

  tell(text: string): void {
    this.#voice.tell(text);
  }

  say(text: string): void {
    this.#voice.say(text);
  }

  copy(text: string, done: string): Promise<void> {
    return this.#voice.copy(text, done);
  }

  copyLink(): void {
    void this.copy(new URL(this.href({}), document.baseURI).href, this.words.t("copied.link"));
  }

  filter(field: string, value: string, negated = false): void {
    const chips = narrow(this.state.chips, field, value, negated);
    this.go(this.wide ? { chips } : { chips, entry: null });
  }

  resting(index: number): readonly Alert[] | undefined {
    return this.#resting.of(index);
  }

  report(problem: unknown): void {
    const { status, title, detail } = asProblem(problem);
    if (status === 0) this.#network();
    this.dispatchEvent(new CustomEvent("alv-error", { detail: { status, title, detail, ended: status === 401 }, bubbles: true, composed: true }));
  }

  openResource(type: string, id: string): void {
    this.dispatchEvent(new CustomEvent("alv-open-resource", { detail: { type, id }, bubbles: true, composed: true }));
  }

  #announce(): void {
    const { count, problem } = this.#feed;
    // The rows first: what comes now keeps the page busy for a while.
    void painted().then(() => {
      this.#feed.brief = false;
      this.requestUpdate();
      void this.#later.fetchDrawer();
      if (!this.about) void this.#later.fetchMore().then(() => this.#more?.loaded());
    });
    if (count && !problem && this.words.ready) this.tell(this.words.t(count.exact ? "count.entries" : "count.more", { n: count.value }));
    this.requestUpdate();
  }

  #show(index: number): void {
    const key = String(index);
    this.#list.current = index;
    this.go({ entry: key, tab: "changes" });
  }

  #measure(box: DOMRectReadOnly | undefined): void {
    if (!box?.width) return;
    const [narrow, wide, short] = [box.width < NARROW, box.width >= WIDE && !this.about, box.height < 600 && !this.about];
    if (!this.tellHeight && narrow === this.narrow && wide === this.wide && short === this.#short) return;
    if (narrow !== this.narrow || short !== this.#short) this.#more?.menus.close();
    Object.assign(this, { narrow, wide });
    this.#short = short;
    this.requestUpdate();
  }

  readonly #network = (): void => {
    const back = this.#offline && navigator.onLine;
    this.#offline = !navigator.onLine;
    if (back) this.#again();
    this.requestUpdate();
  };

  /** After something failed: with what was missing since then. */
  #again(): void {
    this.#refresh(!this.labels.catalog.kinds.length);
  }

  readonly #back = (): void => {
    if (this.urlSync) this.restore(location.search);
  };

  readonly #keys = (event: KeyboardEvent): void => {
    const inside = event.composedPath().includes(this);
    const standing = this.urlSync && event.target === document.body;
    if (!inside && !standing) return;
    // The page has less than there is: the report has all of it, even if its code is still on the way.
    if (prints(event) && this.#feed.next !== null && !this.about) {
      event.preventDefault();
      return this.#later.withMore(({ print }) => void print.report());
    }
    if (!this.shortcuts && event.key !== "Escape") return;
    const found = command(event, event.composedPath()[0]);
    if (found && obey(found, this, this.#parts())) event.preventDefault();
  };

  #parts(): Parts {
    return { bar: this.#bar, list: this.#list, drawer: this.#drawer, more: this.#later.withMore, show: (index) => this.#show(index) };
  }

  readonly #hover = (event: Event): void => {
    const row = (event.target as Element).closest<HTMLElement>(".row[data-index]");
    clearTimeout(this.#hoverTimer);
    if (row?.dataset.index) this.#hoverTimer = setTimeout(() => this.#drawer?.prefetch(row.dataset.index as string), 80);
  };

  protected override render(): TemplateResult {
    if (!this.words.ready || !this.#settled) return html`<div class="v">${this.#mute ? html`<p class="note">The texts of this viewer could not be loaded. Reload the page.</p>` : nothing}</div>`;
    const open = this.state.entry !== null && this.#drawer !== null;
    const shown = this.#feed.items.find(({ index, id }) => this.state.entry === String(index) || this.state.entry === id);
    if (this.about) return this.#renderCompact(open ? this.#drawer?.render(shown) : nothing);
    const replaced = this.#states.render();
    return html`<div class="v ${this.narrow ? "narrow" : ""} ${this.#short ? "short" : ""} ${open ? "open" : ""} ${this.clock.twelve ? "h12" : ""}" dir=${this.words.direction} lang=${this.words.language} role=${this.closest("main") ? "region" : "main"} aria-labelledby="title">
      <div class="page" ?inert=${open && !this.wide} @pointerover=${this.#hover} @focusin=${this.#hover}>
        <div class="head" part="head">${head(this, this.#more, this.#bell, this.#feed)}${this.#bar.render(this.#feed.problem)}</div>
        ${this.#more?.print.render()}
        ${this.#activity.render(this.#feed.problem !== null)}
        ${this.#states.banners(this.#offline, this.#more?.live.lost ?? false)}
        ${this.#more?.live.pill()}
        ${replaced === nothing ? this.#list.render() : replaced}
        ${foot(this, this.#more, this.#bell, this.#feed, this.#activity.total, () => this.#later.withMore(({ help }) => help.open()))}
      </div>
      ${this.#drawer?.render(shown) ?? nothing}
      ${this.#more?.render()}
      ${this.#voice.render()}
    </div>`;
  }

  #renderCompact(details: unknown): TemplateResult {
    return html`<div class="v ${this.narrow ? "narrow" : ""}" dir=${this.words.direction} lang=${this.words.language} role="region" aria-labelledby="title">
      ${this.#compact.render(details, () => this.#drawer?.close())}${this.#more?.help.render()}
      ${this.#voice.render()}
    </div>`;
  }
}

/** Until what was drawn is on the screen; a page in the background draws nothing and is not waited for. */
function painted(): Promise<unknown> {
  return Promise.race([new Promise((done) => requestAnimationFrame(() => setTimeout(done))), pause(250)]);
}

function pause(length: number): Promise<unknown> {
  return new Promise((done) => setTimeout(done, length));
}

customElements.define("audit-log-viewer", AuditLogViewer);
