// @ts-check
/** The gate tablet: opens what it keeps, learns what the lane needs, and puts the parts together. */
import * as camera from "./camera.js";
import * as clock from "./clock.js";
import { compilePolicy } from "./decide.js";
import { Lane } from "./lane.js";
import { Refused, Sender, ask, newId } from "./link.js";
import { look, trustList } from "./look.js";
import * as entry from "./entry.js";
import * as facts from "./facts.js";
import { Runs } from "./runs.js";
import { run as selfTest } from "./selftest.js";
import * as store from "./store.js";
import { asker } from "./tags.js";
import { unlock } from "./tones.js";
import * as offlineShifts from "./offline_shifts.js";
import * as view from "./view.js";
import { listen } from "./wedge.js";
import * as words from "./words.js";

const { at } = view;
const POLL_MS = 10_000;
const TWICE_MS = 400;
const KINDS = ["RESIDENT_ID", "PASSPORT", "HK_MACAU_PERMIT", "TAIWAN_PERMIT", "ID_CARD", "OTHER"];
const METHODS = ["WALK_THROUGH", "CONTACTLESS", "EAR", "AXILLARY", "ORAL"];

/** @typedef {{hub_id: string, device_id: string, lane_id: string | null, shift_id: string | null, claimed?: boolean}} Me */
/** The shift that was signed out here, until the service knows: outlives the key, as reloads do. */
const ENDED = "gate.ended";
const tablet = {
  /** @type {store.Store | null} */ kept: null,
  /** @type {Sender | null} */ sender: null,
  /** @type {Me | null} */ me: null,
  /** @type {{told: any, etag: string | null, fetched: number} | null} */ state: null,
  /** @type {boolean | null} */ up: null,
  /** @type {import("./certificate.js").Trust | null} */ trust: null,
  /** @type {import("./camera.js").Detect | null} */ detect: null,
  waiting: 0,
  /** On their way to the disk. */ unsaved: 0,
};

const runs = new Runs();
const lane = new Lane({
  settings,
  up: () => tablet.up !== false,
  working: () => Boolean(tablet.me?.shift_id),
  lacks,
  look: (text, document) => look(text, document, tablet.trust, tablet.up === false),
  async add(kind, id, body) {
    if (!tablet.kept) throw new Error("closed");
    tablet.unsaved += 1;
    counted(tablet.waiting);
    try {
      await tablet.kept.add({ id, kind, shift_id: tablet.me?.shift_id ?? null, clock_offset_ms: clock.offset(), body });
      tablet.waiting += 1;
    } finally {
      tablet.unsaved -= 1;
    }
    tablet.sender?.nudge();
  },
  async keepParty(party) {
    await tablet.kept?.keep("party", party && { shift_id: tablet.me?.shift_id, party });
  },
  async release(screeningId, step, reason) {
    const body = { event: "fuse_release", at: new Date().toISOString(), reason };
    const asked = ask("PUT", `/v1/screenings/${screeningId}/steps/${step}`, { body });
    return asked.then(() => null, (error) => (error instanceof Refused ? "release-refused" : "release-no-line"));
  },
});

const eye = new camera.Eye(/** @type {HTMLVideoElement} */ (at("sight")), {
  take(text) {
    if (!document.querySelector("dialog[open]")) lane.typed(text);
  },
  several: () => view.notice(words.say("several-codes"), true),
  changed(open, why) {
    view.showEye(open, eye.lamp);
    if (why) view.notice(words.say(why), true);
  },
});

/** Surge orders that hold now: they end by the clock, with a line or without. */
const surging = () => (tablet.state?.told.surge ?? []).filter((/** @type {any} */ order) => Date.parse(order.until) > clock.now());

/** @returns {import("./lane.js").Settings} */
function settings() {
  const chosen = JSON.parse(localStorage.getItem("gate.settings") ?? "{}");
  return { order: "id-first", first: "WALK_THROUGH", second: "EAR", ...chosen };
}

/** Why there are no rules here. */
function lacks() {
  return tablet.me && !tablet.me.lane_id ? "no-lane" : "no-policy";
}

