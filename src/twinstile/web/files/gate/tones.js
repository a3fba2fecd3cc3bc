// @ts-check
/** A tone for each verdict; it only repeats what is shown. Starts after one touch, as browsers ask. */

/** @type {Record<string, [hertz: number, seconds: number, count: number]>} */
const TONES = { PASS: [1320, 0.09, 1], CHECK: [660, 0.16, 2], STOP: [220, 0.4, 2], UNKNOWN: [880, 0.07, 3] };
const GAP = 0.09;

/** @type {AudioContext | null} */
let sound = null;

/** Allow sound and keep the screen on: called by a touch. */
export async function unlock() {
  sound ??= new AudioContext();
  await sound.resume();
  await navigator.wakeLock?.request("screen").catch(() => null);
}

/** Whether a tone would be heard. */
export const audible = () => sound?.state === "running";

/** @param {string} verdict */
export function play(verdict) {
  const tone = TONES[verdict];
  if (!tone) return;
  const [hertz, seconds, count] = tone;
  navigator.vibrate?.(Array.from({ length: count }, () => [seconds * 1000, GAP * 1000]).flat());
  if (!sound || sound.state !== "running") return;
  for (let i = 0; i < count; i += 1) {
    const start = sound.currentTime + i * (seconds + GAP);
    const [note, gain] = [sound.createOscillator(), sound.createGain()];
    note.frequency.value = hertz;
    gain.gain.setValueAtTime(0.3, start);
    gain.gain.linearRampToValueAtTime(0, start + seconds);
    note.connect(gain).connect(sound.destination);
    note.start(start);
    note.stop(start + seconds);
  }
}
