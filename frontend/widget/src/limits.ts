/** How much goes at once, how often, and how long it counts. Importing nothing, the numbers cost no names. */

export const GATHER_MS = 50;
export const SPACING_MS = 1000;
// A page that is not on the button's list cannot tell that from a dead server.
export const LONGEST_PAUSE_MS = 300_000;
export const DAY_MS = 24 * 3600_000;
export const MOST_CALLS = 20;
// A browser carries 64 KiB of keepalive requests a page, and the server reads bodies of 64 KiB.
export const MOST_BYTES = 60_000;
export const MOST_KNOWN = 50;
export const MOST_QUEUED = 200;
export const VISIT_MS = 30 * 24 * 3600_000;
