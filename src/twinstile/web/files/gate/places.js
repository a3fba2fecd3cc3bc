// @ts-check
/**
 * Places and key areas, as `policy/areas.py` reads them.
 *
 * @typedef {[code: string, leftOn: string | null]} Stay spelt as `normal` does; null: unknown when
 * @typedef {{code: string, level: string, from: string, until: string}} KeyArea days as in ISO 8601
 * @typedef {{home: string[], byPart: Map<string, KeyArea[]>}} Areas
 */
import { LEVELS, RELATIONS } from "./tables.js";

const PARTS = [9, 6, 2];
const COUNTRY = 2;
/** @type {Record<string, string>} */
const ACROSS = { TWN: "71", HKG: "81", MAC: "82" };
const ACROSS_CODES = Object.values(ACROSS);
/** @type {[number, string][]} */
const SHARED = [
  [6, "SAME_COUNTY"],
  [4, "SAME_PREFECTURE"],
  [2, "SAME_PROVINCE"],
];

/** One spelling of a place: 610000 is 61, 610100 is 6101, HKG is 81. @param {string} code */
export function normal(code) {
  let spelt = Object.hasOwn(ACROSS, code) ? ACROSS[code] : code;
  for (const [digits, nothing] of /** @type {[number, string][]} */ ([[9, "000"], [6, "00"], [4, "00"]])) {
    if (spelt.length === digits && spelt.endsWith(nothing)) spelt = spelt.slice(0, -nothing.length);
  }
  return spelt;
}

/** @param {string[]} home @param {KeyArea[]} listed @returns {Areas} */
export function compiled(home, listed) {
  /** @type {Map<string, KeyArea[]>} */
  const byPart = new Map();
  for (const area of listed) {
    for (const [, part] of parts(normal(area.code))) {
      byPart.set(part, [...(byPart.get(part) ?? []), area]);
    }
  }
  return { home: home.map(normal), byPart };
}

/** What stays meet of the areas on a day of the hub. @param {Areas} areas @param {Stay[]} stays @param {string} day */
export function met(areas, stays, day) {
  if (stays.length === 0) return { relation: "UNKNOWN", levels: ["NONE", "NONE", "NONE"], leftOn: null };
  /** @type {Map<number, {worst: number, left: (string | null)[]}>} */
  const found = new Map();
  for (const [code, leftOn] of stays) {
    for (const [digits, part] of parts(code)) {
      for (const area of areas.byPart.get(part) ?? []) {
        if (day < area.from || day > area.until || (leftOn ?? day) < area.from) continue;
        const before = found.get(digits) ?? { worst: 0, left: [] };
        const worst = Math.max(before.worst, LEVELS.indexOf(area.level));
        found.set(digits, { worst, left: [...before.left, leftOn] });
      }
    }
  }
  const left = found.get(Math.max(...found.keys()))?.left ?? [];
  return {
    relation: RELATIONS[Math.max(...stays.map(([code]) => distance(areas, code)))],
    levels: [2, 6, 9].map((digits) => LEVELS[found.get(digits)?.worst ?? 0]),
    leftOn: left.length && !left.includes(null) ? [...left].sort()[left.length - 1] : null,
  };
}

/** @param {string} code @returns {[number, string][]} */
function parts(code) {
  if (/^[A-Z]+$/.test(code)) return [[COUNTRY, code]];
  return PARTS.filter((digits) => code.length >= digits).map((digits) => [digits, code.slice(0, digits)]);
}

/** @param {Areas} areas @param {string} code */
function distance(areas, code) {
  if (/^[A-Z]+$/.test(code) || ACROSS_CODES.includes(code.slice(0, 2))) {
    return RELATIONS.indexOf("ABROAD");
  }
  const near = areas.home.map((home) => {
    const shared = SHARED.find(
      ([digits]) => code.length >= digits && code.slice(0, digits) === home.slice(0, digits),
    );
    return RELATIONS.indexOf(shared ? shared[1] : "OTHER_PROVINCE");
  });
  return near.length ? Math.min(...near) : RELATIONS.indexOf("UNKNOWN");
}
