// @ts-check
/**
 * Who stands in front of the tablet, and to whom a reading belongs. Pure: each function gives a new
 * person. The order in which a lane reads is its setting, never guessed: a temperature that comes
 * where a document has to come first belongs to nobody until an officer says to whom.
 *
 * @typedef {{value: number, unit: "C" | "F", method: string}} Temperature
 * @typedef {{temperature?: Temperature, credential?: string, credentialKind?: string,
 *   pass?: string, declared?: boolean,
 *   identity?: string, method?: string, illness?: boolean, emergency?: string,
 *   claims?: import("./claims.js").Claims}} Brought what a check will hold
 *   `declared`: the service says that the pass counts for this person; what it says is told nobody
 * @typedef {{document: import("./scan.js").Document | null, key: string, brought: Brought,
 *   last: Brought, state: string, evidence: import("./decide.js").Evidence, marks: string[],
 *   decision: import("./decide.js").Decision | null, recorded: boolean, open: boolean,
 *   told: Told | null, standing: string | null, run: import("./runs.js").Seen | null,
 *   party: {id: string, role: string} | null, passage: string | null, check: string | null, stands: Stands | null}} Person
 *   `open`: something of them is in no fact yet; `told`: what the service sees besides,
 *   `standing`: what became of the pass they showed; `passage`: the screening, once the service said which;
 *   `check`: the last that was recorded; `stands`: the suspicion they are under since before, as the service said
 * @typedef {{verdict: string, texts: string[]}} Told
 * @typedef {{state: string, since: string, alarm_celsius: number | null}} Stands
 */
import { TERMINAL, VERDICTS } from "./tables.js";
import { NOTHING, decide, joined } from "./decide.js";
import { recognised, tenths } from "./scan.js";
import * as typed from "./typed.js";

/**
 * @typedef {{company: import("./party.js").Company | undefined, declared: import("./claims.js").Claims}} Beside
 *   what is taken of those somebody travels with
 * @type {Beside}
 */
const ALONE = { company: undefined, declared: {} };
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
  told: null,
  standing: null,
  run: null,
  party: null,
  passage: null,
  check: null,
  stands: null,
};

/** @param {import("./scan.js").Document} document */
export const keyOf = (document) => `${document.kind} ${recognised(document)}`;

/** Whether it is known of whom facts are: by a document, or by the pass of a declaration. @param {Person} person */
export const known = (person) => Boolean(person.document || person.brought.pass || person.last.pass);

/** Whether somebody stands here of whom anything is known. @param {Person} person */
export const present = (person) => person.open || person.recorded;

/** A fever or another alarm of nobody known: the lane waits. @param {Person} person */
export const unpaired = (person) =>
  person.open && !known(person) && !person.brought.emergency &&
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
    if (person.recorded && !person.open && known(person)) return again ? "same" : "new";
    return present(person) ? "same" : "new";
  }
  if (again && present(person)) return "same";
  if (scanned.what === "pass" && person.open && ![undefined, scanned.code].includes(person.brought.pass)) return "nobody";
  if (scanned.what === "credential" || scanned.what === "pass") return person.open ? "same" : "new";
  const measured = Boolean(person.brought.temperature);
  if (order === "temp-first") return person.open && !measured ? "same" : "new";
  const waiting = known(person) && !measured && (person.open || !person.last.temperature);
  return waiting ? "same" : "nobody";
}

/** The person with something more. A finished passage begins anew, with all that was seen in it. @param {Person} person @param {Brought} more @returns {Person} */
export function bring(person, more) {
  const ended = person.recorded && !person.open && TERMINAL.includes(person.state);
  const base = ended ? { ...person, state: START, evidence: NOTHING, brought: person.last, told: null, stands: null } : person;
  const told = base.told?.verdict === "UNKNOWN" ? null : base.told; // something was missing, and comes now
  const claims = more.claims && { claims: { ...base.brought.claims, ...more.claims } };
  return { ...base, brought: { ...base.brought, ...more, ...claims }, open: true, told };
}

/**
 * @param {Person} person @param {import("./scan.js").Document} document @param {string} method
 * @param {string[]} marks @param {import("./runs.js").Seen | null} run @returns {Person}
 */
