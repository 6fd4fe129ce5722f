// What a file hides: fields, the values of some changed fields, and people. The server says how many values that will be.

import { html, nothing, type TemplateResult } from "lit";
import { say, type HidingKey } from "../export/words.js";
import type { Host } from "../lib/host.js";
import type { Estimate } from "../lib/types.js";

const FIELDS = [
  "actor.name", "actor.email", "actor.on_behalf_of", "resource.name", "related.name", "reason", "details", "context.place", "context.user_agent", "changes",
] as const;

const EXAMPLE = "user:usr_2M";
const PERSON = /^[a-z][a-z0-9_]{0,63}:.{1,200}$/s;
/** Offered of users, and of things. */
const OFFERED = "100";

interface Facets {
  values: { value: string; label: string; type?: string }[];
}

/** What an order says of it. */
export interface Hidden {
  hide: string[];
  hide_people: string[];
}

export class Hide {
  readonly #fields = new Set<string>();
  readonly #people = new Set<string>();
  #changes: string[] = [];
  #known: Facets["values"] | null = null;
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  get wish(): Hidden {
    const some = this.#fields.has("changes") ? [] : this.#changes.map((field) => `changes.${field}`);
    return { hide: [...this.#fields, ...some], hide_people: [...this.#people] };
  }

  get #any(): boolean {
    const { hide, hide_people } = this.wish;
    return hide.length + hide_people.length > 0;
  }

  /** Another log: its people are not those of this one. */
  forget(): void {
    this.#people.clear();
    this.#known = null;
  }

  render(): TemplateResult {
    const { words } = this.#host;
    const t = (key: HidingKey, slots?: Record<string, string>): string => say(words, key, slots);
    const example = t("people.form", { example: EXAMPLE });
    return html`<details class="hide" @toggle=${(event: Event) => (event.target as HTMLDetailsElement).open && void this.#offer()}><summary>${t("title")}</summary>
      <p class="mute">${t("about")}</p>
      <fieldset class="cols"><legend>${t("fields")}</legend>${FIELDS.map((field) => {
        const on = this.#fields.has(field);
        return html`<label class=${on ? "on" : ""}><input type="checkbox" .checked=${on} @change=${() => this.#turn(this.#fields, field)}>${t(field)}</label>`;
      })}</fieldset>
      ${this.#fields.has("changes") ? nothing : html`<label class="who"><span>${t("changes.some")}</span><input class="mono" dir="ltr" spellcheck="false" autocomplete="off" placeholder=${t("changes.hint")} .value=${this.#changes.join(", ")} @change=${this.#some}></label>`}
      <fieldset class="cols"><legend>${t("people")}</legend>${[...this.#people].map(
        (person) => html`<button class="btn sm" type="button" aria-label=${t("people.remove", { name: person })} @click=${() => this.#turn(this.#people, person)}><bdi class="mono">${person}</bdi> ×</button>`,
      )}</fieldset>
      <div class="who"><label for="hide-person">${t("people.label")}</label><span><input id="hide-person" class="mono" dir="ltr" spellcheck="false" autocomplete="off" maxlength="265" list="hide-people" placeholder=${EXAMPLE} title=${example} @keydown=${this.#enter}><button class="btn" type="button" @click=${this.#add}>${t("people.add")}</button></span></div>
      <datalist id="hide-people">${(this.#known ?? []).map(({ value, label }) => html`<option value=${value}>${label}</option>`)}</datalist></details>`;
  }

  /** How many values will be hidden, as soon as that is known; nothing while nothing is to be. */
  told(estimate: Estimate | null): string {
    if (!this.#any || !estimate) return "";
    const { value, exact } = estimate.hidden;
    return say(this.#host.words, !value && exact ? "none" : exact ? "some" : "more", { n: value });
  }

  #turn(set: Set<string>, name: string): void {
    if (!set.delete(name)) set.add(name);
    this.#host.requestUpdate();
  }

  readonly #some = (event: Event): void => {
    this.#changes = (event.target as HTMLInputElement).value.split(",").map((one) => one.trim()).filter(Boolean);
    this.#host.requestUpdate();
  };

  readonly #enter = (event: KeyboardEvent): void => {
    if (event.key !== "Enter") return;
    // The form would be sent, and the file ordered.
    event.preventDefault();
    this.#add();
  };

  readonly #add = (): void => {
    const field = this.#host.renderRoot.querySelector<HTMLInputElement>("#hide-person");
    const person = field?.value.trim() ?? "";
    if (!field || !person) return;
    const fault = PERSON.test(person) ? "" : say(this.#host.words, "people.form", { example: EXAMPLE });
    field.setCustomValidity(fault);
    if (fault) {
      field.reportValidity();
      field.setCustomValidity("");
      return;
    }
    field.value = "";
    this.#people.add(person);
    this.#host.requestUpdate();
  };

  /** Offer whom the log knows; without that, an id can be typed. */
  async #offer(): Promise<void> {
    if (this.#known) return;
    const { client, words } = this.#host;
    const asked = { limit: OFFERED, lang: words.language };
    const [actors = [], things = []] = await Promise.all(["actor", "resource"].map((field) => client.get<Facets>("facets", { ...asked, field }).then(({ values }) => values, () => [])));
    const values = [...actors.map((one) => ({ ...one, value: `${one.type}:${one.value}` })), ...things].filter(({ value }) => PERSON.test(value));
    this.#known = [...new Map(values.map((one) => [one.value, one])).values()];
    this.#host.requestUpdate();
  }
}
