// @ts-check
/**
 * Which arrival the lane serves, and who is expected on those near in time. By the tags of a list
 * anybody who has them can ask after a number, so lists live in the memory of this page alone: none
 * is ever on the disk, and after a reload they are asked for anew.
 *
 * @typedef {{run_id: string, service_no: string, origin: string, arrival: string, expected: number}} DueRun
 *   as the lane's state tells it
 * @typedef {{run_id: string, service_no: string, listed: boolean | null}} Seen
 *   the arrival of a person; `listed`: whether a list has them, null where none was at hand
 * @typedef {{etag: string | null, at: number, whole: boolean,
 *   has: (document: import("./scan.js").Document) => Promise<boolean>}} List
 *   `whole`: who is not on it is expected by nobody; a carrier may have sent none
 */
import * as clock from "./clock.js";
import { Refused, ask } from "./link.js";
import { asker } from "./tags.js";

/** Lists held at once: of the arrival chosen, and of those nearest in time. */
const MOST = 4;
const AGAIN_MS = 60_000;

export class Runs {
  constructor() {
    /** @type {DueRun[]} */
    this.due = [];
    /** @type {string | null} */
    this.chosen = null;
    /** @type {Map<string, List>} */
    this.lists = new Map();
  }

  /** The arrival the lane serves; null: none in particular. */
  get serving() {
    return this.due.find((run) => run.run_id === this.chosen) ?? null;
  }

  /** Take what the lane's state tells; what is not due any more is forgotten. @param {DueRun[]} due */
  told(due) {
    this.due = due;
    for (const held of this.lists.keys()) if (!due.some((run) => run.run_id === held)) this.lists.delete(held);
  }

  /** Nobody is on shift: nobody's list stays. */
  forget() {
    this.lists.clear();
  }

  /** The arrival chosen, then the others, the nearest in time first. @param {number} now */
  near(now) {
    /** @param {DueRun} run */
    const apart = (run) => (run.run_id === this.chosen ? -1 : Math.abs(Date.parse(run.arrival) - now));
    return [...this.due].sort((one, other) => apart(one) - apart(other));
  }

  /** Ask for lists that are missing or a minute old. @param {number} now */
  async refresh(now) {
    const wanted = this.near(now).slice(0, MOST);
    for (const held of this.lists.keys()) if (!wanted.some((run) => run.run_id === held)) this.lists.delete(held);
    await Promise.all(wanted.map(({ run_id }) => this.#ask(run_id, now)));
  }

  /** @param {string} runId @param {number} now */
  async #ask(runId, now) {
    const held = this.lists.get(runId);
    if (held && now - held.at < AGAIN_MS) return;
    try {
      const headers = held?.etag ? { "If-None-Match": held.etag } : undefined;
      const { told, etag } = await ask("GET", `/v1/runs/${runId}/expected-tags`, { headers });
      if (told) this.lists.set(runId, { etag, at: now, whole: told.complete && told.tags.length > 0, has: await asker(told) });
      else if (held) held.at = now;
    } catch (error) {
      if (error instanceof Refused) this.lists.delete(runId);
    }
  }

  /** When the oldest list that is needed was told; null: one is missing. @param {number} now */
  age(now) {
    const told = this.near(now).slice(0, MOST).map(({ run_id }) => this.lists.get(run_id)?.at ?? null);
    return told.includes(null) ? null : Math.min(...told.map(Number));
  }

  /**
   * Which arrival somebody belongs to: the list that has them, else the arrival the lane serves.
   * @param {import("./scan.js").Document} document @returns {Promise<Seen | null>}
   */
  async of(document) {
    const held = this.near(clock.now()).filter(({ run_id }) => this.lists.has(run_id));
    const has = await Promise.all(held.map(({ run_id }) => this.lists.get(run_id)?.has(document)));
    const run = held[has.indexOf(true)] ?? this.serving;
    if (!run) return null;
    const { run_id, service_no } = run;
    return { run_id, service_no, listed: has.includes(true) || (this.lists.get(run_id)?.whole ? false : null) };
  }
}
