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

/** Who else works the lane, as it is shown. @type {{laneId: string, members: Member[], zone: string | undefined}} */
let crew = { laneId: "", members: [], zone: undefined };
/** What became of taking a shift over, by its id. @type {Map<string, {id: string, said: "take-over" | "taken-over" | "take-over-failed"}>} */
const offers = new Map();

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
  offers.clear(); // another officer, who has relieved nobody
  labelCrew();
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

/**
 * Show who else is signed in at the lane, each with a button that relieves them. Drawn anew, a button
 * says what became of it all the same.
 * @param {string} laneId @param {Member[]} members @param {string | undefined} zone
 */
export function showCrew(laneId, members, zone) {
  crew = { laneId, members, zone };
  at("crew-title").hidden = members.length === 0;
  at("crew").replaceChildren(
    ...members.map((member) => {
      const button = choice([""], false, () => relieve(laneId, member.shift_id));
      button.dataset.shift = member.shift_id;
      return button;
    }),
  );
  labelCrew();
}

/** Say it in the language chosen now. */
export function labelCrew() {
  for (const { shift_id, operator, device, since } of crew.members) {
    const button = /** @type {HTMLButtonElement} */ (at("crew").querySelector(`[data-shift="${shift_id}"]`));
    const said = offers.get(shift_id)?.said ?? "take-over";
    button.textContent = say(said, { operator, device, since: clock(since, crew.zone) });
    button.disabled = said === "taken-over";
  }
}

/** The same take-over however often it is tried. @param {string} laneId @param {string} shiftId */
async function relieve(laneId, shiftId) {
  const { id } = offers.get(shiftId) ?? { id: newId() };
  offers.set(shiftId, { id, said: "take-over" });
  const path = `/v1/lanes/${encodeURIComponent(laneId)}/take-overs/${id}`;
  const done = await ask("PUT", path, { body: { shift_id: shiftId } }).then(() => true, () => false);
  offers.set(shiftId, { id, said: done ? "taken-over" : "take-over-failed" });
  labelCrew();
}

/** Ask whoever works here to end the shift, if somebody has taken the lane over. @param {TakenOver | null} taken @param {string | undefined} zone @param {() => void} end */
export async function relieved(taken, zone, end) {
  if (!taken || localStorage.getItem(STAYED) === taken.take_over_id || document.querySelector("dialog[open]")) return;
  const { operator, device, at: moment } = taken;
  at("relieved-said").textContent = say("relieved-said", { operator: operator ?? "–", device, time: clock(moment, zone) });
  if ((await decided("relieved-dialog")) === "end") end();
  else localStorage.setItem(STAYED, taken.take_over_id);
}
