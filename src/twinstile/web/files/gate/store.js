// @ts-check
/**
 * What the tablet keeps until the service has it: facts, sealed under a key that no script can
 * read out, in the order of their counters. One database a hub, so that practice never mixes.
 *
 * A fact is stored before anybody goes on and deleted once it is acknowledged. The key ends when
 * the shift has ended and nothing waits: whatever the disk still holds then is noise.
 *
 * @typedef {{id: string, kind: string, counter: number, shift_id: string | null,
 *   clock_offset_ms: number | null, body: any}} Fact `clock_offset_ms`: how far this clock was behind
 * @typedef {{counter: number, id: string, kind: string, shift_id: string | null,
 *   clock_offset_ms?: number | null, iv: Uint8Array<ArrayBuffer>, sealed: ArrayBuffer, refused?: string}} Row
 */

const OUTBOX = "outbox";
const KEPT = "kept";
/** What ends with the shift: the key, and what can no longer be read without it. */
const SEALED = ["key", "state", "me", "trust", "selftest", "party"];
const STRICT = /** @type {IDBTransactionOptions} */ ({ durability: "strict" });

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const answer = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** @param {IDBTransaction} transaction @returns {Promise<void>} */
const committed = (transaction) =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });

/** @param {string} hubId */
export async function open(hubId) {
  const asked = indexedDB.open(`gate.${hubId}`, 1);
  asked.onupgradeneeded = () => {
    asked.result.createObjectStore(OUTBOX, { keyPath: "counter" });
    asked.result.createObjectStore(KEPT);
  };
  const database = await answer(asked);
  await offerAgain(database);
  return new Store(database, await sealing(database));
}

/** What the service refused by itself waits again: one of us may have been mended since. @param {IDBDatabase} database */
async function offerAgain(database) {
  const transaction = database.transaction(OUTBOX, "readwrite", STRICT);
  const outbox = transaction.objectStore(OUTBOX);
  for (const { refused, ...row } of await answer(outbox.getAll())) if (refused) outbox.put(row);
  await committed(transaction);
}

/** The key of this tablet, made if there is none. @param {IDBDatabase} database @returns {Promise<CryptoKey>} */
async function sealing(database) {
  const made = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  const transaction = database.transaction(KEPT, "readwrite", STRICT);
  const kept = transaction.objectStore(KEPT);
  const known = await answer(kept.get("key"));
  if (known) return known;
  kept.put(made, "key");
  await committed(transaction);
  return made;
}

/** Takes tasks and does one after the other, however each ends. @returns {<T>(task: () => Promise<T>) => Promise<T>} */
export function inTurns() {
  /** @type {Promise<unknown>} */
  let turn = Promise.resolve();
  return (task) => {
    const done = turn.then(task);
    turn = done.catch(() => {});
    return done;
  };
}

export class Store {
  /** Nothing is sealed under a key while it ends. */
  #alone = inTurns();

  /** @param {IDBDatabase} database @param {CryptoKey} key */
  constructor(database, key) {
    this.database = database;
    this.key = key;
  }

  /** @param {any} value */
  async seal(value) {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const plain = new TextEncoder().encode(JSON.stringify(value));
    return { iv, sealed: await crypto.subtle.encrypt({ name: "AES-GCM", iv }, this.key, plain) };
  }

  /** @param {{iv: Uint8Array<ArrayBuffer>, sealed: ArrayBuffer}} row */
  async unseal({ iv, sealed }) {
    const plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv }, this.key, sealed);
    return JSON.parse(new TextDecoder().decode(plain));
  }

  /** Keep a fact under the device's next counter; on the disk when this returns. @param {Omit<Fact, "counter">} fact */
  add({ id, kind, shift_id, clock_offset_ms, body }) {
    return this.#alone(async () => {
      const hidden = await this.seal(body);
      const transaction = this.database.transaction([OUTBOX, KEPT], "readwrite", STRICT);
      const kept = transaction.objectStore(KEPT);
      const counter = ((await answer(kept.get("counter"))) ?? 0) + 1;
      kept.put(counter, "counter");
      transaction.objectStore(OUTBOX).add({ counter, id, kind, shift_id, clock_offset_ms, ...hidden });
      await committed(transaction);
      return counter;
    });
  }

  /** Count on from what the service has seen of this device. @param {number} seen */
  async countFrom(seen) {
    const transaction = this.database.transaction(KEPT, "readwrite", STRICT);
    const kept = transaction.objectStore(KEPT);
    const counter = (await answer(kept.get("counter"))) ?? 0;
    if (seen > counter) kept.put(seen, "counter");
    await committed(transaction);
  }

  /** The oldest facts that wait, readable. @param {number} most @returns {Promise<Fact[]>} */
  async oldest(most) {
    const rows = await this.#rows(most);
    const waiting = rows.some((row) => row.refused) ? (await this.#rows()).filter((row) => !row.refused).slice(0, most) : rows;
    return Promise.all(
      waiting.map(async ({ id, kind, counter, shift_id, clock_offset_ms = null, ...row }) => {
        return { id, kind, counter, shift_id, clock_offset_ms, body: await this.unseal(row) };
      }),
    );
  }

  /** @param {number} [count] @returns {Promise<Row[]>} */
  #rows(count) {
    const outbox = this.database.transaction(OUTBOX).objectStore(OUTBOX);
    return answer(outbox.getAll(undefined, count));
  }

  /** Facts that are not in the service's hands. */
  async waiting() {
    return answer(this.database.transaction(OUTBOX).objectStore(OUTBOX).count());
  }

  /** Forget facts that are acknowledged. @param {number[]} counters */
  async forget(counters) {
    const transaction = this.database.transaction(OUTBOX, "readwrite", STRICT);
    for (const counter of counters) transaction.objectStore(OUTBOX).delete(counter);
    await committed(transaction);
  }

  /** A fact the service refuses by itself stays, and stands in nobody's way until the next start. @param {number} counter @param {string} why */
  async setAside(counter, why) {
    const transaction = this.database.transaction(OUTBOX, "readwrite", STRICT);
    const outbox = transaction.objectStore(OUTBOX);
    const row = await answer(outbox.get(counter));
    if (row) outbox.put({ ...row, refused: why });
    await committed(transaction);
  }

  /** @param {string} name @param {any} value */
  keep(name, value) {
    return this.#alone(async () => {
      const hidden = await this.seal(value);
      const transaction = this.database.transaction(KEPT, "readwrite");
      transaction.objectStore(KEPT).put(hidden, name);
      await committed(transaction);
    });
  }

  /** What was kept under a name; null if nothing was, or its key is gone. @param {string} name @returns {Promise<any>} */
  async kept(name) {
    const row = await answer(this.database.transaction(KEPT).objectStore(KEPT).get(name));
    if (!row) return null;
    return this.unseal(row).catch(() => null);
  }

  /** End the key, unless something waits: then it is needed to hand that over. Whether it ended. */
  end() {
    return this.#alone(async () => {
      const transaction = this.database.transaction([OUTBOX, KEPT], "readwrite", STRICT);
      const waiting = await answer(transaction.objectStore(OUTBOX).count());
      const kept = transaction.objectStore(KEPT);
      if (waiting === 0) for (const name of SEALED) kept.delete(name);
      await committed(transaction);
      if (waiting > 0) return false;
      this.key = await sealing(this.database);
      return true;
    });
  }
}
