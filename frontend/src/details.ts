// The second file, fetched once the list stands: one entry in full. It is bundled by itself; templates of two copies of
// Lit mix freely, so nothing has to be shared between the files but the Host.

import drawer from "./styles/drawer.css";
import values from "./styles/values.css";

export { Drawer } from "./parts/drawer.js";

/** Style sheets to add to the shadow root. */
export const sheets = [drawer, values];
