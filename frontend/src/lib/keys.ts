// Which key means what. A table and a look-up; what a command does is the element's affair.

export type Command =
  | "search" | "next" | "previous" | "open" | "close" | "newer" | "older" | "filter" | "exclude" | "history" | "link" | "json"
  | "export" | "live" | "zone" | "top" | "tab1" | "tab2" | "tab3" | "tab4" | "help";

const KEYS: Record<string, Command> = {
  "/": "search", j: "next", ArrowDown: "next", k: "previous", ArrowUp: "previous", o: "open", Escape: "close", "[": "newer", "]": "older",
  f: "filter", F: "exclude", h: "history", c: "link", y: "json", e: "export", l: "live", t: "zone", "1": "tab1", "2": "tab2", "3": "tab3", "4": "tab4",
  "?": "help",
};

/** As the help lists them. */
export const SHORTCUTS: readonly (readonly [string, readonly string[]])[] = [
  ["search", ["/"]], ["move", ["J", "K"]], ["open", ["↵", "O"]], ["close", ["Esc"]], ["step", ["[", "]"]], ["filter", ["F"]],
  ["exclude", ["⇧", "F"]], ["history", ["H"]], ["link", ["C"]], ["json", ["Y"]], ["tabs", ["1", "2", "3", "4"]], ["zone", ["T"]],
  ["top", ["G", "G"]], ["live", ["L"]], ["export", ["E"]], ["help", ["?"]],
];

/** Two presses of G this near mean the top. */
const PAIR = 800;
let pressed = -Infinity;

/** Tell whether a key press asks the browser to print. */
export const prints = (event: KeyboardEvent): boolean =>
  (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "p";

/** The command of a key press, unless it belongs to a field, a control or the browser. */
export function command(event: KeyboardEvent, target: EventTarget | undefined): Command | null {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return null;
  const element = target instanceof Element ? target : null;
  const typing = element?.matches("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]") ?? false;
  if (typing) return null;
  const found = KEYS[event.key] ?? null;
  if (event.key === "g") {
    const pair = event.timeStamp - pressed < PAIR;
    pressed = pair ? -Infinity : event.timeStamp;
    return pair ? "top" : null;
  }
  pressed = -Infinity;
  if (event.key.startsWith("Arrow") && !element?.closest(".row")) return null;
  return found;
}
