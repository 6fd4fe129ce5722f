// What the parts of the viewer know of the element that holds them.

import type { ReactiveControllerHost } from "lit";
import type { Client } from "./api.js";
import type { Clock } from "./format.js";
import type { Words } from "./i18n.js";
import type { Labels } from "./labels.js";
import type { Alert, Retention } from "./types.js";
import type { State } from "./url.js";

export interface Host extends ReactiveControllerHost {
  readonly client: Client;
  readonly words: Words;
  readonly clock: Clock;
  readonly labels: Labels;
  readonly state: State;
  readonly retention: Retention | null;
  readonly docs: string;
  /** Address of the page with the alerts; empty where there is none. */
  readonly alerts: string;
  /** Address of the page with the reviews; empty where there is none. */
  readonly reviews: string;
  readonly openTypes: string;
  /** Whether the address of the page follows the state. */
  readonly urlSync: boolean;
  /** The one resource, `type:id`, that a compact view is about; null in the full viewer. */
  readonly about: string | null;
  /** Under 760 px of the element's own width. */
  readonly narrow: boolean;
  /** From 1,000 px: the drawer stands beside the list. */
  readonly wide: boolean;
  /** The drawer stands over the right end of the page: what is there takes no focus. */
  readonly covered: boolean;
  /** Whether single keys act. */
  shortcuts: boolean;
  /** Actor id of whoever reads; null until the first answer. */
  readonly you: string | null;
  /** Opaque name of this viewer in this workspace; what a page remembers is kept under it. Null until it is known. */
  memory: string | null;
  readonly renderRoot: HTMLElement | DocumentFragment;

  /** Change the state. Filters push a step for Back, moving between entries replaces. */
  go(patch: Partial<State>, how?: "push" | "replace"): void;
  /** The link to a state that differs from this one. */
  href(patch: Partial<State>): string;
  /** What the next zone is called among the reader's own, the workspace's and UTC. */
  readonly nextZone: "own" | "workspace" | "utc";
  /** Show times in the next zone. */
  turnZone(): void;
  /** Tell the reader, on screen and to assistive technology. */
  say(text: string): void;
  /** Tell assistive technology alone. */
  tell(text: string): void;
  copy(text: string, done: string): Promise<void>;
  copyLink(): void;
  /** Put a filter in place; where the drawer covers the list, show the list. */
  filter(field: string, value: string, negated?: boolean): void;
  /** The alerts that rest on an entry, the gravest first; undefined where none does, or this reader may not know. */
  resting(index: number): readonly Alert[] | undefined;
  /** Report a failed request to the page around. */
  report(problem: unknown): void;
  openResource(type: string, id: string): void;
}
