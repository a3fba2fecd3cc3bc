// @ts-check
/** What the page shows. Reads nothing and decides nothing. */
import { now } from "./clock.js";
import { masked } from "./scan.js";
import { TEXTS } from "./tables.js";
import { age, other, say, worded } from "./words.js";

/** @template {HTMLElement} [T=HTMLElement] @param {string} id @returns {T} */
export const at = (id) => /** @type {T} */ (document.getElementById(id));

/** What became of a pass, in words. @type {Record<string, string>} */
export const STANDINGS = { COUNTED: "pass-counts", EXPIRED: "EXPIRED", OTHERS: "pass-others", UNKNOWN: "pass-unknown" };

/** The states of a suspicion, in words. @type {Record<string, string>} */
const STOOD = { SECONDARY: "SECONDARY.since", HELD: "HELD.since", REFUSAL: "REFUSAL.since", RETURN_PENDING: "RETURN_PENDING.since" };

/** Circle, triangle, octagon, diamond, with a sign in each. @type {Record<string, [path: string, sign: string, y: string]>} */
const SHAPES = {
  PASS: ["M50 6a44 44 0 1 0 .01 0z", "✓", "70"],
  CHECK: ["M50 8 96 90H4z", "!", "80"],
  STOP: ["M31 5h38l26 26v38L69 95H31L5 69V31z", "✕", "69"],
  UNKNOWN: ["M50 4 96 50 50 96 4 50z", "?", "69"],
};
const OLD_MS = 15 * 60_000;
const MOST_OFFERED = 11;
/** A clock that is so far off is told of. */
const WRONG_MS = 5 * 60_000;

/**
 * Show a verdict, or with null that the lane is ready.
 * @param {string | null} verdict @param {string[]} reasons @param {boolean} acknowledge
 */
export function showVerdict(verdict, reasons, acknowledge) {
  const panel = at("verdict");
  panel.dataset.verdict = verdict ?? "";
  const [path, sign, y] = SHAPES[verdict ?? ""] ?? ["", "", "0"];
  panel.querySelector("path")?.setAttribute("d", path);
  const text = panel.querySelector("text");
  text?.setAttribute("y", y);
  if (text) text.textContent = sign;
  const word = verdict ?? "ready";
  at("word").replaceChildren(say(word), " · ", spoken(say(word, {}, other()), other()));
  at("action").textContent = say(`${word}.action`);
  at("reasons").replaceChildren(...reasons.map(listed));
  at("acknowledge").hidden = !acknowledge;
}

/** @param {string} text @param {string} language */
function spoken(text, language) {
  const span = document.createElement("span");
  span.lang = language;
  span.textContent = text;
  return span;
}

/** @param {string} text */
function listed(text) {
  const item = document.createElement("li");
  item.textContent = text;
  return item;
}

/**
 * The reasons of a decision in words. What lesser rules ask of somebody, nobody asks of who is held.
 * @param {{state: string, reasons: {rule_id: string, code: string, text?: string}[]} | null} decision `text`: as the service says it
 * @param {import("./decide.js").Policy | undefined} policy
 */
export function reasons(decision, policy) {
  return (decision?.reasons ?? []).flatMap(({ rule_id, code, text }) => {
    const rule = policy?.rules.find((one) => one.id === rule_id);
    if (decision?.state === "HELD" && rule && rule.outcome !== "HOLD") return [];
    return [text ?? worded(rule?.text ?? TEXTS[code] ?? {}, code)];
  });
}

/** Since when somebody is under suspicion, and what the first alarm was. @param {import("./front.js").Stands | null} stands @param {Intl.DateTimeFormat | undefined} clock */
export function stood(stands, clock) {
  if (!stands) return [];
  const { state, since, alarm_celsius: celsius } = stands;
  const alarm = celsius === null ? [] : [say("first-alarm", { celsius: celsius.toFixed(1) })];
  return [[say(STOOD[state], { time: clock?.format(Date.parse(since)) ?? "–" }), ...alarm].join(" · ")];
}

/** @param {import("./front.js").Person} person */
export function showPerson(person) {
  const seen = { ...person.last, ...person.brought };
  at("seen-document").textContent = person.document ? masked(person.document) : "–";
  at("seen-temperature").textContent = seen.temperature
    ? `${seen.temperature.value} °${seen.temperature.unit} · ${say(seen.temperature.method)}`
    : "–";
  const { tests = [], stays = [], starred } = seen.claims ?? {};
  const shown = [...(seen.credential ? [say(seen.credential)] : []), ...tests.map(([kind, result]) => `${say(kind)} ${say(result)}`)];
  at("seen-credential").textContent = [...shown, ...stays.map(([code]) => code), ...(starred ? ["＊"] : [])].join(" · ") || "–";
  const standing = STANDINGS[person.standing ?? ""] ?? "pass-shown";
  at("seen-pass").textContent = seen.pass ? say(standing) : "–";
  at("seen-run").textContent = person.run ? [person.run.service_no, ...on(person.run.listed)].join(" · ") : "–";
}

/**
 * Who travels together, each with their verdict; who has gone on and is to come back is called.
 * Whether somebody is called who was not before.
 * @param {import("./party.js").Party | null} party @param {import("./front.js").Person} person in front @param {string[]} recalled keys
 */
export function showParty(party, person, recalled) {
  at("party").hidden = !party;
  at("together").setAttribute("aria-pressed", String(Boolean(party)));
  const before = at("members").querySelectorAll("[data-recalled]").length;
  const members = party?.members ?? [];
  at("members").replaceChildren(...members.map((one) => memberChip(one, one.key === person.key, recalled.includes(one.key))));
  at("party-count").textContent = say(party?.full ? "party-full" : "party-count", { n: members.length });
  at("minor").hidden = !person.party || person.recorded || person.party.role === "MINOR";
  return recalled.length > before;
}