/** @param {number} waiting */
function counted(waiting) {
  tablet.waiting = waiting;
  showLine();
}

const showLine = () => view.showLine(tablet.up, tablet.waiting + tablet.unsaved);

/** Open what this tablet keeps of a hub. @param {string} hubId */
async function openHub(hubId) {
  if (tablet.me?.hub_id === hubId && tablet.kept) return;
  tablet.sender?.stop();
  tablet.kept = await store.open(hubId);
  localStorage.setItem("gate.hub", hubId);
  tablet.sender = new Sender(tablet.kept, hubId, {
    onAnswer: (item) => lane.answered(item),
    onLine(up) {
      tablet.up = up;
      showLine();
    },
    async onCount(waiting) {
      counted(waiting);
      const quiet = waiting + tablet.unsaved === 0;
      entry.updateWhen(quiet && lane.idle);
      if (!quiet || tablet.me?.shift_id || !(await tablet.kept?.end())) return;
      lane.forget();
      if (tablet.state) tablet.state.etag = null; // told anew, it is kept again
    },
    onRefused: refused,
  });
  counted(await tablet.kept.waiting());
}

/** @param {Refused} error */
function refused(error) {
  // the browser has just thrown away what it kept of us; the page forgets what it remembers
  if (error.slug === "device-revoked" && tablet.kept) return location.reload();
  entry.refused(error, view);
}

function showRuns() {
  view.showRuns(runs, tablet.state?.told.zone, (runId) => {
    runs.chosen = runId;
    localStorage.setItem("gate.run", runId ?? "");
    at("run-dialog").close();
    showRuns();
    runs.refresh(clock.now()).then(ages);
  });
}

/** Work by what the lane's state says. */
async function learn() {
  const told = tablet.state?.told;
  if (!told) return;
  lane.knowledge = {
    policy: compilePolicy(told.policy),
    direction: told.direction,
    days: new Intl.DateTimeFormat("en-CA", { timeZone: told.zone, dateStyle: "short" }),
    clock: new Intl.DateTimeFormat("en-GB", { timeZone: told.zone, hour: "2-digit", minute: "2-digit" }),
    lane_id: told.lane_id,
    suspect: await asker(told.alerts),
    expect: (document) => runs.of(document),
  };
  runs.told(told.runs);
  showRuns();
  lane.redraw();
  if (tablet.kept) tablet.trust = await trustList(told.trust_list, tablet.kept).catch(() => null);
}

/** Who works here, as the service says. @returns {Promise<Me>} */
async function identify() {
  const { told: me } = await ask("GET", "/v1/me");
  await openHub(me.hub_id);
  if (me.shift_id && me.shift_id === localStorage.getItem(ENDED)) {
    await ask("DELETE", "/v1/shifts/current"); // it ended here when there was no line
    me.shift_id = null;
  }
  const over = tablet.me?.shift_id && !me.shift_id;
  if (over) await away();
  tablet.me = me;
  await tablet.kept?.keep("me", me);
  if (over) tablet.sender?.nudge();
  if (!me.lane_id) view.notice(words.say("no-lane"), true);
  if (!me.shift_id) {
    runs.forget();
    entry.signIn();
  }
  return me;
}

/** Who we are and what the lane needs; nothing changes without a line. */
async function refresh() {
  /** @type {Me | null} */ let me = null;
  try {
    me = await entry.inTurn(identify);
    if (!me.shift_id) return;
    await readState(me);
    runs.refresh(clock.now()).then(ages);
    if (tablet.up === false) tablet.sender?.retry();
    else tablet.sender?.nudge();
    tablet.up = true;
  } catch (error) {
    if (me && me.shift_id !== tablet.me?.shift_id) return; // it concerns somebody who is not here any more
    if (error instanceof Refused) refused(error);
    else if (error instanceof Error && error.name === "QuotaExceededError") view.notice(words.say("unkept"), true);
    else tablet.up = false;
  }
  showLine();
}

