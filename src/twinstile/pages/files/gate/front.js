// @ts-check
/**
 * Who stands in front of the tablet, and to whom a reading belongs. Pure: each function gives a new
 * person. The order in which a lane reads is its setting, never guessed: a temperature that comes
 * where a document has to come first belongs to nobody until an officer says to whom.
 *
 * @typedef {{value: number, unit: "C" | "F", method: string}} Temperature
 * @typedef {{temperature?: Temperature, credential?: string, credentialKind?: string,
 *   identity?: string, method?: string, illness?: boolean, emergency?: string,
 *   claims?: import("./claims.js").Claims}} Brought what a check will hold
 * @typedef {{document: import("./scan.js").Document | null, key: string, brought: Brought,
 *   last: Brought, state: string, evidence: import("./decide.js").Evidence, marks: string[],
 *   decision: import("./decide.js").Decision | null, recorded: boolean, open: boolean}} Person
 *   `open`: something of them is in no fact yet
 */
import { TERMINAL, VERDICTS } from "./tables.js";
import { NOTHING, decide, joined } from "./decide.js";
import { recognised, tenths } from "./scan.js";

const START = "EXPECTED";
/** The outcomes that ask for more of the same person: nothing is recorded yet. */
const INCOMPLETE = ["REPEAT", "WAIT"];

/** @type {Person} */
export const NOBODY = {
  document: null,
  key: "",
  brought: {},
  last: {},
  state: START,
  evidence: NOTHING,
  marks: [],
  decision: null,
  recorded: false,
  open: false,
};

/** @param {import("./scan.js").Document} document */
export const keyOf = (document) => `${document.kind} ${recognised(document)}`;

/** Whether somebody stands here of whom anything is known. @param {Person} person */
export const present = (person) => person.open || person.recorded;

/** A fever or another alarm of somebody without a document: the lane waits. @param {Person} person */
export const unpaired = (person) =>
  person.open && !person.document && !person.brought.emergency &&
  Boolean(person.decision) && !INCOMPLETE.includes(person.decision?.outcome ?? "");

/**
 * To whom what was read belongs: the person in front or a new one.
 * @param {Person} person @param {import("./scan.js").Scanned} scanned
 * @param {"id-first" | "temp-first"} order @param {boolean} again the officer asked for a second reading
 * @returns {"same" | "new" | "nobody"}
 */
export function belongs(person, scanned, order, again) {
  if (scanned.what === "document") {
    if (person.document) return keyOf(scanned.document) === person.key ? "same" : "new";
    return present(person) ? "same" : "new";
  }
  if (again && present(person)) return "same";
  if (scanned.what === "credential") return person.open ? "same" : "new";
  const measured = Boolean(person.brought.temperature);
  if (order === "temp-first") return person.open && !measured ? "same" : "new";
  return person.open && person.document && !measured ? "same" : "nobody";
}

/** The person with something more. A finished passage begins anew, with all that was seen in it. @param {Person} person @param {Brought} more @returns {Person} */
export function bring(person, more) {
  const ended = person.recorded && !person.open && TERMINAL.includes(person.state);
  const base = ended ? { ...person, state: START, evidence: NOTHING, brought: person.last } : person;
  return { ...base, brought: { ...base.brought, ...more }, open: true };
}

/** @param {Person} person @param {import("./scan.js").Document} document @param {string} method @param {string[]} marks @returns {Person} */
export function named(person, document, method, marks) {
  const more = bring(person, { identity: person.brought.identity ?? "MATCH", method });
  return { ...more, document, key: keyOf(document), marks };
}

/**
 * Decide about the person as they stand here, and say whether that is to be recorded now.
 * @param {Person} person @param {import("./decide.js").Policy} policy
 * @param {{at: number, day: string, direction: string}} moment @returns {{person: Person, record: boolean}}
 */
export function settle(person, policy, moment) {
  const evidence = joined(person.evidence, coarse(person.brought));
  const around = { ...moment, marks: person.marks };
  const decision = decide(person.state, evidence, around, policy);
  const next = { ...person, decision };
  const record = person.open && !INCOMPLETE.includes(decision.outcome) && !unpaired(next);
  return { person: next, record };
}

/** The person once what was brought is in a fact. @param {Person} person @returns {Person} */
export function recorded(person) {
  const { brought, decision } = person;
  if (!decision) return person;
  const evidence = joined(person.evidence, coarse(brought));
  const last = { ...person.last, ...brought };
  return { ...person, brought: {}, last, evidence, state: decision.state, recorded: true, open: false };
}

/** What rules read of it. @param {Brought} brought @returns {Partial<import("./decide.js").Evidence>} */
function coarse(brought) {
  const { temperature, credential, identity, illness, emergency, claims } = brought;
  /** @type {[number, string, null][]} */
  const readings = temperature ? [[tenths(temperature.value, temperature.unit), temperature.method, null]] : [];
  return {
    readings,
    ...(credential && { credential }),
    ...(identity && { identity }),
    ...(illness && { illness }),
    ...(emergency && { emergency }),
    ...(claims && { claims }),
  };
}

/**
 * The body of the check, as the service takes it.
 * @param {Person} person @param {{lane_id: string, observed_at: string}} where
 */
export function check(person, where) {
  const { brought, document, decision } = person;
  const { claims = {} } = brought;
  return {
    ...where,
    offline: true,
    decided: decision && { verdict: decision.verdict, policy_version: decision.policy_version },
    ...(brought.temperature && { temperature: brought.temperature }),
    ...(brought.credential && {
      credential: { status: brought.credential, kind: brought.credentialKind ?? "HEALTH_CODE" },
    }),
    ...((document || brought.identity) && {
      identity: {
        ...(document && { document }),
        result: brought.identity ?? person.last.identity ?? "MATCH",
        method: brought.method ?? person.last.method ?? "READER",
      },
    }),
    ...(brought.illness && { illness: true }),
    ...(brought.emergency && { emergency: brought.emergency }),
    ...(claims.category && { category: claims.category }),
    ...(claims.declared && {
      declaration: {
        symptoms: claims.symptoms ?? [],
        contact: claims.contact ?? "NOT_STATED",
        fever_medicine: Boolean(claims.fever_medicine),
        source: "SPOKEN",
      },
    }),
  };
}

/** The more cautious of two verdicts. @param {string} one @param {string} other */
export const worse = (one, other) => (VERDICTS.indexOf(other) > VERDICTS.indexOf(one) ? other : one);
