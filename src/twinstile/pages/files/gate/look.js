// @ts-check
/** What a scanned code says: the service is asked, within the time a traveller waits for. */
import { ask } from "./link.js";

const PATIENCE_MS = 1_500;

/**
 * The word a check keeps of a code. Nothing of its text is kept.
 * @param {string} text @param {import("./scan.js").Document | null} document
 * @param {any} trustList @param {import("./store.js").Store | null} kept
 * @returns {Promise<{status: string, kind: string}>}
 */
export async function look(text, document, trustList, kept) {
  const kind = /^(HC1:|shc:|\{)/i.test(text) ? "CERTIFICATE" : "HEALTH_CODE";
  const body = { text, channel: "WEDGE", ...(document && { document }) };
  try {
    const { told } = await ask("POST", "/v1/credentials:verify", { body, wait: PATIENCE_MS });
    return { status: told.status, kind };
  } catch {
    return { status: "UNAVAILABLE", kind };
  }
}
