// The fifth file, fetched when somebody wants a file: the dialog of exports. It is bundled by itself, like details.ts.

import sheet from "./styles/export.css";

export { Export } from "./parts/export.js";

/** Style sheets to add to the shadow root. */
export const sheets = [sheet];
