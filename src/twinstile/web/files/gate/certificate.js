// @ts-check
/**
 * Judges an EU certificate (HC1) by the trust list at hand, without the service, in the order of
 * `credentials/offline.py`: can it be read, is there a key of its id, did that key sign it, and
 * only then dates, usage, revocation and person. What is not surely good is never green: of other
 * schemes, and of a name that is not the same letter by letter, a human or the service has to tell.
 *
 * @typedef {{kid: string, ids: string[], key: CryptoKey | null, alg: number, domain: string,
 *   kinds: string[] | null, from: number | null, until: number | null, removed: boolean}} Key
 *   `ids`: every id that leads to this key
 * @typedef {{issued: number, ends: number, keys: Map<string, Key[]>, denied: {kids: Set<string>,
 *   hashes: Set<string>}, revoked: Map<string, Map<string, Set<string>>>}} Trust
 */
import { decode } from "./cbor.js";
import { dateOfBirth } from "./dates.js";
import { recognised } from "./scan.js";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
/** Characters of a code, and bytes of what is in it. */
const [MOST_TEXT, MOST_INFLATED] = [8192, 12_288];
const MOST_KEYS = 8;
const [ES256, PS256] = [-7, -37];
const LEEWAY_S = 300;
const RECENT_MS = 72 * 3_600_000;
const HASH_BYTES = 16;
/** Whose keys sign such codes, and whose may sign an EU certificate. */
const [HCERT, EU_DCC] = [["EU_DCC", "DDCC", "ICVP"], ["EU_DCC", "DDCC"]];
/** Thirty thousand years in seconds: no date is beyond. */
const AGES = 1e12;
const POINT = [0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/** @type {Record<string, string>} */
const KINDS = { v: "VACCINATION", t: "TEST", r: "RECOVERY" };

/** What an entry of a group must have, countries and days first (`codecs/dcc.py`). @type {Record<string, [fields: string[], days: number]>} */
const FIELDS = {
  v: [["co", "dt", "tg", "vp", "mp", "ma", "is", "ci"], 1],
  t: [["co", "sc", "tg", "tt", "tr", "is", "ci"], 1],
  r: [["co", "fr", "df", "du", "tg", "is", "ci"], 3],
};
const DAY = "\\n\\d{4}-\\d\\d-\\d\\d(?:T[0-9:.+Z-]{5,30})?";
const HOLDER = "\\d+\\.\\d+\\.\\d+\\n(?:(?:19|20)\\d\\d(?:-\\d\\d){0,2}(?:T[0-9:.+Z-]{5,30})?)?\\n[A-Z<]*\\n[A-Z<]*";

/** A certificate is looked at no further; the message is the service's word for why. */
class Refused extends Error {}

/** @param {string} text @returns {Uint8Array<ArrayBuffer>} */
const bytesOf = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));

/** @param {Uint8Array} bytes */
const hex = (bytes) => [...bytes].map((one) => one.toString(16).padStart(2, "0")).join("");

/** @param {string} text base64 */
const hexOf = (text) => hex(bytesOf(text));

/** As revocation lists name it. @param {Uint8Array<ArrayBuffer>} content */
async function digest(content) {
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", content)).subarray(0, HASH_BYTES));
}

/** A trust list as the hub signed it, ready to judge by. @param {string} text @returns {Promise<Trust>} */
export async function readTrust(text) {
  const told = JSON.parse(text);
  /** @type {Map<string, Key[]>} */
  const keys = new Map();
  /** Renewed certificates keep the key, and whoever shows a code may choose the id. @type {Map<string, string[]>} */
  const ids = new Map();
  for (const { spki, kid } of told.keys) ids.set(spki, [...(ids.get(spki) ?? []), hexOf(kid)]);
  for (const one of told.keys) {
    if (!HCERT.includes(one.domain)) continue;
    const read = await readKey(one, ids.get(one.spki) ?? []);
    keys.set(read.kid, [...(keys.get(read.kid) ?? []), read]);
  }
  const revoked = Object.entries(told.revoked).map(([kid, kinds]) => [
    hexOf(kid),
    new Map(Object.entries(kinds).map(([kind, joined]) => [kind, new Set(hexOf(joined).match(/.{32}/g))])),
  ]);
  return {
    issued: Date.parse(told.issued_at),
    ends: Date.parse(told.not_after),
    keys,
    denied: { kids: new Set(told.denied.kids.map(hexOf)), hashes: new Set(told.denied.hashes.map(hexOf)) },
    revoked: new Map(/** @type {any} */ (revoked)),
  };
}

