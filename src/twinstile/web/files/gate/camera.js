// @ts-check
/**
 * The tablet's camera, where there is no scanner. Codes are looked for on the tablet if its browser
 * or the operator's add-on can, which works without a line; else the service reads one picture and
 * keeps nothing of it. No picture is kept here either.
 *
 * @typedef {(image: HTMLVideoElement | ImageBitmap) => Promise<string[]>} Detect the texts of the codes in it
 */
import { ask } from "./link.js";

const PATIENCE_MS = 8_000;
/** Pixels of the longer side; the service takes six megabytes. */
const LONGEST_SIDE = 1600;
const FORMATS = ["qr_code", "aztec"];
/** Between two looks at what is in front of the camera. */
const PAUSE_MS = 100;
/** A code that was out of sight for so long is shown anew. */
const GONE_MS = 1_500;
const WANTED = { audio: false, video: { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } } };

/** The words for why there is no camera, by the name of the browser's error. @type {Record<string, string>} */
const WHY = {
  NotAllowedError: "camera-refused",
  SecurityError: "camera-refused",
  NotFoundError: "camera-none",
  OverconstrainedError: "camera-none",
};

/** What finds codes on this tablet; null: nothing does. @returns {Promise<Detect | null>} */
export async function detector() {
  const { BarcodeDetector } = /** @type {any} */ (window);
  const known = (await BarcodeDetector?.getSupportedFormats().catch(() => null)) ?? [];
  const formats = FORMATS.filter((one) => known.includes(one));
  if (formats.includes("qr_code")) {
    const made = new BarcodeDetector({ formats });
    return async (image) => (await made.detect(image)).map((/** @type {any} */ one) => one.rawValue);
  }
  const { detect } = await import("./addon/decoder.js").catch(() => ({ detect: null }));
  return detect && (async (image) => detect(pixels(image)));
}

/** What an add-on is given. @param {HTMLVideoElement | ImageBitmap} image */
function pixels(image) {
  const [width, height] = "videoWidth" in image ? [image.videoWidth, image.videoHeight] : [image.width, image.height];
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context?.drawImage(image, 0, 0);
  return context?.getImageData(0, 0, width, height);
}

/** The text of the first code on a picture, or null. @param {Blob} picture @param {Detect | null} detect @returns {Promise<string | null>} */
export async function read(picture, detect) {
  const [found] = detect ? await createImageBitmap(picture).then(detect).catch(() => []) : [];
  if (found) return found;
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

/** Looks out of the tablet while it is open, and takes each code once as long as it is held there. */
export class Eye {
  /**
   * @param {HTMLVideoElement} video
   * @param {{take: (text: string) => void, several: () => void, changed: (open: boolean, why?: string) => void}} tell
   *   `several`: more than one code is shown at once; `why`: the key of the words for it
   */
  constructor(video, tell) {
    this.video = video;
    this.tell = tell;
    /** @type {MediaStream | null} */
    this.stream = null;
    /** Counts what was asked for, so that a camera which comes late is not kept. */
    this.turn = 0;
  }

  /** @param {Detect} detect */
  async open(detect) {
    this.close();
    const turn = (this.turn += 1);
    /** @type {MediaStream} */
    let stream;
    try {
      if (!navigator.mediaDevices) throw new DOMException("", "SecurityError");
      stream = await navigator.mediaDevices.getUserMedia(WANTED);
    } catch (error) {
      const { name } = /** @type {DOMException} */ (error);
      if (turn === this.turn) this.tell.changed(false, WHY[name] ?? "camera-busy");
      return;
    }
    if (turn !== this.turn) return ended(stream);
    this.stream = stream;
    stream.getVideoTracks()[0].addEventListener("ended", () => {
      if (this.stream === stream) this.close("camera-busy");
    });
    this.video.srcObject = stream;
    this.tell.changed(true);
    await this.video.play().catch(() => null);
    await this.#watch(stream, detect);
  }

  /** @param {string} [why] */
  close(why) {
    this.turn += 1;
    if (!this.stream) return;
    ended(this.stream);
    this.stream = null;
    this.video.srcObject = null;
    this.tell.changed(false, why);
  }

  /** Whether this camera has a light. */
  get lamp() {
    const [track] = this.stream?.getVideoTracks() ?? [];
    return Boolean(/** @type {any} */ (track?.getCapabilities?.())?.torch);
  }

  /** Switch the light; whether it is on now. @param {boolean} on @returns {Promise<boolean>} */
  async light(on) {
    const [track] = this.stream?.getVideoTracks() ?? [];
    const wanted = /** @type {any} */ ({ advanced: [{ torch: on }] });
    return Boolean(track) && track.applyConstraints(wanted).then(() => on, () => false);
  }

  /** @param {MediaStream} stream @param {Detect} detect */
  async #watch(stream, detect) {
    /** @type {Map<string, number>} */
    const seen = new Map();
    let several = false;
    while (this.stream === stream) {
      const texts = this.video.readyState >= this.video.HAVE_CURRENT_DATA ? await detect(this.video).catch(() => []) : [];
      if (this.stream !== stream) return;
      const now = performance.now();
      for (const [text, at] of seen) if (now - at > GONE_MS) seen.delete(text);
      const here = [...new Set(texts)];
      const fresh = here.filter((text) => !seen.has(text));
      if (here.length > 1 && fresh.length && !several) this.tell.several();
      several = here.length > 1;
      for (const text of here) if (!several || seen.has(text)) seen.set(text, now);
      if (!several) fresh.forEach(this.tell.take);
      await new Promise((done) => setTimeout(done, PAUSE_MS));
    }
  }
}

/** @param {MediaStream} stream */
function ended(stream) {
  for (const track of stream.getTracks()) track.stop();
}
