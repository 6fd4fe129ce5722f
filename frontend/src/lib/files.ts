// The files beside viewer.js that it fetches when it needs them.

/** Digests by name, put in by the build; absent when the sources run as they are, in tests. */
declare const DIGESTS: Record<string, string> | undefined;

/** Address of a file, with the digest of its content, so that caches never pair files of two versions. */
export function beside(name: string): string {
  const digest = typeof DIGESTS === "undefined" ? undefined : DIGESTS[name];
  return new URL(digest ? `${name}?v=${digest}` : name, import.meta.url).href;
}
