// @ts-check
/**
 * Shifts that began here while the service could not be reached: whoever signs in next under the
 * same name confirms them.
 *
 * @typedef {{id: string, login: string, began: string}} Claim
 */
import { Refused, ask } from "./link.js";
import { at } from "./view.js";
import { say } from "./words.js";

/** Names of staff and times, of nobody who was screened; the key of this tablet ends before they do. */
const CLAIMS = "gate.claims";
const MOST = 20;

/** @returns {Claim[]} */
const claims = () => JSON.parse(localStorage.getItem(CLAIMS) ?? "[]");

/** @param {Claim[]} left */
const keep = (left) => localStorage.setItem(CLAIMS, JSON.stringify(left.slice(-MOST)));

/** Somebody took the tablet over without a line. @param {Claim} claim */
export const claimed = (claim) => keep([...claims(), claim]);

/** @param {string} moment */
const clock = (moment) =>
  new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }).format(Date.parse(moment));

/** Ask whoever signs in whether the shift that was claimed in their name was theirs. @param {string} login */
export async function signedIn(login) {
  const mine = claims().filter((claim) => claim.login === login.toLowerCase());
  for (const claim of mine) {
    at("claim-said").textContent = say("claim-said", { login: claim.login, time: clock(claim.began) });
    const answer = await decided("claim-dialog");
    if (answer === "yes" && !(await confirmed(claim.id))) continue; // asked again at the next sign-in
    keep(claims().filter((one) => one.id !== claim.id));
  }
}

/** Whether the service took the word, or never will. @param {string} id */
async function confirmed(id) {
  return ask("PUT", `/v1/offline-shifts/${id}/confirmation`).then(
    () => true,
    (error) => error instanceof Refused && error.status === 403,
  );
}

/** What a dialog is closed with. @param {string} id @returns {Promise<string>} */
function decided(id) {
  const dialog = /** @type {HTMLDialogElement} */ (at(id));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
}