/** @param {Me} me */
async function readState(me) {
  if (!me.lane_id || !tablet.kept) return;
  const headers = tablet.state?.etag ? { "If-None-Match": tablet.state.etag } : undefined;
  const { told, etag } = await ask("GET", `/v1/lanes/${encodeURIComponent(me.lane_id)}/state`, { headers });
  if (told === null && tablet.state) tablet.state.fetched = clock.now();
  else {
    tablet.state = { told, etag, fetched: clock.now() };
    await learn();
    await tablet.kept.keep("state", tablet.state);
    const { told: seen } = await ask("GET", `/v1/devices/${me.device_id}/sync-status`);
    await tablet.kept.countFrom(Math.max(seen.ack_through, ...seen.missing.flat()));
  }
}

function ages() {
  const told = tablet.state?.told;
  view.showSurge(surging(), told?.zone, told?.checkpoint);
  const listed = told?.trust_list ? Date.parse(told.trust_list.issued_at) : null;
  const now = clock.now();
  const expected = runs.due.length ? runs.age(now) : undefined;
  view.showLane(told ?? tablet.me, tablet.state?.fetched ?? null, listed, expected, now, clock.offset() ?? 0);
}

function labelled() {
  words.label();
  at("language").textContent = words.say("language", {}, words.other());
  at("language").lang = words.other();
  view.options("manual-kind", KINDS, at("manual-kind").value || KINDS[0]);
  facts.label();
  view.options("first-method", METHODS, settings().first);
  view.options("second-method", METHODS, settings().second);
  at("order").value = settings().order;
  lane.redraw();
  showRuns();
  showLine();
  ages();
}

/** Nobody stands here any more, and nothing of anybody is half typed. */
async function away() {
  for (const form of ["manual", "test-form", "journey-form"]) at(form).reset();
  await lane.leave();
}

/** End the shift on this tablet; what waits is handed over all the same. */
async function endShift() {
  eye.close();
  at("more-dialog").close();
  await away();
  if (!tablet.me?.claimed) localStorage.setItem(ENDED, tablet.me?.shift_id ?? "");
  await entry.signOut();
  runs.forget();
  if (tablet.me) tablet.me = { ...tablet.me, shift_id: null };
  await tablet.kept?.keep("me", tablet.me);
  tablet.sender?.nudge();
  entry.signIn();
}

/** A button that is pressed again at once was meant once, unless something was read in between: gives what to call then. */
function once() {
  /** @type {{button: Element | null, at: number}} */
  let last = { button: null, at: 0 };
  document.addEventListener(
    "click",
    (event) => {
      const button = /** @type {Element} */ (event.target).closest("button");
      if (button && button === last.button && event.timeStamp - last.at < TWICE_MS) event.stopImmediatePropagation();
      last = { button, at: event.timeStamp };
    },
    { capture: true },
  );
  return () => {
    last.button = null;
  };
}

/** @param {string} id @param {(event: Event) => void} run */
const pressed = (id, run) => at(id).addEventListener("click", run);

