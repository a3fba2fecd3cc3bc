// @ts-check
/**
 * The line to the service. Nothing waits for it: the lane decides, and this hands over what was
 * decided, oldest first, until each fact is acknowledged. The browser holds who it is in cookies.
 *
 * @typedef {import("./store.js").Store} Store
 */
import * as clock from "./clock.js";

const CHUNK = 100;
const [FIRST_WAIT_MS, LONGEST_WAIT_MS] = [3_000, 24_000];
const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [1_000, 30_000];
/** What tells of the whole request, or of us, and not of a fact in it. */
const NOT_OF_FACTS = [401, 403, 408, 409, 413, 429];

/** The service answered, and not as hoped. */
export class Refused extends Error {
  /** @param {number} status @param {any} problem */
  constructor(status, problem) {
    super(problem?.title ?? String(status));
    this.status = status;
    this.slug = String(problem?.type ?? "").replace("/problems/", "");
    this.problem = problem;
  }
}

/**
 * Ask the service; throws Refused, or whatever `fetch` throws without a line.
 * @param {string} method @param {string} path
 * @param {{body?: any, headers?: Record<string, string>, wait?: number, raw?: BodyInit}} more
 */
export async function ask(method, path, { body, headers = {}, wait = FIRST_WAIT_MS, raw } = {}) {
  const asked = performance.now();
  const answer = await fetch(path, {
    method,
    credentials: "same-origin",
    cache: "no-store",
    headers: { "Accept-Language": document.documentElement.lang, ...(raw ? {} : { "Content-Type": "application/json" }), ...headers },
    body: raw ?? (body === undefined ? undefined : JSON.stringify(body)),
    signal: AbortSignal.timeout(wait),
  });
  clock.told(answer.headers.get("Date"), performance.now() - asked);
  if (answer.status === 304) return { etag: null, told: null };
  const told = await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer.status, told);
  return { etag: answer.headers.get("ETag"), told };
}

/** Hands facts over, one batch at a time. */
export class Sender {
  /**
   * @param {Store} store @param {string} hubId
   * @param {{onAnswer: (item: any) => void, onLine: (up: boolean) => void, onRefused: (error: Refused) => void, onCount: (waiting: number) => void}} tell
   */
  constructor(store, hubId, tell) {
    this.store = store;
    this.hubId = hubId;
    this.tell = tell;
    this.wait = FIRST_WAIT_MS;
    this.pause = FIRST_PAUSE_MS;
    this.chunk = CHUNK;
    this.busy = false;
    this.stopped = false;
    this.down = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** Send soon; what comes meanwhile goes with it. Without a line the next attempt has its time. */
  nudge() {
    if (!this.down) this.#in(50);
  }

  /** Try at once: there may be a line again. */
  retry() {
    this.down = false;
    this.nudge();
  }

  /** @param {number} milliseconds */
  #in(milliseconds) {
    if (this.stopped) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#run(), milliseconds);
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  async #run() {
    if (this.busy) return;
    this.busy = true;
    let again = 0;
    try {
      again = await this.#round();
      this.down = false;
      this.pause = FIRST_PAUSE_MS;
    } catch (error) {
      again = this.#later(error);
    } finally {
      this.busy = false;
    }
    this.tell.onCount(await this.store.waiting());
    if (again) this.#in(again);
  }

  /** One batch; milliseconds until the next one, 0 if nothing waits. */
  async #round() {
    const facts = await this.store.oldest(this.chunk);
    if (!facts.length) return 0;
    const body = { sent_at: new Date().toISOString(), made_for: this.hubId, items: facts.map(item) };
    let told;
    try {
      ({ told } = await ask("POST", "/v1/facts:batch", { body, wait: this.wait }));
    } catch (error) {
      const ofFacts = error instanceof Refused && error.status < 500 && !NOT_OF_FACTS.includes(error.status);
      if (!ofFacts) throw error;
      if (facts.length === 1) await this.store.setAside(facts[0].counter, error.slug);
      this.chunk = Math.max(1, Math.floor(facts.length / 2));
      return 1;
    }
    this.tell.onLine(true);
    this.wait = FIRST_WAIT_MS;
    this.chunk = CHUNK;
    const done = facts.filter((_, index) => told.items[index].status !== "retry");
    await this.store.forget(done.map((fact) => fact.counter));
    told.items.forEach(this.tell.onAnswer);
    return 1;
  }

  /** @param {unknown} error */
  #later(error) {
    this.down = true;
    if (error instanceof Refused) {
      this.tell.onLine(true);
      this.tell.onRefused(error);
    } else {
      this.tell.onLine(false);
      this.wait = Math.min(LONGEST_WAIT_MS, this.wait * 2);
    }
    const pause = this.pause * (0.75 + Math.random() / 2);
    this.pause = Math.min(LONGEST_PAUSE_MS, this.pause * 2);
    return pause;
  }
}

/** @param {import("./store.js").Fact} fact */
function item({ id, kind, counter, shift_id, clock_offset_ms, body }) {
  return { kind, id, counter, body, ...(shift_id && { shift_id }), ...(clock_offset_ms !== null && { clock_offset_ms }) };
}

/** A UUIDv7 (RFC 9562). */
export function newId(at = Date.now()) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  new DataView(bytes.buffer).setUint16(0, Math.floor(at / 2 ** 32));
  new DataView(bytes.buffer).setUint32(2, at % 2 ** 32);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((one) => one.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
