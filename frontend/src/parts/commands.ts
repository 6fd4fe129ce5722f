// What each keyboard command does, told to the parts that it concerns.

import type { Host } from "../lib/host.js";
import type { Command } from "../lib/keys.js";
import { TABS } from "../lib/url.js";
import type { Bar } from "./bar.js";
import type { Drawer } from "./drawer.js";
import type { List } from "./list.js";
import type { More } from "./more.js";

export interface Parts {
  bar: Bar;
  list: List;
  drawer: Drawer | null;
  /** Act with the third file, fetching it first if need be. */
  more: (act: (more: More) => void) => void;
  show: (index: number) => void;
}

/** Carry out a command; false when there is nothing to do and the key is the browser's. */
export function obey(what: Command, host: Host, { bar, list, drawer, more, show }: Parts): boolean {
  const active = (host.renderRoot as ShadowRoot).activeElement;
  const data = active?.closest<HTMLElement>("[data-field]")?.dataset;
  const shown = host.state.entry === null ? null : drawer;
  const does = (act: (() => unknown) | false | null | undefined | ""): boolean => {
    if (act) act();
    return Boolean(act);
  };
  switch (what) {
    case "search":
      return does(host.about === null && (() => bar.field?.select()));
    case "next":
    case "previous": {
      const step = what === "next" ? 1 : -1;
      return does(() => (active?.closest(".drawer") ? drawer?.step(step) : list.move(step)));
    }
    case "open":
      return does(list.current !== null && active?.closest(".row") && (() => show(list.current as number)));
    case "close":
      return does(shown && (() => shown.close()));
    case "newer":
    case "older":
      return does(shown && (() => shown.step(what === "older" ? 1 : -1)));
    case "filter":
    case "exclude":
      return does(data?.field && data.value && (() => host.filter(data.field as string, data.value as string, what === "exclude")));
    case "history": {
      const [type = "", ...id] = data?.field === "resource" ? (data.value ?? "").split(":") : [];
      return does(type ? () => drawer?.history(type, id.join(":")) : shown && (() => shown.tab("history")));
    }
    case "link":
      return does(() => host.copyLink());
    case "json":
      return does(shown && (() => shown.copyJson()));
    case "export":
      return does(host.about === null && (() => host.go({ dialog: "exports" }, "replace")));
    case "live":
      return does(host.about === null && (() => more(({ live }) => live.toggle())));
    case "top":
      return does(() => list.top());
    case "zone":
      return does(() => host.turnZone());
    case "help":
      return does(() => more(({ help }) => help.open()));
    default:
      return does(shown && (() => shown.tab(TABS[Number(what.slice(3)) - 1] ?? "changes")));
  }
}
