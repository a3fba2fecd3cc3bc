// @ts-check
/**
 * What time it is: this tablet's clock, put right by what the service said of its own. A tablet is
 * set by hand, or by a network it meets in the middle of a shift; nobody's hours depend on that.
 */

/** What the service tells is this coarse (RFC 9110, Date), and a smaller difference is none. */
const COARSE_MS = 2_000;
/** By so much more than time went on, a clock was set, or the tablet slept. */
const MOVED_MS = 60_000;

/** How far this clock was behind the service's when it was last told. @type {number | null} */
let behind = null;
const running = () => Date.now() - performance.now();
/** By how much this clock was ahead of one that only runs on, then. */
let ahead = running();

/** The service has said what time it is. @param {string | null} date of its answer */
export function told(date) {
  const theirs = date === null ? NaN : Date.parse(date);
  if (Number.isNaN(theirs)) return;
  const found = theirs - Date.now();
  // the same all the while, or facts made at once would change their order
  if (behind === null || Math.abs(found - behind) > COARSE_MS) behind = Math.abs(found) > COARSE_MS ? found : 0;
  ahead = running();
}

/** How far this clock is behind the service's, as far as that is known: it was not set since. @returns {number | null} */
export function offset() {
  return behind === null || Math.abs(running() - ahead) > MOVED_MS ? null : behind;
}

/** The service's time. A clock that is set back does not bring time back. */
export const now = () => (behind ?? 0) + Date.now() + Math.max(0, ahead - running());
