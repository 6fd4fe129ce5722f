// The file with the tour, fetched when it is offered to somebody who was never here, or asked for.

import tour from "./styles/tour.css";

export { Tour } from "./tour/tour.js";

/** Style sheets to add to the shadow root. */
export const sheets = [tour];
