// The story of a session has an address of its own: `?story=session:ID`, or `?story=entry:INDEX` for that of an entry.

/** The story that an address asks for; empty for none. */
export function storyIn(search: string): string {
  const asked = new URLSearchParams(search).get("story") ?? "";
  return /^(session|entry):.{1,500}$/.test(asked) ? asked : "";
}

/** Put a story into the address of the page, or take it out. */
export function standAt(story: string): void {
  const search = new URLSearchParams(location.search);
  if (story === (search.get("story") ?? "")) return;
  if (story) search.set("story", story);
  else search.delete("story");
  history.replaceState(history.state, "", `${location.pathname}${search.size ? `?${search}` : ""}${location.hash}`.replace(/%3A/g, ":"));
}
