// What changed in sum over several entries of one resource: the first before, the last after, field by field.

import type { Change } from "./types.js";

/** Join the changes of entries, oldest first. What came back to where it was is no change. */
export function net(entries: readonly (readonly Change[])[]): Change[] {
  const joined = new Map<string, Change>();
  for (const change of entries.flat()) {
    const earlier = joined.get(change.path);
    joined.set(change.path, earlier ? join(earlier, change) : change);
  }
  return [...joined.values()].filter(isChange);
}

function join(first: Change, last: Change): Change {
  const sum: Change = { ...last };
  if (first.class === "secret") sum.class = "secret";
  for (const [name, from] of [["before", first], ["before_fp", first], ["after", last], ["after_fp", last]] as const) {
    if (name in from) Object.assign(sum, { [name]: from[name] });
    else delete sum[name];
  }
  if (first.added || first.removed || last.added || last.removed) {
    const [added, removed] = [first, last].reduce<[unknown[], unknown[]]>(
      ([came, went], one) => [
        [...without(came, one.removed), ...without(one.added ?? [], went)],
        [...without(went, one.added), ...without(one.removed ?? [], came)],
      ],
      [[], []],
    );
    Object.assign(sum, { added, removed });
  }
  return sum;
}

function without(values: readonly unknown[], gone: readonly unknown[] = []): unknown[] {
  const texts = new Set(gone.map((one) => JSON.stringify(one)));
  return values.filter((one) => !texts.has(JSON.stringify(one)));
}

function isChange({ before, after, added, removed, before_fp: was, after_fp: is }: Change): boolean {
  if (added?.length || removed?.length || was !== is) return true;
  // Hidden values cannot be compared: that something was written is all there is to say.
  return JSON.stringify(before ?? null) !== JSON.stringify(after ?? null) || isHidden(before);
}

function isHidden(value: unknown): boolean {
  return typeof value === "object" && value !== null && "$" in value;
}
