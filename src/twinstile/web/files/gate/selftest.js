// @ts-check
/** Whether this tablet can do its work, as it finds itself at the start of a shift. */
import { ask } from "./link.js";
import * as measure from "./measure.js";
import { audible } from "./tones.js";
import { say } from "./words.js";

/**
 * Names of what was tested, each with what was found.
 * @param {{kept: import("./store.js").Store | null, waiting: number, detect: import("./camera.js").Detect | null}} tablet
 * @returns {Promise<[name: string, value: string][]>}
 */
export async function run({ kept, waiting, detect }) {
  const began = performance.now();
  await kept?.keep("selftest", { at: Date.now() });
  const written = performance.now() - began;
  const line = await ask("GET", "/livez").then(() => performance.now() - began - written, () => null);
  const shown = measure.percentile("painted", 95);
  const durable = measure.percentile("durable", 95);
  return [
    ["test-secure", yes(window.isSecureContext)],
    ["test-worker", yes(navigator.serviceWorker?.controller)],
    ["test-storage", yes(await navigator.storage?.persisted?.())],
    ["test-durable", time(durable ?? written)],
    ["test-verdict", shown === null ? "–" : time(shown)],
    ["test-sound", yes(audible())],
    ["test-camera", yes(detect)],
    ["test-line", line === null ? say("offline") : time(line)],
    ["test-unsent", String(waiting)],
  ];
}

/** @param {unknown} found */
const yes = (found) => say(found ? "yes" : "no");

/** @param {number} milliseconds */
const time = (milliseconds) => say("milliseconds", { n: Math.round(milliseconds) });
