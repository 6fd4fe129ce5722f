// What a page remembers for its reader, in this browser. A frame on another site may be denied storage: then nothing is
// remembered, and whoever asks is told so.

/** What was kept under a name; null when nothing was, or when there is no storage. */
export function recall<T>(name: string): T | null {
  try {
    return JSON.parse(localStorage.getItem(name) ?? "null") as T | null;
  } catch {
    return null;
  }
}

/** Keep a value, null for none; false when this browser keeps nothing here. */
export function keep(name: string, value: unknown): boolean {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/** Whether anything can be kept. */
export function keeps(): boolean {
  return keep("alv", 1) && keep("alv", null);
}
