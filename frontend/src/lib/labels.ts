// Names of kinds, categories, types and actions as the catalog of this log has them, and names of actors met so far.

import { capital } from "./format.js";
import type { CatalogPage, Kind, Shown, Summary } from "./types.js";
import type { Words } from "./i18n.js";

export class Labels {
  catalog: CatalogPage = { actions: [], kinds: [], categories: [], types: [] };
  readonly #actors = new Map<string, string>();
  /** By `type:id`. */
  readonly resources = new Map<string, string>();

  kind(words: Words, kind: Kind): string {
    return this.catalog.kinds.find(({ value }) => value === kind)?.label ?? words.t(`kind.${kind}`);
  }

  category(name: string): string {
    return capital(this.catalog.categories.find(({ value }) => value === name)?.label ?? humane(name));
  }

  type(name: string): string {
    return capital(this.catalog.types.find(({ value }) => value === name)?.label ?? humane(name));
  }

  action(name: string): string {
    return this.catalog.actions.find((action) => action.name === name)?.label ?? name;
  }

  /** Learn names from entries, so that a chip can say "Maria Torres" where the query says `usr_2M`. */
  learn(items: readonly Summary[]): void {
    for (const { actor, resource, related = [] } of items) {
      this.name(actor.id, actor.name);
      for (const { type, id, name } of [resource, ...related]) {
        if (typeof name === "string" && !this.resources.has(`${type}:${id}`)) this.resources.set(`${type}:${id}`, name);
      }
    }
  }

  name(id: string, name: Shown | undefined): void {
    if (typeof name === "string" && name && !this.#actors.has(id)) this.#actors.set(id, name);
  }

  actor(id: string): string {
    return this.#actors.get(id) ?? id;
  }

  /** A value of a query field in the reader's words. */
  value(words: Words, field: string, value: string): string {
    switch (field) {
      case "actor":
        return this.actor(value);
      case "resource":
      case "related":
        return this.resources.get(value) ?? value.replace(/\*$/, "…");
      case "type":
        return this.type(value);
      case "kind":
        return this.kind(words, value as Kind);
      case "action":
        return value.endsWith(".*") ? this.category(value.slice(0, -2)) : this.action(value);
      case "category":
        return this.category(value);
      case "country":
        return words.country(value);
      default:
        return words.maybe(`${field}.${value}`) ?? value;
    }
  }
}

/** A code as words: `api_key` → `Api key`. */
export function humane(code: string): string {
  return capital(code.replace(/[._]+/g, " ").trim());
}
