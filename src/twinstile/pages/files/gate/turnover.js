// @ts-check
/**
 * One officer after another: who else works the lane and is relieved, who has relieved us, and
 * shifts that began here without a line and wait for the word of whoever worked them.
 *
 * @typedef {{shift_id: string, operator: string, device: string, since: string}} Member
 * @typedef {{take_over_id: string, operator: string | null, device: string, at: string}} TakenOver
 * @typedef {{id: string, login: string, began: string}} Claim
 */
import { Refused, ask, newId } from "./link.js";
import { at, choice } from "./view.js";
import { say } from "./words.js";

/** Names of staff and times, of nobody who was screened; the key of this tablet ends before they do. */
const CLAIMS = "gate.claims";
const STAYED = "gate.stayed";
const MOST = 20;

/** @returns {Claim[]} */
const claims = () => JSON.parse(localStorage.getItem(CLAIMS) ?? "[]");

/** @param {Claim[]} left */
const keep = (left) => localStorage.setItem(CLAIMS, JSON.stringify(left.slice(-MOST)));

/** Somebody took the tablet over without a line. @param {Claim} claim */
export const claimed = (claim) => keep([...claims(), claim]);

/** @param {string} moment @param {string | undefined} zone */
const clock = (moment, zone) =>
  new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" }).format(Date.parse(moment));

/** Ask whoever signs in whether the shift that was claimed in their name was theirs. @param {string} login */
export async function signedIn(login) {
  const mine = claims().filter((claim) => claim.login === login.toLowerCase());
  for (const claim of mine) {
    at("claim-said").textContent = say("claim-said", { login: claim.login, time: clock(claim.began, undefined) });
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

/** Show who else is signed in at the lane, each with a button that relieves them. @param {string} laneId @param {Member[]} crew @param {string | undefined} zone */
export function showCrew(laneId, crew, zone) {
  at("crew-title").hidden = crew.length === 0;
  at("crew").replaceChildren(
    ...crew.map((member) => {
      const { operator, device, since } = member;
      const id = newId();
      const button = choice([say("take-over", { operator, device, since: clock(since, zone) })], false, async () => {
        const path = `/v1/lanes/${encodeURIComponent(laneId)}/take-overs/${id}`;
        const done = await ask("PUT", path, { body: { shift_id: member.shift_id } }).then(() => true, () => false);
        button.textContent = say(done ? "taken-over" : "take-over-failed", { operator });
        button.disabled = done;
      });
      return button;
    }),
  );
}

/** Ask whoever works here to end the shift, if somebody has taken the lane over. @param {TakenOver | null} taken @param {string | undefined} zone @param {() => void} end */
export async function relieved(taken, zone, end) {
  if (!taken || localStorage.getItem(STAYED) === taken.take_over_id || document.querySelector("dialog[open]")) return;
  const { operator, device, at: moment } = taken;
  at("relieved-said").textContent = say("relieved-said", { operator: operator ?? "–", device, time: clock(moment, zone) });
  if ((await decided("relieved-dialog")) === "end") end();
  else localStorage.setItem(STAYED, taken.take_over_id);
}