/** @param {any} told @param {string[]} ids @returns {Promise<Key>} */
async function readKey(told, ids) {
  const spki = bytesOf(told.spki);
  const alg = POINT.every((one, i) => spki[i] === one) ? ES256 : PS256;
  const how = alg === ES256 ? { name: "ECDSA", namedCurve: "P-256" } : { name: "RSA-PSS", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("spki", spki, how, false, ["verify"]).catch(() => null);
  const [from, until] = [told.not_before, told.not_after].map((at) => at && Date.parse(at) / 1000);
  const { domain, kinds, removed } = told;
  return { kid: hexOf(told.kid), ids, key, alg, domain, kinds, from, until, removed };
}

/**
 * The word a check keeps of a certificate, and the service's word for why.
 * @param {string} text @param {Trust | null} trust
 * @param {import("./scan.js").Document | null} document @param {number} now milliseconds
 * @returns {Promise<{status: string, outcome: string}>}
 */
export async function judge(text, trust, document, now) {
  if (!trust) return { status: "UNAVAILABLE", outcome: "NO_TRUST_LIST" };
  try {
    const message = await read(text);
    const key = await signer(message, trust);
    const content = contentOf(message.payload);
    const [fault, whose] = [await against(message, key, content, trust, now), person(content.body, document, now)];
    // what is refused for good comes first, then another's, then what is merely out of date
    const others = whose === "SUBJECT_MISMATCH" && !["REVOKED", "KEY_USAGE_MISMATCH"].includes(fault ?? "");
    const outcome = others ? whose : (fault ?? whose);
    return { status: STATUSES[outcome], outcome };
  } catch (error) {
    const outcome = error instanceof Refused ? error.message : "INVALID_CONTENT";
    return { status: STATUSES[outcome], outcome };
  }
}

/** @type {Record<string, string>} */
const STATUSES = {
  VERIFIED: "GREEN",
  ISSUER_NOT_TRUSTED: "UNAVAILABLE",
  NOT_SUPPORTED: "UNAVAILABLE", // here; the service reads more schemes
  EXPIRED: "EXPIRED",
  EXPIRED_KEYS: "EXPIRED",
  STALE_SNAPSHOT: "STALE",
  SUBJECT_UNCONFIRMED: "UNDER_REVIEW",
  ...Object.fromEntries(
    [
      "INVALID_ENCODING", "INVALID_COMPRESSION", "INVALID_SIGNING_FORMAT", "INVALID_CONTENT",
      "KID_NOT_INCLUDED", "TERMINATED_KEYS", "REVOKED_KEYS", "KEY_USAGE_MISMATCH",
      "INVALID_SIGNATURE", "NOT_YET_VALID", "REVOKED", "SUBJECT_MISMATCH",
    ].map((outcome) => [outcome, "INVALID"]),
  ),
};

/** @param {string} text */
async function read(text) {
  if (!text.startsWith("HC1:")) throw new Refused("NOT_SUPPORTED");
  const data = await inflate(base45(text.slice(4)));
  return refusing("INVALID_SIGNING_FORMAT", () => {
    const parts = decode(data);
    const [protectedBytes, unprotected, payload, signature] = parts;
    const whole = unprotected instanceof Map && [protectedBytes, payload, signature].every((one) => one instanceof Uint8Array);
    if (parts.length !== 4 || !whole) throw new Refused("INVALID_SIGNING_FORMAT");
    const header = protectedBytes.length ? decode(protectedBytes) : new Map();
    const [alg, kid] = [1, 4].map((label) => header.get(label) ?? unprotected.get(label));
    if (![ES256, PS256].includes(alg)) throw new Refused("INVALID_SIGNING_FORMAT");
    if (!(kid instanceof Uint8Array)) throw new Refused("KID_NOT_INCLUDED");
    const start = [0x84, 0x6a, ...new TextEncoder().encode("Signature1")];
    const signed = Uint8Array.from([...start, ...framed(protectedBytes), 0x40, ...framed(payload)]);
    return { alg, kid: hex(kid), payload, signature: Uint8Array.from(signature), signed };
  });
}

/** @template T @param {string} outcome @param {() => T} run @returns {T} */
function refusing(outcome, run) {
  try {
    return run();
  } catch (error) {
    throw error instanceof Refused ? error : new Refused(outcome);
  }
}

/** A byte string as short as it may be. @param {Uint8Array} bytes */
function framed(bytes) {
  const { length } = bytes;
  if (length < 24) return [0x40 + length, ...bytes];
  return length < 256 ? [0x58, length, ...bytes] : [0x59, length >> 8, length & 255, ...bytes];
}

/** RFC 9285. @param {string} text @returns {Uint8Array<ArrayBuffer>} */
function base45(text) {
  if (text.length > MOST_TEXT) throw new Refused("INVALID_ENCODING");
  /** @type {number[]} */
  const bytes = [];
  for (let i = 0; i < text.length; i += 3) {
    const digits = [...text.slice(i, i + 3)].map((one) => ALPHABET.indexOf(one));
    const value = digits.reduce((sum, digit, place) => sum + digit * 45 ** place, 0);
    const most = digits.length === 3 ? 0xffff : 0xff;
    if (digits.includes(-1) || digits.length === 1 || value > most) throw new Refused("INVALID_ENCODING");
    bytes.push(...(digits.length === 3 ? [value >> 8, value & 255] : [value]));
  }
  return Uint8Array.from(bytes);
}

/** @param {Uint8Array<ArrayBuffer>} packed @returns {Promise<Uint8Array>} */
async function inflate(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  /** @type {number[]} */
  const all = [];
  try {
    for await (const part of /** @type {any} */ (stream)) {
      all.push(...part);
      if (all.length > MOST_INFLATED) break;
    }
  } catch {
    throw new Refused("INVALID_COMPRESSION");
  }
  if (all.length > MOST_INFLATED) throw new Refused("INVALID_COMPRESSION");
  return Uint8Array.from(all);
}

/** The key of that id that made the signature and is still believed. @param {Awaited<ReturnType<typeof read>>} message @param {Trust} trust */
async function signer({ alg, kid, signature, signed }, trust) {
  const found = (trust.keys.get(kid) ?? []).slice(0, MOST_KEYS);
  if (!found.length) throw new Refused("ISSUER_NOT_TRUSTED");
  const how = alg === ES256 ? { name: "ECDSA", hash: "SHA-256" } : { name: "RSA-PSS", saltLength: 32 };
  const signers = [];
  for (const one of found) {
    if (one.key && one.alg === alg && (await crypto.subtle.verify(how, one.key, signature, signed))) signers.push(one);
  }
  if (!signers.length) throw new Refused("INVALID_SIGNATURE");
  if (signers.some((one) => one.ids.some((id) => trust.denied.kids.has(id)))) throw new Refused("REVOKED_KEYS");
  const standing = signers.filter((one) => !one.removed);
  if (!standing.length) throw new Refused("TERMINATED_KEYS");
  return standing.find((one) => EU_DCC.includes(one.domain)) ?? standing[0];
}

/** What a signed payload says; of another sub-claim nothing is known here. @param {Uint8Array} payload */
function contentOf(payload) {
  return refusing("INVALID_CONTENT", () => {
    const claims = decode(payload);
    const body = claims.get(-260)?.get(1);
    if (!(body instanceof Map)) throw new Refused("NOT_SUPPORTED");
    const groups = Object.keys(KINDS).filter((group) => body.get(group)?.length);
    if (groups.length !== 1 || body.get(groups[0]).length !== 1) throw new Refused("INVALID_CONTENT");
    const [begins, ends] = [Math.max(0, ...[6, 5].map((claim) => second(claims.get(claim)) ?? 0)), second(claims.get(4))];
    if (!sound(body, groups[0])) throw new Refused("INVALID_CONTENT");
    return { body, state: claims.get(1), entry: body.get(groups[0])[0], kind: KINDS[groups[0]], begins, ends };
  });
}

/** Seconds since 1970 or null; of NaN and infinity no certificate would ever end. @param {any} value @returns {number | null} */
function second(value) {
  if (value === undefined || value === null) return null;
  if (typeof value !== "number" || !(Math.abs(value) < AGES)) throw new Refused("INVALID_CONTENT");
  return value;
}

/** Whether a certificate has the form of its schema. @param {Map<string, any>} body @param {string} group */
function sound(body, group) {
  const [names, entry] = [body.get("nam"), body.get(group)[0]];
  if (!(names instanceof Map && entry instanceof Map) || !(names.has("fnt") || names.has("gnt"))) return false;
  const [fields, days] = FIELDS[group];
  const latin = [names.get("fnt") ?? "", names.get("gnt") ?? ""];
  const texts = [body.get("ver"), body.get("dob"), ...latin, ...fields.map((one) => entry.get(one)), ...names.values()];
  if (!texts.every((one) => typeof one === "string")) return false;
  const form = new RegExp(`^${HOLDER}\\n[A-Z]{1,10}${DAY.repeat(days)}(?:\\n[^\\n]{0,80})*$`, "u");
  const doses = ["dn", "sd"].every((one) => Number.isInteger(entry.get(one)) && entry.get(one) > 0);
  return form.test(texts.join("\n")) && (group !== "v" || doses);
}

/** What speaks against it, the first thing; undefined if nothing does. @param {Awaited<ReturnType<typeof read>>} message @param {Key} key @param {ReturnType<typeof contentOf>} content @param {Trust} trust @param {number} now */
async function against(message, key, content, trust, now) {
  const [at, { begins, ends }] = [now / 1000, content];
  if (!EU_DCC.includes(key.domain) || (key.kinds && !key.kinds.includes(content.kind))) return "KEY_USAGE_MISMATCH";
  if (await revoked(message, key, content, trust)) return "REVOKED";
  if (ends === null) return "INVALID_CONTENT";
  if (begins > at + LEEWAY_S) return "NOT_YET_VALID";
  if (at > ends) return "EXPIRED";
  if ((key.until !== null && at > key.until) || (key.from !== null && at + LEEWAY_S < key.from)) return "EXPIRED_KEYS";
  return now > trust.ends || now - trust.issued > RECENT_MS ? "STALE_SNAPSHOT" : undefined;
}

/** By this house's own list, or by an issuer's under any id of the key. @param {Awaited<ReturnType<typeof read>>} message @param {Key} key @param {ReturnType<typeof contentOf>} content @param {Trust} trust */
async function revoked({ alg, signature }, key, { state, entry }, trust) {
  const id = entry.get("ci");
  const mark = await digest(alg === ES256 ? signature.slice(0, 32) : signature);
  // the state of the dose, and the one that issued it
  const texts = [id, entry.get("co") + id, (typeof state === "string" ? state : "") + id];
  const [named, ...placed] = await Promise.all(texts.map((text) => digest(new TextEncoder().encode(text))));
  if ([mark, named].some((one) => trust.denied.hashes.has(one))) return true;
  // by HashType: signature, identifier, country and identifier
  const hashed = Object.entries({ 10: [mark], 11: [named], 12: placed });
  const lists = key.ids.map((kid) => trust.revoked.get(kid));
  return lists.some((list) => hashed.some(([type, all]) => all.some((one) => list?.get(type)?.has(one))));
}

/**
 * Whether the names for machines and the birth are those of the document; another birth is
 * another person's, as far as both know it.
 * @param {Map<string, any>} body @param {import("./scan.js").Document | null} document @param {number} now
 */
function person(body, document, now) {
  const [own, family, given] = document ? shown(document, now) : ["", "", ""];
  const said = known(body.get("dob"));
  const common = Math.min(own.length, said.length);
  if (own.slice(0, common) !== said.slice(0, common)) {
    // a zone has two digits for the year, so a centenarian's reads a century too young
    const century = Number(own.slice(0, 4)) - Number(said.slice(0, 4)) === 100 && own.slice(4, common) === said.slice(4, common);
    return century ? "SUBJECT_UNCONFIRMED" : "SUBJECT_MISMATCH";
  }
  const names = body.get("nam");
  const same = family !== "" && family === (names.get("fnt") ?? "") && given === (names.get("gnt") ?? "");
  return same && own === said && own.length === 10 ? "VERIFIED" : "SUBJECT_UNCONFIRMED";
}

/** The birth a document tells, as far as it does, and the two parts of a zone's name. @param {import("./scan.js").Document} document @param {number} now @returns {[born: string, family: string, given: string]} */
function shown(document, now) {
  const { kind, mrz } = document;
  if (!mrz) {
    const [, ...date] = (kind === "RESIDENT_ID" && /^\d{6}(\d{4})(\d\d)(\d\d)\d{3}[\dX]$/.exec(recognised(document))) || [];
    return [known(date.join("-")), "", ""];
  }
  const [birth, name] = mrz.length === 3 ? [mrz[1].slice(0, 6), mrz[2]] : [mrz[1].slice(13, 19), mrz[0].slice(5)];
  const [family, ...given] = name.replace(/<+$/, "").split("<<");
  return [latest(birth, now), family, given.join("<<")];
}

/** The parts of a date that are known, 00 standing for one that is not; nothing of a day there never was. @param {string} date */
function known(date) {
  const parts = (/^\d{4}(?:-\d\d){0,2}/.exec(date)?.[0] ?? "").replace(/-00.*$/, "");
  try {
    return dateOfBirth(parts) && parts;
  } catch {
    return "";
  }
}

/** A zone's YYMMDD, `<` for what is not known, as the latest such day that is not to come. @param {string} digits @param {number} now */
function latest(digits, now) {
  const short = (/^((?:\d\d){1,3})<*$/.exec(digits)?.[1].match(/../g) ?? []).join("-");
  if (!short) return "";
  const today = new Date(now).toISOString();
  const born = today.slice(0, 2) + short;
  return known(born > today.slice(0, born.length) ? `${Number(today.slice(0, 2)) - 1}${short}` : born);
}
