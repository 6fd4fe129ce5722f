// The third file, fetched once the list stands: live entries, the log's badge, menus, suggestions, dialogs. It is bundled by
// itself, like details.ts.

import dialogs from "./styles/dialogs.css";
import more from "./styles/more.css";

export { More } from "./parts/more.js";

/** Style sheets to add to the shadow root. */
export const sheets = [dialogs, more];
