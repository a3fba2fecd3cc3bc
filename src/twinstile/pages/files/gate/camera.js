// @ts-check
/**
 * A code on a picture of the tablet's camera, where there is no scanner: read here if the browser
 * can, which works without a line, else by the service, which keeps nothing of the picture.
 */
import { ask } from "./link.js";

const PATIENCE_MS = 8_000;
/** Pixels of the longer side; the service takes six megabytes. */
const LONGEST_SIDE = 1600;

/** The text of the first code, or null. @param {Blob} picture @returns {Promise<string | null>} */
export async function read(picture) {
  if ("BarcodeDetector" in window) {
    const detector = new /** @type {any} */ (window).BarcodeDetector({ formats: ["qr_code", "aztec"] });
    const [found] = await detector.detect(await createImageBitmap(picture)).catch(() => []);
    if (found) return found.rawValue;
  }
  const raw = await smaller(picture);
  const headers = { "Content-Type": raw.type };
  const { told } = await ask("POST", "/v1/credentials:verify-picture", { raw, headers, wait: PATIENCE_MS });
  return told.codes[0]?.scanned ?? null;
}

/** @param {Blob} picture @returns {Promise<Blob>} */
async function smaller(picture) {
  const bitmap = await createImageBitmap(picture);
  const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = new OffscreenCanvas(bitmap.width * scale, bitmap.height * scale);
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
}
