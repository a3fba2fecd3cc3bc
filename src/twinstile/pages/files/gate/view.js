// @ts-check
/** What the page shows. Reads nothing and decides nothing. */
import { masked } from "./scan.js";
import { TEXTS } from "./tables.js";
import { age, other, say, worded } from "./words.js";

/** @template {HTMLElement} [T=HTMLElement] @param {string} id @returns {T} */
export const at = (id) => /** @type {T} */ (document.getElementById(id));

/** What became of a pass, in words. @type {Record<string, string>} */
export const STANDINGS = { COUNTED: "pass-counts", EXPIRED: "EXPIRED", OTHERS: "pass-others", UNKNOWN: "pass-unknown" };

/** Circle, triangle, octagon, diamond, with a sign in each. @type {Record<string, [path: string, sign: string, y: string]>} */
const SHAPES = {
  PASS: ["M50 6a44 44 0 1 0 .01 0z", "✓", "70"],
  CHECK: ["M50 8 96 90H4z", "!", "80"],
  STOP: ["M31 5h38l26 26v38L69 95H31L5 69V31z", "✕", "69"],
  UNKNOWN: ["M50 4 96 50 50 96 4 50z", "?", "69"],
};
const OLD_MS = 15 * 60_000;

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

/** The reasons of a decision in words. @param {import("./decide.js").Decision | null} decision @param {import("./decide.js").Policy} policy */
export function reasons(decision, policy) {
  return (decision?.reasons ?? []).map(({ rule_id, code }) => {
    const rule = policy.rules.find((one) => one.id === rule_id);
    return worded(rule?.text ?? TEXTS[code] ?? {}, code);
  });
}

/** @param {import("./front.js").Person} person */
export function showPerson(person) {
  const seen = { ...person.last, ...person.brought };
  at("seen-document").textContent = person.document ? masked(person.document) : "–";
  at("seen-temperature").textContent = seen.temperature
    ? `${seen.temperature.value} °${seen.temperature.unit} · ${say(seen.temperature.method)}`
    : "–";
  at("seen-credential").textContent = seen.credential ? say(seen.credential) : "–";
  const standing = STANDINGS[person.standing ?? ""] ?? "pass-shown";
  at("seen-pass").textContent = seen.pass ? say(standing) : "–";
}

/** @param {string} text @param {boolean} loud */
export function notice(text, loud = false) {
  at("notice").textContent = text;
  at("notice").dataset.loud = String(loud);
}

/** @param {boolean | null} up @param {number} waiting */
export function showLine(up, waiting) {
  at("line").dataset.up = up === null ? "unknown" : String(up);
  const left = waiting ? say("waiting", { n: waiting }) : say("sent");
  at("line").textContent = up === null ? left : `${say(up ? "online" : "offline")} · ${left}`;
}

/** @param {{lane_id?: string, mode?: string} | null} lane @param {number | null} fetched @param {number | null} listed @param {number} now */
export function showLane(lane, fetched, listed, now) {
  at("lane-name").textContent = lane?.lane_id ?? "";
  const practice = lane?.mode && lane.mode !== "PRODUCTION";
  document.body.dataset.mode = lane?.mode ?? "";
  at("mode").hidden = !practice;
  at("mode").textContent = practice ? say(lane.mode === "DEMO" ? "demo" : "practice") : "";
  const ages = [say("policy-age", { age: age(fetched, now) }), say("list-age", { age: age(listed, now) })];
  at("ages").textContent = ages.join(" · ");
  at("ages").dataset.old = String(fetched === null || now - fetched > OLD_MS);
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
