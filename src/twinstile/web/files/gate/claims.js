// @ts-check
/**
 * What a traveller claims, and what it amounts to for rules: `screening/claims.py`. Claims have the
 * form in which the service stores them (`claims.Packed`); whatever is missing was not claimed.
 *
 * @typedef {{category?: string, tests?: [kind: string, result: string, at: string][],
 *   source?: string, starred?: boolean, stays?: import("./places.js").Stay[], declared?: boolean,
 *   symptoms?: string[], contact?: string, fever_medicine?: boolean}} Claims
 */
import * as places from "./places.js";
import { NEVER, TRISTATES } from "./tables.js";

const HOUR_MS = 3_600_000;
const AHEAD_MS = HOUR_MS;
const DAY_MS = 24 * HOUR_MS;

/** These claims with those of the person's next check. @param {Claims} known @param {Claims} more @returns {Claims} */
export function joined(known, more) {
  const contacts = [known.contact, more.contact].map((one) => TRISTATES.indexOf(one ?? "NOT_STATED"));
  return {
    ...known,
    ...more,
    tests: [...(known.tests ?? []), ...(more.tests ?? [])],
    starred: more.starred || (known.starred && more.source !== "OFFICER"),
    stays: more.stays?.length ? more.stays : known.stays,
    declared: known.declared || more.declared,
    symptoms: [...new Set([...(known.symptoms ?? []), ...(more.symptoms ?? [])])].sort(),
    contact: TRISTATES[Math.max(...contacts)],
    fever_medicine: known.fever_medicine || more.fever_medicine,
  };
}

/**
 * The facts rules may read of claims, at a moment (milliseconds) and its day at the hub.
 * @param {Claims} claims @param {places.Areas} areas @param {number} at @param {string} day
 */
export function facts(claims, areas, at, day) {
  const met = places.met(areas, claims.stays ?? [], day);
  const [province, county, street] = met.levels;
  const tests = (claims.tests ?? []).map(([kind, result, sampled]) => ({
    kind,
    result,
    at: Date.parse(sampled),
  }));
  /** @param {(test: {kind: string, result: string}) => boolean} which */
  const newest = (which) => Math.max(...tests.filter(which).map((test) => test.at));
  const negative = newest((test) => test.result === "NEGATIVE");
  const positive = newest((test) => test.result === "POSITIVE");
  const pending = tests.some((test) => test.result === "PENDING");
  return {
    category: claims.category ?? "TRAVELLER",
    test: {
      result: telling(positive, negative, pending, tests.length),
      negative_hours: hours(negative, at),
      negative_pcr_hours: hours(newest((t) => t.result === "NEGATIVE" && t.kind === "PCR"), at),
      pending,
    },
    itinerary: {
      known: Boolean(claims.source),
      starred: Boolean(claims.starred),
      origin: met.relation,
    },
    area: { province, county, street, days_since_left: daysSince(met, province, day) },
    declaration: {
      made: Boolean(claims.declared),
      symptoms: [...(claims.symptoms ?? [])].sort(),
      contact: claims.contact ?? "NOT_STATED",
      fever_medicine: Boolean(claims.fever_medicine),
    },
  };
}

/** @param {number} positive @param {number} negative @param {boolean} pending @param {number} count */
function telling(positive, negative, pending, count) {
  if (positive > -Infinity && positive >= negative) return "POSITIVE";
  if (negative > -Infinity) return "NEGATIVE";
  if (pending) return "PENDING";
  return count ? "UNKNOWN" : "NONE";
}

/** Hours begun since a sample; one from the future is none. @param {number} sampled @param {number} at */
function hours(sampled, at) {
  if (sampled === -Infinity || sampled > at + AHEAD_MS) return NEVER;
  return Math.min(NEVER, Math.ceil(Math.max(0, at - sampled) / HOUR_MS));
}

/** @param {{leftOn: string | null}} met @param {string} province @param {string} day */
function daysSince(met, province, day) {
  if (province === "NONE") return NEVER;
  return Math.max(0, (Date.parse(day) - Date.parse(met.leftOn ?? day)) / DAY_MS);
}
