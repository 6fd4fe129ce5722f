// SHA-256 by WebCrypto. The evidence page is bundled with evidence/hash.ts in its place, which needs no secure origin.

import { concat } from "./bytes.js";

export async function sha256(...parts: Uint8Array[]): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", concat(...parts) as BufferSource));
}
