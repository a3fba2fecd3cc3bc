// @ts-check
/**
 * People who travel together, as this tablet has seen them one after the other: `screening/parties.py`.
 * Each has a verdict of their own; what it takes of the others is said here. Pure.
 *
 * @typedef {import("./front.js").Person} Person
 * @typedef {{id: string, members: Person[], full: boolean}} Party in the order in which they came
 * @typedef {{role: string, guardian: string | null, flagged: boolean}} Company
 * @typedef {{at: number, day: string, direction: string}} Moment
 */
import { decide } from "./decide.js";
import { recognised } from "./scan.js";
import { MINOR_BELOW, MOST_PEOPLE, OUTCOMES, PASSED, SUSPECT, WAITING } from "./tables.js";

/** @param {string} id @returns {Party} */
export const begun = (id) => ({ id, members: [], full: false });

/**
 * The person in this party, in the role they have there: who is under 14 by the document is a minor,
 * the first of the others the guardian. Somebody met in it before keeps their role; nobody joins a
 * full one.
 * @param {Party} party @param {Person} person @param {string} day @returns {Person}
 */
export function joined(party, person, day) {
  const known = member(party, person.key);
  if (!known && party.members.length >= MOST_PEOPLE) return person;
  const guarded = party.members.some((one) => one.party?.role === "GUARDIAN");
  const role = known?.party?.role ?? (isMinor(person, day) ? "MINOR" : guarded ? "MEMBER" : "GUARDIAN");
  return { ...person, party: { id: party.id, role } };
}

/** As whom somebody was met in the party before. @param {Party} party @param {string} key */
export const member = (party, key) => party.members.find((one) => one.key === key && key !== "");

/** The party with this person as they stand now. @param {Party} party @param {Person} person @returns {Party} */
export function noted(party, person) {
  if (person.party?.id !== party.id) return party;
  const known = member(party, person.key);
  const members = known ? party.members.map((one) => (one === known ? person : one)) : [...party.members, person];
  return { ...party, members, full: members.length >= MOST_PEOPLE };
}

/** What rules may know of those somebody travels with; undefined of somebody alone. @param {Party | null} party @param {Person} person @param {import("./decide.js").Policy} policy @param {Moment} moment @returns {Company | undefined} */
export function company(party, person, policy, moment) {
  if (!party || person.party?.id !== party.id) return undefined;
  const others = party.members.filter((one) => one.key !== person.key);
  return {
    role: person.party.role,
    guardian: guardianOf(party, person)?.evidence.credential ?? null,
    flagged: policy.parameters.party !== false && others.some((one) => abnormal(one, policy, moment)),
  };
}

/** The guardian's declaration, for a minor who has none. @param {Party | null} party @param {Person} person @returns {import("./claims.js").Claims} */
export function declared(party, person) {
  const theirs = party && person.party?.role === "MINOR" ? guardianOf(party, person)?.evidence.claims : undefined;
  if (!theirs?.declared) return {};
  const { symptoms, contact, fever_medicine } = theirs;
  return { declared: true, symptoms, contact, fever_medicine };
}

/** @param {Party} party @param {Person} person */
const guardianOf = (party, person) => party.members.find((one) => one.party?.role === "GUARDIAN" && one.key !== person.key);

/**
 * Whether somebody is under a suspicion of their own, by their evidence alone: not by a document
 * that does not fit, and not because of the others.
 * @param {Person} person @param {import("./decide.js").Policy} policy @param {Moment} moment
 */
export function abnormal(person, policy, { at, day }) {
  if (!SUSPECT.includes(person.state)) return false;
  const own = { ...person.evidence, identity: "MATCH" };
  const { outcome } = decide("PRESENTED", own, { at, day, direction: "UNKNOWN", marks: [] }, policy);
  return OUTCOMES.indexOf(outcome) >= OUTCOMES.indexOf("SECONDARY");
}

/** Who has gone on already, and is to be looked at because of another. @param {Party} party @param {import("./decide.js").Policy} policy @param {Moment} moment @returns {string[]} keys */
export function recalled(party, policy, moment) {
  const suspected = party.members.filter((one) => abnormal(one, policy, moment));
  return party.members
    .filter((one) => PASSED.includes(one.state) && suspected.some((other) => other !== one))
    .map((one) => one.key);
}

/** Whether somebody waits for others of the party. @param {Person} person */
export const waits = (person) => person.party?.role === "MINOR" && !person.open && WAITING.includes(person.state);

/** @param {Person} person @param {string} day */
function isMinor(person, day) {
  const birth = person.document && born(person.document, day);
  if (!birth) return false;
  const [year, month, rest] = birth.split("-");
  return day < `${Number(year) + MINOR_BELOW}-${month}-${rest}`;
}

/** The birthday that stands in a document, if one does. @param {import("./scan.js").Document} document @param {string} day @returns {string | null} */
export function born(document, day) {
  const { mrz } = document;
  if (mrz) {
    const short = mrz.length === 3 ? mrz[1].slice(0, 6) : mrz[1].slice(13, 19);
    if (!/^[0-9]{6}$/.test(short)) return null;
    const within = `${short.slice(0, 2)}-${short.slice(2, 4)}-${short.slice(4)}`;
    const century = Number(day.slice(0, 2));
    return `${century}${within}` <= day ? `${century}${within}` : `${century - 1}${within}`;
  }
  if (document.kind !== "RESIDENT_ID") return null;
  const [, year, month, rest] = /^[0-9]{6}([0-9]{4})([0-9]{2})([0-9]{2})[0-9]{3}[0-9X]$/.exec(recognised(document)) ?? [];
  return year ? `${year}-${month}-${rest}` : null;
}
