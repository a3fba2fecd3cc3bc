// @ts-check
/**
 * What a scanned code says. The service is asked first, for it reads every scheme and compares
 * names; where it does not answer in the time a traveller waits, an EU certificate is judged here.
 */
import { judge, readTrust } from "./certificate.js";
import * as clock from "./clock.js";
import { ask } from "./link.js";

const PATIENCE_MS = 1_500;
/** A list of keys may be large. */
const LIST_PATIENCE_MS = 30_000;

/** @typedef {import("./certificate.js").Trust} Trust */

/**
 * The word a check keeps of a code. Nothing of its text is kept.
 * @param {string} text @param {import("./scan.js").Document | null} document
 * @param {Trust | null} trust @param {boolean} down there is no line
 * @returns {Promise<{status: string, kind: string}>}
 */
export async function look(text, document, trust, down) {
  const certificate = /^(HC1:|shc:|\{|eyJ)/.test(text);
  const kind = certificate ? "CERTIFICATE" : "HEALTH_CODE";
  const body = { text, channel: "WEDGE", ...(document && { document }) };
  try {
    if (down) throw new TypeError("no line");
    const { told } = await ask("POST", "/v1/credentials:verify", { body, wait: PATIENCE_MS });
    return { status: told.status, kind };
  } catch {
    const { status } = text.startsWith("HC1:")
      ? await judge(text, trust, document, clock.now())
      : { status: "UNAVAILABLE" };
    return { status, kind };
  }
}

/**
 * The trust list of that version, from the tablet or else the service; null if there is none, or
 * if it is not the one the lane's state tells of.
 * @param {{version: number, sha256: string} | null} wanted @param {import("./store.js").Store} kept
 * @returns {Promise<Trust | null>}
 */
export async function trustList(wanted, kept) {
  if (!wanted) return null;
  let held = await kept.kept("trust");
  if (held?.version !== wanted.version) {
    const { told } = await ask("GET", `/v1/trust-lists/${wanted.version}`, { wait: LIST_PATIENCE_MS });
    held = { version: told.version, document: told.document };
    await kept.keep("trust", held);
  }
  const sum = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(held.document));
  const hex = [...new Uint8Array(sum)].map((one) => one.toString(16).padStart(2, "0")).join("");
  return hex === wanted.sha256 ? readTrust(held.document) : null;
}
