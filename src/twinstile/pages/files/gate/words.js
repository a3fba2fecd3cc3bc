// @ts-check
/** What the page says, in the language chosen on this tablet. */

export const LANGUAGES = ["en", "zh-CN"];
/** @type {Record<string, Record<string, string>>} */
const catalogues = {};

/** Load every language once, so that switching needs no line. */
export async function load() {
  await Promise.all(
    LANGUAGES.map(async (language) => {
      catalogues[language] = await (await fetch(`/gate/${language}.json`)).json();
    }),
  );
  document.documentElement.lang = localStorage.getItem("gate.language") ?? preferred();
}

/** @returns {string} */
function preferred() {
  return navigator.language.startsWith("zh") ? "zh-CN" : "en";
}

/** @param {string} key @param {Record<string, string | number>} values */
export function say(key, values = {}, language = document.documentElement.lang) {
  const text = catalogues[language]?.[key] ?? catalogues.en?.[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/** The other language, for the word a traveller may read too. */
export const other = () => LANGUAGES.find((one) => one !== document.documentElement.lang) ?? "en";

/** @param {string} language */
export function choose(language) {
  localStorage.setItem("gate.language", language);
  document.documentElement.lang = language;
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
  if (minutes < 60) return say("age-minutes", { count: minutes });
  return say("age-hours", { count: Math.floor(minutes / 60) });
}
