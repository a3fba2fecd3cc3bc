// @ts-check
/**
 * From the evidence of a person in front of the tablet to a decision, without the service. The
 * same as `screening/rules.py`: tests let both decide thousands of passages and compare.
 * Pure: no clock, no network, no storage.
 *
 * @typedef {[tenths: number, method: string, error: number | null]} Taken tenths of a degree Celsius
 * @typedef {{readings: Taken[], credential: string, identity: string, illness: boolean,
 *   emergency: string, claims: import("./claims.js").Claims}} Evidence
 * @typedef {{at: number, day: string, direction: string, marks: string[], prior_hold?: boolean,
 *   open_case?: boolean, company?: {role: string, guardian: string | null, flagged: boolean}}} Around
 * @typedef {{id: string, outcome: string, code: string, text: Record<string, string>,
 *   holds: (facts: any) => boolean}} PolicyRule
 * @typedef {{version: string, parameters: any, rules: PolicyRule[],
 *   areas: import("./places.js").Areas}} Policy
 * @typedef {{rule_id: string, code: string}} Reason
 * @typedef {{outcome: string, verdict: string, state: string, reasons: Reason[],
 *   policy_version: string}} Decision
 */
import { OperandError, compileRule } from "./certlogic.js";
import * as claims from "./claims.js";
import * as places from "./places.js";
import { ALERTS, CONCLUDED, EMERGENCY, MARKED, OUTCOMES, RED, RELEASE_FORBIDDEN, VERDICTS } from "./tables.js";

/** @type {Evidence} */
export const NOTHING = {
  readings: [],
  credential: "NONE",
  identity: "NONE",
  illness: false,
  emergency: "NONE",
  claims: {},
};

/** The policy a document describes. Throws if it has a rule that is not CertLogic. @param {any} document @returns {Policy} */
export function compilePolicy(document) {
  return {
    version: document.version,
    parameters: document.parameters,
    rules: document.rules.map((/** @type {any} */ rule) => ({ ...rule, holds: holds(rule.when) })),
    areas: places.compiled(document.home ?? [], document.areas ?? []),
  };
}

/** Whether a rule applies; one that cannot be evaluated applies. @param {any} when */
function holds(when) {
  const evaluate = compileRule(when);
  return (/** @type {any} */ facts) => {
    try {
      return evaluate(facts) === true;
    } catch (error) {
      if (error instanceof OperandError) return true;
      throw error;
    }
  };
}

/** The evidence with one more check of the same person in it. @param {Evidence} known @param {Partial<Evidence>} more @returns {Evidence} */
export function joined(known, more) {
  return {
    readings: [...known.readings, ...(more.readings ?? [])],
    credential: more.credential ?? known.credential,
    identity: more.identity ?? known.identity,
    illness: known.illness || Boolean(more.illness),
    emergency: more.emergency ?? known.emergency,
    claims: more.claims ? claims.joined(known.claims, more.claims) : known.claims,
  };
}

/** What the policy says of this evidence, with every reason, and where that leads. @param {string} state @param {Evidence} evidence @param {Around} around @param {Policy} policy @returns {Decision} */
export function decide(state, evidence, around, policy) {
  const read = facts(state, evidence, around, policy);
  const applying = policy.rules.filter((rule) => rule.holds(read));
  let outcome = applying.reduce((worst, rule) => later(OUTCOMES, worst, rule.outcome), OUTCOMES[0]);
  /** @type {Reason[]} */
  let reasons = applying.map((rule) => ({ rule_id: rule.id, code: rule.code }));
  if (outcome === "DEFER" && guarded(evidence, around, policy.parameters)) {
    outcome = "SECONDARY";
    reasons = [...reasons, RELEASE_FORBIDDEN];
  }
  if (evidence.emergency !== "NONE" && outcome !== "HOLD") {
    outcome = "HOLD";
    reasons = [EMERGENCY, ...reasons];
  }
  const marks = Object.keys(MARKED).filter((mark) => around.marks.includes(mark));
  if (marks.length) {
    outcome = later(OUTCOMES, outcome, "SECONDARY");
    reasons = [...marks.map((mark) => MARKED[mark]), ...reasons];
  }
  const [shown, after] = CONCLUDED[state][outcome];
  // nobody is held by it: the lane stops, and the second check finds out
  const verdict = marks.includes("ALERT_STOP") ? later(VERDICTS, shown, "STOP") : shown;
  return { outcome, verdict, state: after, reasons, policy_version: policy.version };
}

/** The word that comes later among words ordered by caution. @param {string[]} words @param {string} one @param {string} other */
export function later(words, one, other) {
  return words.indexOf(other) > words.indexOf(one) ? other : one;
}

/** A reading with the error band of its thermometer or method added. @param {Taken} taken @param {any} parameters */
function upper([tenths, method, error], parameters) {
  return tenths + (error ?? (Object.hasOwn(parameters.error_tenths, method) ? parameters.error_tenths[method] : 0));
}

/** Whether this person may not be let through unverified. @param {Evidence} evidence @param {Around} around @param {any} parameters */
function guarded(evidence, around, parameters) {
  return (
    evidence.readings.some((taken) => upper(taken, parameters) >= parameters.threshold_tenths) ||
    evidence.credential === "RED" ||
    [...RED, ...ALERTS].some((mark) => around.marks.includes(mark)) ||
    Boolean(around.prior_hold) ||
    Boolean(around.open_case) ||
    evidence.illness
  );
}

/** The coarse facts a policy's rules may speak about; docs/policy.md lists them. @param {string} state @param {Evidence} evidence @param {Around} around @param {Policy} policy */
function facts(state, evidence, around, policy) {
  const { parameters } = policy;
  const threshold = parameters.threshold_tenths;
  const alarms = evidence.readings.map((taken) => upper(taken, parameters) >= threshold);
  const [latest, method] = evidence.readings.at(-1) ?? [null, null];
  const reached = evidence.readings.filter(([tenths]) => tenths >= threshold);
  const company = around.company ?? { role: null, guardian: null, flagged: false };
  return {
    state,
    temperature: {
      measured: latest !== null,
      latest,
      latest_contact: parameters.contact_methods.includes(method),
      alarmed: alarms.some(Boolean),
      latest_alarms: alarms.at(-1) ?? false,
      latest_method_alarmed: alarms.some((one, i) => one && evidence.readings[i][1] === method),
      methods_at_threshold: new Set(reached.map(([, by]) => by)).size,
    },
    credential: { status: evidence.credential },
    identity: { result: evidence.identity },
    illness: evidence.illness,
    emergency: evidence.emergency,
    prior_hold: Boolean(around.prior_hold),
    ...claims.facts(evidence.claims, policy.areas, around.at, around.day),
    party: {
      role: company.role ?? "NONE",
      guardian: company.guardian ?? "ABSENT",
      flagged: company.flagged,
    },
    direction: around.direction,
    parameters: {
      threshold_tenths: threshold,
      invalid_below_tenths: parameters.invalid_below_tenths,
      confirm_methods: parameters.confirm_methods,
    },
  };
}
