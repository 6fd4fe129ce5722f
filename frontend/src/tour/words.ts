// The messages of the tour, in its own file. Each language has every message.

import ar from "./ar.json";
import en from "./en.json";
import es from "./es.json";
import hi from "./hi.json";
import pt from "./pt.json";
import type { Catalogue } from "../lib/i18n.js";

export type TourKey = keyof typeof en;

export const CATALOGUES: Record<string, Catalogue> & { en: Catalogue } = { ar, en, es, hi, pt };
