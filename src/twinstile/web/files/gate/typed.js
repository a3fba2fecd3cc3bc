// @ts-check
/** A test and a journey, as an officer types them from what a traveller shows. Pure. */
import { normal } from "./places.js";
import { AREA_PATTERN, HOME_COUNTRY, SAMPLE_KINDS, SAMPLE_RESULTS } from "./tables.js";

/** A test without a result is nothing to show. */
export const RESULTS = SAMPLE_RESULTS.filter((one) => !["UNKNOWN", "PENDING"].includes(one));
export const KINDS = SAMPLE_KINDS;
const AREA = new RegExp(AREA_PATTERN);
const MOST_AREAS = 16;
/** Older samples are of no use to any rule. */
const OLDEST_MS = 60 * 24 * 3_600_000;

/**
 * @param {string} kind @param {string} result @param {string} sampled local date and time @param {number} now
 * @returns {import("./claims.js").Claims | null} null: no such moment
 */
export function test(kind, result, sampled, now) {
  const at = Date.parse(sampled);
  if (!(at <= now && at > now - OLDEST_MS)) return null;
  return { tests: [[kind, result, new Date(at).toISOString()]] };
}

/**
 * Places in codes, apart by blanks or commas, all left on one day.
 * @param {string} places @param {string} left the day, or nothing @param {boolean} starred
 * @returns {import("./claims.js").Claims | null} null: a code is none, or there are too many
 */
export function journey(places, left, starred) {
  const codes = places.toUpperCase().split(/[\s,，、]+/).filter(Boolean);
  if (codes.length > MOST_AREAS || (codes.length === 0 && !starred)) return null;
  if (codes.some((code) => !AREA.test(code) || code === HOME_COUNTRY)) return null;
  /** @type {import("./places.js").Stay[]} */
  const stays = codes.map((code) => [normal(code), left || null]);
  return { source: "OFFICER", starred, stays };
}

/** The same as the body of a check has it. @param {import("./claims.js").Claims} claims */
export function body({ tests, source, starred, stays }) {
  const [kind, result, sampled_at] = tests?.at(-1) ?? [];
  return {
    ...(kind && { test: { kind, result, sampled_at } }),
    ...(source && {
      itinerary: { source, starred: Boolean(starred), areas: (stays ?? []).map(([code, left_on]) => ({ code, left_on })) },
    }),
  };
}