function wire() {
  const pressedOnce = once();
  listen(/** @type {HTMLInputElement} */ (at("scan")), (line, moment) => {
    pressedOnce();
    lane.typed(line, moment);
  });
  at("reader").addEventListener("submit", (event) => event.preventDefault());
  pressed("open-eye", () => (at("eye").hidden && tablet.detect ? eye.open(tablet.detect) : eye.close()));
  pressed("close-eye", () => eye.close());
  pressed("light", async () => {
    const on = await eye.light(at("light").getAttribute("aria-pressed") !== "true");
    at("light").setAttribute("aria-pressed", String(on));
  });
  window.addEventListener("pagehide", () => eye.close());
  pressed("photograph", () => at("picture").click());
  at("picture").addEventListener("change", async () => {
    const [picture] = at("picture").files;
    const text = picture && (await camera.read(picture, tablet.detect).catch(() => null));
    at("picture").value = "";
    if (text) lane.typed(text);
    else view.notice(words.say("no-code"), true);
  });
  pressed("acknowledge", () => lane.acknowledge());
  pressed("undo", () => lane.undo());
  pressed("again", () => lane.arm());
  pressed("together", () => lane.together());
  pressed("release", () => {
    const [order] = surging();
    if (order) lane.release(order.reason);
    else ages();
  });
  pressed("minor", () => lane.minor());
  pressed("mismatch", () => lane.say({ identity: "MISMATCH" }));
  pressed("discard", () => lane.discard());
  for (const button of at("colours").querySelectorAll("button")) {
    button.addEventListener("click", () => lane.say({ credential: button.value, credentialKind: "HEALTH_CODE" }));
  }
  document.addEventListener("keydown", (event) => {
    const button = /^F[1-9]$/.test(event.key) && document.querySelector(`footer [data-key=${event.key}]:not([hidden])`);
    if (!button || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    if (!event.repeat) button.click();
  });
  pressed("case", () => at("case-dialog").showModal());
  for (const button of at("case-dialog").querySelectorAll("button[value]")) {
    button.addEventListener("click", () => {
      at("case-dialog").close();
      lane.say(button.value === "ILLNESS" ? { illness: true } : { emergency: button.value }, true);
    });
  }
  pressed("run", () => at("run-dialog").showModal());
  pressed("more", () => at("more-dialog").showModal());
  at("manual").addEventListener("submit", (event) => {
    event.preventDefault();
    const [number, issuer, name] = ["number", "issuer", "name"].map((field) => at(`manual-${field}`).value.trim());
    lane.keyed({ kind: at("manual-kind").value, number, ...(issuer && { issuer }), ...(name && { name }) });
    at("manual").reset();
    at("more-dialog").close();
  });
  facts.wire((claims) => lane.say({ claims }));
  at("lane-form").addEventListener("change", () => {
    const chosen = { order: at("order").value, first: at("first-method").value, second: at("second-method").value };
    localStorage.setItem("gate.settings", JSON.stringify(chosen));
  });
  pressed("run-selftest", async () => view.showSelfTest(await selfTest(tablet)));
  pressed("language", () => {
    words.choose(words.other());
    view.notice("");
    labelled();
  });
  pressed("sign-out", endShift);
  pressed("start-lane", () => {
    unlock();
    at("start").close();
    at("scan").focus();
  });
  entry.wire({
    refresh,
    async claim(login) {
      if (!tablet.me || !tablet.kept) return;
      const [id, began] = [newId(), new Date().toISOString()];
      offlineShifts.claimed({ id, login: login.toLowerCase(), began });
      const body = { login, started_at: began };
      await tablet.kept.add({ id, kind: "shift", shift_id: null, clock_offset_ms: clock.offset(), body });
      tablet.me = { ...tablet.me, shift_id: id, claimed: true };
      await tablet.kept.keep("me", tablet.me);
      await tablet.kept.keep("state", tablet.state); // the key it was kept under may have ended
    },
  });
  window.addEventListener("beforeunload", (event) => {
    if (lane.records.full) event.preventDefault();
  });
  window.addEventListener("online", refresh);
  document.addEventListener("visibilitychange", () => (document.hidden ? eye.close() : refresh()));
}

async function start() {
  await words.load();
  wire();
  labelled();
  if (!window.isSecureContext || !navigator.serviceWorker) return view.notice(words.say("insecure"), true);
  if (!(await entry.alone())) return at("elsewhere").showModal();
  await entry.worker(lane);
  camera.detector().then((detect) => {
    tablet.detect = detect;
    at("open-eye").hidden = !detect;
  });
  runs.chosen = localStorage.getItem("gate.run") || null;
  const hubId = localStorage.getItem("gate.hub");
  if (hubId) {
    await openHub(hubId);
    tablet.me = await tablet.kept?.kept("me");
    tablet.state = await tablet.kept?.kept("state");
    const { shift_id, party } = (await tablet.kept?.kept("party")) ?? {};
    if (party && shift_id === tablet.me?.shift_id) lane.resume(party);
    await learn();
  }
  ages();
  at("scan").focus();
  document.body.dataset.ready = "true";
  await refresh();
  ages();
  setInterval(() => refresh().then(ages), POLL_MS);
}

start();
