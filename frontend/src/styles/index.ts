// Style sheets, in the order in which they apply. Plain CSS; the build minifies each and hands it over as a string.

import bar from "./bar.css";
import base from "./base.css";
import list from "./list.css";
import narrow from "./narrow.css";
import tokens from "./tokens.css";

export default [tokens, base, bar, list, narrow];
