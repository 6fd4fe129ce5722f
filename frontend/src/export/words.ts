// The messages of what a file hides, in the file of the dialog: the viewer does not load them. Each language has every message.

import { Words, type Catalogue, type Key } from "../lib/i18n.js";
import ar from "./ar.json";
import en from "./en.json";
import es from "./es.json";
import hi from "./hi.json";
import pt from "./pt.json";

export type HidingKey = keyof typeof en;

const CATALOGUES: Record<string, Catalogue> = { ar, en, es, hi, pt };

/** Say a message in the language of the viewer. */
export function say({ locale, language }: Words, key: HidingKey, slots: Record<string, string | number> = {}): string {
  return new Words(locale, CATALOGUES[language]).t(key as unknown as Key, slots);
}
