// @ts-check
/** What the page says, in the language chosen on this tablet. */

import { Words } from "/pages/words.js";

/** @type {Map<string, Words>} */
const catalogues = new Map();

/** Load every language once, so that switching needs no line. */
export async function load() {
  for (const held of await (await fetch("/gate/words.json")).json()) {
    catalogues.set(held.locale, new Words(held));
  }
  shown(localStorage.getItem("gate.language") ?? preferred());
}

/** @returns {string} */
function preferred() {
  const spoken = navigator.language.split("-")[0];
  return [...catalogues.keys()].find((one) => one.split("-")[0] === spoken) ?? "en";
}

/** @param {string} language */
function shown(language) {
  document.documentElement.lang = catalogues.has(language) ? language : "en";
  document.documentElement.dir = language.startsWith("ar") ? "rtl" : "ltr";
}

/** @param {string} key @param {Record<string, string | number>} values */
export function say(key, values = {}, language = document.documentElement.lang) {
  return /** @type {Words} */ (catalogues.get(language)).say(key, values);
}

/** The next language; of two the other one, for the word a traveller may read too. */
export function other() {
  const all = [...catalogues.keys()];
  return all[(all.indexOf(document.documentElement.lang) + 1) % all.length];
}

/** @param {string} language */
export function choose(language) {
  localStorage.setItem("gate.language", language);
  shown(language);
  label();
}

/** Write the words of everything that does not change. */
export function label() {
  for (const element of document.querySelectorAll("[data-say]")) {
    element.textContent = say(element.getAttribute("data-say") ?? "");
  }
  for (const element of document.querySelectorAll("[data-name]")) {
    element.setAttribute("aria-label", say(element.getAttribute("data-name") ?? ""));
  }
}

/** A policy's text in our language, else in English. @param {Record<string, string>} texts @param {string} code */
export function worded(texts, code) {
  return texts[document.documentElement.lang] ?? texts.en ?? Object.values(texts)[0] ?? code;
}

/** How long ago that was. @param {number | null} at milliseconds @param {number} now */
export function age(at, now) {
  if (at === null) return say("age-none");
  const minutes = Math.floor(Math.max(0, now - at) / 60_000);
  if (minutes < 1) return say("age-now");
  if (minutes < 60) return say("age-minutes", { n: minutes });
  return say("age-hours", { n: Math.floor(minutes / 60) });
}
