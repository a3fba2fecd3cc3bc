// @ts-check
/**
 * What a lane has made facts of: on its way to the disk, and remembered for what the service says
 * of it. What the disk does not take is tried until it does.
 */
import { newId } from "./link.js";
import * as measure from "./measure.js";
import { masked } from "./scan.js";

/** How many people an answer of the service may still be shown of. */
const REMEMBERED = 50;
const RETRY_MS = 2_000;

/** @typedef {{key: string, label: string, verdict: string}} Shown of whom it is, and what was shown */

export class Records {
  /**
   * @param {(kind: string, id: string, body: any) => Promise<void>} add on the disk when this returns
   * @param {(full: boolean) => void} changed the disk takes no more, or does again
   */
  constructor(add, changed) {
    this.add = add;
    this.changed = changed;
    /** @type {Map<string, Shown>} */
    this.shown = new Map();
    /** Facts the disk has not taken. @type {Set<string>} */
    this.unkept = new Set();
    /** All that is on its way there. @type {Promise<void>} */
    this.settled = Promise.resolve();
  }

  /** Whether something is known only to this page: until it is kept, nobody passes here. */
  get full() {
    return this.unkept.size > 0;
  }

  /** Gives the id of the fact. @param {import("./front.js").Person} person @param {any} body @param {string} verdict as it is shown */
  keep(person, body, verdict) {
    const id = newId();
    const label = person.document ? masked(person.document) : person.key ? `…${person.key.slice(-4)}` : "–";
    this.shown.set(id, { key: person.key, label, verdict });
    for (const old of [...this.shown.keys()].slice(0, -REMEMBERED)) this.shown.delete(old);
    this.settled = Promise.all([this.settled, this.#store("check", id, body)]).then(() => undefined);
    return id;
  }

  /** A fact that names one before it, which is kept first. @param {string} kind @param {any} body */
  follow(kind, body) {
    this.settled = this.settled.then(() => this.#store(kind, newId(), body));
  }

  /** @param {string} kind @param {string} id @param {any} body */
  async #store(kind, id, body) {
    const began = performance.now();
    while (!(await this.add(kind, id, body).then(() => true, () => false))) {
      const first = !this.unkept.has(id);
      this.unkept.add(id);
      if (first) this.changed(true);
      await new Promise((done) => void setTimeout(done, RETRY_MS));
    }
    measure.note("durable", performance.now() - began);
    if (this.unkept.delete(id) && !this.full) this.changed(false);
  }

  /** Of whom a fact was, once. @param {string} id */
  answered(id) {
    const known = this.shown.get(id);
    this.shown.delete(id);
    return known;
  }

  /** Nobody is remembered. */
  forget() {
    this.shown.clear();
  }
}
