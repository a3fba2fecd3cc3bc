// @ts-check
/** The dialog in which an officer types a test or a journey. */
import { now } from "./clock.js";
import { KINDS, RESULTS, journey, test } from "./typed.js";
import { at, notice, options } from "./view.js";
import { say } from "./words.js";

/** @typedef {import("./claims.js").Claims} Claims */

/** Write the choices in the language chosen now. */
export function label() {
  options("test-kind", KINDS, at("test-kind").value || KINDS[0]);
  options("test-result", RESULTS, at("test-result").value || "NEGATIVE");
}

/** @param {(claims: Claims) => void} take */
export function wire(take) {
  at("facts").addEventListener("click", () => {
    at("more-dialog").close();
    at("facts-dialog").showModal();
  });
  const typedTest = () => test(at("test-kind").value, at("test-result").value, at("test-sampled").value, now());
  const typedJourney = () => journey(at("journey-areas").value, at("journey-left").value, at("journey-starred").checked);
  submitted("test-form", typedTest, "no-moment", take);
  submitted("journey-form", typedJourney, "no-area", take);
}

/** @param {string} form @param {() => Claims | null} read @param {string} fault @param {(claims: Claims) => void} take */
function submitted(form, read, fault, take) {
  at(form).addEventListener("submit", (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const claims = read();
    if (claims) take(claims);
    else notice(say(fault), true);
    /** @type {HTMLFormElement} */ (at(form)).reset();
    at("facts-dialog").close();
  });
}
