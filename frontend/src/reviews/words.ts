// The messages of the page of reviews, in its own file, as those of alerts are. Each language has every message.

import ar from "./ar.json";
import en from "./en.json";
import es from "./es.json";
import hi from "./hi.json";
import pt from "./pt.json";
import type { Catalogue } from "../lib/i18n.js";

export type ReviewKey = keyof typeof en;

export const CATALOGUES: Record<string, Catalogue> & { en: Catalogue } = { ar, en, es, hi, pt };
