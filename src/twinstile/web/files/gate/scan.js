// @ts-check
/**
 * What a reader has typed: a document, a temperature, a health credential or the pass of a
 * traveller's declaration. Pure.
 *
 * @typedef {{kind: string, number?: string, mrz?: string[], name?: string, issuer?: string}} Document
 *   as the service takes it
 * @typedef {{what: "document", document: Document, method: string}
 *   | {what: "temperature", value: number, unit: "C" | "F"}
 *   | {what: "credential", text: string}
 *   | {what: "pass", code: string}
 *   | {what: "more", lines: string[]}
 *   | {what: "unreadable", why: "number" | "range" | "text"}} Scanned
 */

const RESIDENT = /^[1-9][0-9]{16}[0-9X]$/;
const TEMPERATURE = /^T?[:=]? ?([0-9]{2,3}(?:[.,][0-9]{1,2})?) ?°?([CF])?$/i;
const ZONE_LINE = /^[A-Z0-9<]{30,44}$/;
/** Lines of a zone by their length: ICAO Doc 9303 parts 5, 6 and 4. @type {Record<number, number>} */
const ZONES = { 30: 3, 36: 2, 44: 2 };
/** The square of a declaration, or the eight digits of its slip: `declared/codes.py`. */
const PASS = /^TWD1[A-Z2-7]{26}$/;
const SLIP = /^([0-9]{4})[ -]?([0-9]{4})$/;
const CERTIFICATE = /^(HC1:|shc:|\{|eyJ)/;
const MOST_TEXT = 7089;
const [MIN_C, MAX_C] = [30, 45];

/**
 * Read a line. `held`: the lines of a machine-readable zone that came before it.
 * @param {string} typed @param {string[]} held @returns {Scanned}
 */
export function read(typed, held = []) {
  const code = typed.replace(/[\r\n\t]+$/, ""); // a blank is a digit of base45
  if (CERTIFICATE.test(code) && code.length <= MOST_TEXT) return { what: "credential", text: code };
  const text = unescaped(typed).trim();
  const line = text.toUpperCase().replaceAll(" ", "");
  if (PASS.test(line)) return { what: "pass", code: line };
  const digits = SLIP.exec(text)?.slice(1).join("");
  if (digits && guarded(digits)) return { what: "pass", code: digits };
  if (digits && digits !== text) return { what: "unreadable", why: "number" };
  const lines = [...held, line];
  if (ZONES[line.length] && ZONE_LINE.test(line) && lines.every((one) => one.length === line.length)) {
    if (held.length || /^[PVIAC]/.test(line)) {
      return lines.length < ZONES[line.length] ? { what: "more", lines } : zone(lines);
    }
  }
  const parts = text.split(/[\t,;|]/).map((part) => part.trim());
  const number = parts.map((part) => part.toUpperCase()).find((part) => RESIDENT.test(part));
  if (number) return resident(number, parts.find((part) => /^\p{L}[\p{L} ·.]*$/u.test(part)));
  const measured = TEMPERATURE.exec(text);
  if (measured) return temperature(Number(measured[1].replace(",", ".")), measured[2]);
  if (text.length < 6 || text.length > MOST_TEXT) return { what: "unreadable", why: "text" };
  return { what: "credential", text: code };
}

/** Some readers type what is no ASCII as \\uXXXX. @param {string} text */
function unescaped(text) {
  return text.replace(/\\u([0-9a-fA-F]{4})/g, (_, code) => String.fromCharCode(parseInt(code, 16)));
}

/** @param {string} number @param {string | undefined} name @returns {Scanned} */
function resident(number, name) {
  if (checkCharacter(number) !== number[17]) return { what: "unreadable", why: "number" };
  const document = { kind: "RESIDENT_ID", number, ...(name && { name }) };
  return { what: "document", document, method: "READER" };
}

/** The eighteenth character (GB 11643, ISO 7064 MOD 11-2). @param {string} number */
export function checkCharacter(number) {
  let sum = 0;
  for (let i = 0; i < 17; i += 1) sum += Number(number[i]) * (2 ** (17 - i) % 11);
  return "10X98765432"[sum % 11];
}

/** Whether the last digit guards the others (ISO 7064, MOD 11,10). @param {string} digits */
function guarded(digits) {
  let product = 10;
  for (const digit of digits.slice(0, -1)) product = (((Number(digit) + product) % 10 || 10) * 2) % 11;
  return (11 - product) % 10 === Number(digits.at(-1));
}

/** @param {number} value @param {string | undefined} unit @returns {Scanned} */
function temperature(value, unit) {
  const fahrenheit = unit ? unit.toUpperCase() === "F" : value > 80;
  const celsius = fahrenheit ? (value - 32) / 1.8 : value;
  if (celsius < MIN_C || celsius > MAX_C) return { what: "unreadable", why: "range" };
  return { what: "temperature", value, unit: fahrenheit ? "F" : "C" };
}

/** Tenths of a degree Celsius, as the service rounds them. @param {number} value @param {string} unit */
export function tenths(value, unit) {
  const exact = (unit === "F" ? (value - 32) / 1.8 : value) * 10;
  const floor = Math.floor(exact);
  if (exact - floor === 0.5) return floor % 2 ? floor + 1 : floor; // half to even
  return Math.round(exact);
}

/** @param {string[]} lines @returns {Scanned} */
function zone(lines) {
  const [at, digit] = lines.length === 3 ? [lines[0].slice(5, 14), lines[0][14]] : [lines[1].slice(0, 9), lines[1][9]];
  const long = lines.length === 3 && digit === "<"; // its number goes on in the optional data
  if (!long && String(checkDigit(at)) !== digit) return { what: "unreadable", why: "number" };
  const kind = { P: "PASSPORT", V: "VISA" }[lines[0][0]] ?? "ID_CARD";
  return { what: "document", document: { kind, mrz: lines }, method: "MRZ" };
}

/** ICAO Doc 9303-3, 4.9. @param {string} characters */
function checkDigit(characters) {
  const values = [...characters].map((one) => (one === "<" ? 0 : parseInt(one, 36)));
  return values.reduce((sum, one, i) => sum + one * [7, 3, 1][i % 3], 0) % 10;
}

/** The number by which a document is met again, for tags of alerts. @param {Document} document */
export function recognised(document) {
  if (document.mrz) return zoneNumber(document.mrz);
  const number = (document.number ?? "").toUpperCase().replace(/[\s\u2010-\u2015\u2212-]/g, "");
  if (/^[1-9][0-9]{14}$/.test(number)) {
    const whole = `${number.slice(0, 6)}19${number.slice(6)}`;
    return whole + checkCharacter(whole);
  }
  if (document.kind === "HK_MACAU_PERMIT") return number.slice(0, 9);
  return document.kind === "TAIWAN_PERMIT" ? number.slice(0, 8) : number;
}

/** @param {string[]} lines */
function zoneNumber(lines) {
  const [from, to] = lines.length === 3 ? [5, 14] : [0, 9];
  const line = lines[lines.length === 3 ? 0 : 1];
  const rest = lines.length === 3 && line[14] === "<" ? line.slice(15).split("<")[0].slice(0, -1) : "";
  return (line.slice(from, to) + rest).replaceAll("<", "");
}

/** What may be shown of a document at a lane. @param {Document} document */
export function masked(document) {
  const number = recognised(document);
  const name = document.name ? `${document.name.slice(0, 1)}${"＊".repeat(Math.min(2, document.name.length - 1))} ` : "";
  return `${name}…${number.slice(-4)}`;
}