export function named(person, document, method, marks, run) {
  const more = bring(person, { identity: person.brought.identity ?? "MATCH", method });
  return { ...more, document, key: keyOf(document), marks, run };
}

/**
 * Decide about the person as they stand here, and say whether that is to be recorded now.
 * @param {Person} person @param {import("./decide.js").Policy} policy
 * @param {import("./party.js").Moment} moment @param {Beside} beside
 * @returns {{person: Person, record: boolean}}
 */
export function settle(person, policy, moment, beside = ALONE) {
  const own = joined(person.evidence, coarse(person.brought));
  const inherits = beside.declared.declared && !own.claims.declared;
  const evidence = inherits ? joined(own, { claims: beside.declared }) : own;
  const around = { ...moment, marks: person.marks, company: beside.company };
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
  const { temperature, credential, identity, illness, emergency, declared } = brought;
  const claims = declared ? { ...brought.claims, declared } : brought.claims;
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
  const { brought, decision } = person;
  const { claims = {} } = brought;
  return {
    ...where,
    ...(person.run && { run_id: person.run.run_id }),
    ...(person.party && { party: person.party }),
    offline: true,
    decided: decision && { verdict: displayed(person), policy_version: decision.policy_version },
    ...shown(person),
    ...(brought.temperature && { temperature: brought.temperature }),
    ...(brought.credential && {
      credential: { status: brought.credential, kind: brought.credentialKind ?? "HEALTH_CODE" },
    }),
    ...(brought.illness && { illness: true }),
    ...(brought.emergency && { emergency: brought.emergency }),
    ...typed.body(claims),
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

/** Of a check: who it is, by whatever was shown for it. @param {Person} person */
function shown({ brought, last, document }) {
  const pass = brought.pass ?? (document ? undefined : last.pass);
  return {
    ...((document || brought.identity) && {
      identity: {
        ...(document && { document }),
        result: brought.identity ?? last.identity ?? "MATCH",
        method: brought.method ?? last.method ?? "READER",
      },
    }),
    ...(pass && { pass_code: pass }),
  };
}

/**
 * The check that asks what a pass says while the rest is still being read: nothing is decided by it.
 * @param {Person} person @param {{lane_id: string, observed_at: string}} where
 */
export const asking = (person, where) => ({ ...where, ...shown(person) });

/** The more cautious of two verdicts. @param {string} one @param {string} other */
export const worse = (one, other) => (VERDICTS.indexOf(other) > VERDICTS.indexOf(one) ? other : one);

/** What the service said of a person, if that is more cautious than what is decided here. @param {Person} person */
export function more({ told, decision }) {
  return told && decision && worse(decision.verdict, told.verdict) !== decision.verdict ? told : null;
}

/**
 * The person once the service has answered. Of their last fact its word replaces what it said before,
 * milder or not: what is decided here stays the least.
 * @param {Person} person @param {string} id of the fact @param {Told} told @param {Stands | null} stands
 */
export function answered(person, id, told, stands) {
  const before = displayed(person) ?? "PASS";
  const news = isLast(person, id) || worse(before, told.verdict) !== before;
  return news ? { ...person, told, stands } : { ...person, stands };
}

/** Whether a fact is the last of a person, of whom nothing was read since. @param {Person} person @param {string} id */
export const isLast = (person, id) => person.check === id && !person.open;

/** The suspicion that makes what a lane shows. @param {Person} person */
export const suspected = (person) => (more(person) || person.decision?.state === person.stands?.state ? person.stands : null);

/** What a lane shows of a person: what is decided here, or what the service said if that is more cautious. @param {Person} person */
export const displayed = (person) => more(person)?.verdict ?? person.decision?.verdict ?? null;

/** A temperature by the thermometer it was taken with. @param {Person} person @param {{value: number, unit: "C" | "F"}} scanned @param {{first: string, second: string}} settings @returns {Temperature} */
export function measured({ evidence, brought, state }, { value, unit }, { first, second }) {
  const before = evidence.readings.length > 0 || Boolean(brought.temperature);
  return { value, unit, method: before && !state.startsWith("CLEARED") ? second : first };
}
