// @ts-check
/** How fast this tablet is, as it measures itself: milliseconds of the last readings. */

const MOST = 500;
/** @type {Record<"painted" | "durable", number[]>} */
const samples = { painted: [], durable: [] };

/** @param {"painted" | "durable"} what @param {number} milliseconds */
export function note(what, milliseconds) {
  samples[what].push(milliseconds);
  if (samples[what].length > MOST) samples[what].shift();
}

/** Call after what was drawn just now is on the screen. @param {number} since performance.now */
export function painted(since) {
  requestAnimationFrame(() => {
    const channel = new MessageChannel(); // runs after this frame is drawn
    channel.port1.onmessage = () => note("painted", performance.now() - since);
    channel.port2.postMessage(null);
  });
}

/** @param {"painted" | "durable"} what */
export const all = (what) => [...samples[what]];

/** The value that so many of a hundred readings do not exceed; null without readings. @param {"painted" | "durable"} what @param {number} percent */
export function percentile(what, percent) {
  const sorted = [...samples[what]].sort((one, other) => one - other);
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] : null;
}

export function forget() {
  samples.painted = [];
  samples.durable = [];
}