/** @param {import("./front.js").Person} one @param {boolean} here @param {boolean} recalled */
function memberChip(one, here, recalled) {
  const verdict = recalled ? "CHECK" : (one.decision?.verdict ?? "UNKNOWN");
  const item = listed(`${SHAPES[verdict][1]} ${one.document ? masked(one.document) : "–"} · ${say(one.party?.role ?? "MEMBER")} · ${say(recalled ? "recall" : verdict)}`);
  item.dataset.verdict = verdict;
  if (recalled) item.dataset.recalled = "true";
  if (here) item.setAttribute("aria-current", "true");
  return item;
}

/** @param {boolean | null} known */
const on = (known) => (known === null ? [] : [say(known ? "listed" : "unlisted")]);

/**
 * Which arrival the lane serves, all the while, and all those to choose from.
 * @param {import("./runs.js").Runs} runs @param {string | undefined} zone @param {(runId: string | null) => void} choose
 */
export function showRuns(runs, zone, choose) {
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
  /** @param {import("./runs.js").DueRun} run */
  const named = (run) => [run.service_no, run.origin, clock.format(Date.parse(run.arrival))].join(" · ");
  const { serving } = runs;
  at("run").textContent = serving ? named(serving) : say(runs.due.length ? "choose-run" : "no-runs");
  at("run").disabled = runs.due.length === 0;
  const offered = runs.near(now()).slice(0, MOST_OFFERED);
  at("runs").replaceChildren(
    ...offered.map((run) => choice([named(run), say("expected", { n: run.expected })], run === serving, () => choose(run.run_id))),
    choice([say("any-run")], serving === null, () => choose(null)),
  );
}

/** @param {string[]} lines @param {boolean} chosen @param {() => void} run */
export function choice(lines, chosen, run) {
  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-pressed", String(chosen));
  button.append(...lines.flatMap((line, i) => (i ? [document.createElement("br"), line] : [line])));
  button.addEventListener("click", run);
  return button;
}

/**
 * The surge orders that hold here by the tablet's own clock: what is suspended, why, and who said so.
 * @param {{runs: string[], whole_checkpoint: boolean, reason: string, ordered_by: string | null, confirmed_by: string | null, until: string}[]} orders
 * @param {string | undefined} zone @param {string | undefined} checkpoint
 */
export function showSurge(orders, zone, checkpoint) {
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
  at("surge").hidden = orders.length === 0;
  at("orders").replaceChildren(
    ...orders.map(({ runs, whole_checkpoint, reason, ordered_by, confirmed_by, until }) => {
      const where = [...(whole_checkpoint && checkpoint ? [checkpoint] : []), ...runs].join(", ");
      const who = { one: ordered_by ?? "–", other: confirmed_by ?? "–" };
      return listed(say("surge-order", { where, reason, until: clock.format(Date.parse(until)), ...who }));
    }),
  );
}

/** @param {string} text @param {boolean} loud */
export function notice(text, loud = false) {
  at("notice").textContent = text;
  at("notice").dataset.loud = String(loud);
}

/** What that notice asked for was done: it stands no more. @param {string} text */
export function settled(text) {
  if (at("notice").textContent === text) notice("");
}

/** @param {boolean | null} up @param {number} waiting */
export function showLine(up, waiting) {
  at("line").dataset.up = up === null ? "unknown" : String(up);
  const left = waiting ? say("waiting", { n: waiting }) : say("sent");
  at("line").textContent = up === null ? left : `${say(up ? "online" : "offline")} · ${left}`;
}

/**
 * @param {{lane_id?: string, mode?: string} | null} lane @param {number | null} fetched
 * @param {number | null} listed @param {number | null | undefined} expected of lists of people; undefined: none is needed
 * @param {number} now @param {number} behind milliseconds by which this clock is
 */
export function showLane(lane, fetched, listed, expected, now, behind) {
  at("lane-name").textContent = lane?.lane_id ?? "";
  const demo = Boolean(lane?.mode && lane.mode !== "PRODUCTION");
  document.body.dataset.mode = lane?.mode ?? "";
  at("mode").hidden = !demo;
  at("mode").textContent = demo ? say("demo") : "";
  const ages = [say("policy-age", { age: age(fetched, now) }), say("list-age", { age: age(listed, now) })];
  if (expected !== undefined) ages.push(say("expected-age", { age: age(expected, now) }));
  const wrong = Math.abs(behind) > WRONG_MS;
  if (wrong) ages.push(say("clock-wrong", { n: Math.round(Math.abs(behind) / 60_000) }));
  at("ages").textContent = ages.join(" · ");
  at("ages").dataset.old = String(wrong || fetched === null || now - fetched > OLD_MS);
}

/** What the camera sees, and its light if it has one. @param {boolean} open @param {boolean} lamp */
export function showEye(open, lamp) {
  at("eye").hidden = !open;
  at("open-eye").setAttribute("aria-expanded", String(open));
  at("light").hidden = !lamp;
  at("light").setAttribute("aria-pressed", "false");
}

/** @param {[name: string, value: string][]} rows */
export function showSelfTest(rows) {
  at("selftest-rows").replaceChildren(
    ...rows.map(([name, value]) => {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = say(name);
      const cell = document.createElement("td");
      cell.textContent = value;
      row.append(head, cell);
      return row;
    }),
  );
}

/** @param {string} id @param {string[]} values @param {string} chosen */
export function options(id, values, chosen) {
  at(id).replaceChildren(
    ...values.map((value) => {
      const option = document.createElement("option");
      option.value = value;
      option.textContent = say(value);
      option.selected = value === chosen;
      return option;
    }),
  );
}
