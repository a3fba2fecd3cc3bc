// @ts-check
/** Who works here: enrolling the tablet, signing in, and one window only. The browser keeps both in cookies. */
import { Refused, ask } from "./link.js";
import { inTurns } from "./store.js";
import { say } from "./words.js";
import { signedIn } from "./offline_shifts.js";
import { at } from "./view.js";

/** Between two looks whether the lane is at rest. */
const LOOK_MS = 200;

/** @type {ServiceWorkerRegistration | null} */
let registration = null;

/** Whether this window is the only one; it stays so while it is open. @returns {Promise<boolean>} */
export function alone() {
  return new Promise((resolve) => {
    navigator.locks.request("gate", { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock && new Promise(() => {});
    });
  });
}

/** What says who works here: what was asked before somebody signed in is heard before, or never. */
export const inTurn = inTurns();

/** Keep the page's files on the tablet; those of a new version are loaded once the lane is at rest. @param {import("./lane.js").Lane} lane */
export async function worker(lane) {
  registration = await navigator.serviceWorker.register("/gate/sw.js").catch(() => null);
  await navigator.storage?.persist?.();
  let reloaded = false;
  const controlled = navigator.serviceWorker.controller !== null;
  navigator.serviceWorker.addEventListener("controllerchange", async () => {
    if (!controlled || reloaded) return;
    reloaded = true;
    while (!lane.idle) await new Promise((done) => void setTimeout(done, LOOK_MS));
    await lane.records.settled;
    location.reload();
  });
}

/** A new version takes over when nobody stands here and nothing waits. @param {boolean} quiet */
export function updateWhen(quiet) {
  if (quiet) registration?.waiting?.postMessage("take over");
}

/** Ask for what is missing. @param {Refused} error @param {typeof import("./view.js")} view */
export function refused(error, view) {
  if (error.slug === "unauthenticated" || error.slug === "device-revoked") return show("enrol");
  if (error.status === 401) return signIn();
  return view.notice(say("problem", { why: error.message }), true);
}

export function signIn() {
  show("sign-in");
}

/** @param {"enrol" | "sign-in"} id */
function show(id) {
  const dialog = at(id);
  if (!dialog.open) dialog.showModal();
}

export async function signOut() {
  await ask("DELETE", "/v1/shifts/current").catch(() => null);
}

/** @param {{refresh: () => Promise<void>, claim: (login: string) => Promise<void>}} needs */
export function wire({ refresh, claim }) {
  at("sign-in-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const [login, passcode] = [at("login").value.trim(), at("passcode").value];
    at("passcode").value = "";
    at("sign-in-problem").textContent = "";
    try {
      await inTurn(() => ask("POST", "/v1/shifts", { body: { login, passcode } }));
    } catch (error) {
      if (error instanceof Refused) {
        at("sign-in-problem").textContent = error.status === 401 ? say("sign-in-refused") : say("problem", { why: error.message });
        return;
      }
      await inTurn(() => claim(login));
      at("notice").textContent = say("offline-claim");
      return begun("sign-in");
    }
    at("sign-in").close();
    await signedIn(login);
    begun("sign-in");
    await refresh();
  });
  at("enrol-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const body = { code: at("code").value.trim(), name: at("device-name").value.trim(), browser: true };
      await inTurn(() => ask("POST", "/v1/devices:enrol", { body }));
    } catch (error) {
      at("enrol-problem").textContent = say("problem", { why: /** @type {Error} */ (error).message });
      return;
    }
    at("enrol").close();
    await refresh();
  });
}

/** @param {string} id */
function begun(id) {
  at(id).close();
  at("start").showModal();
}
