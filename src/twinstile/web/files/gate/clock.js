// @ts-check
/**
 * What time it is: this tablet's clock, put right by what the service said of its own. A tablet is
 * set by hand, or by a network it meets in the middle of a shift; nobody's hours depend on that.
 */

/** A difference this small is none. What the service tells is this old at most: whole seconds, written once in each (RFC 9110, Date). */
const COARSE_MS = 2_000;
/** By so much more than time went on, a clock was set, or the tablet slept. */
const MOVED_MS = 60_000;

/** How far this clock was behind the service's when it was last told. @type {number | null} */
let behind = null;
const running = () => Date.now() - performance.now();
/** By how much this clock was ahead of one that only runs on, then. */
let ahead = running();

/**
 * The service has said what time it is, at some moment between question and answer: what was long on
 * its way says nothing of this clock.
 * @param {string | null} date of its answer @param {number} lasted milliseconds from question to answer, whatever clocks were set meanwhile
 */
export function told(date, lasted) {
  const theirs = (date === null ? NaN : Date.parse(date)) + COARSE_MS / 2;
  if (Number.isNaN(theirs)) return;
  const least = theirs - Date.now() - COARSE_MS;
  const most = least + lasted + 2 * COARSE_MS;
  // the same all the while, or facts made at once would change their order
  behind = [behind, 0].find((known) => known !== null && least <= known && known <= most) ?? Math.round((least + most) / 2);
  ahead = running();
}

/** How far this clock is behind the service's, as far as that is known: it was not set since. @returns {number | null} */
export function offset() {
  return behind === null || Math.abs(running() - ahead) > MOVED_MS ? null : behind;
}

/** The service's time. A clock that is set back does not bring time back. */
export const now = () => (behind ?? 0) + Date.now() + Math.max(0, ahead - running());
