// @ts-check
/** CBOR (RFC 8949) of the definite kind, as health certificates use it: bounded, and nothing else. */

const DEEPEST = 16;
const MOST_ITEMS = 4096;
/** Of moments, and those around a message: COSE_Sign1, CWT, CBOR itself. */
const TAGS = [0, 1, 18, 61, 55799];

/**
 * What the bytes hold: maps are Map, byte strings Uint8Array, known tags are left out. Throws RangeError.
 * @param {Uint8Array} bytes
 */
export function decode(bytes) {
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), at: 0, items: 0 };
  const value = item(reader, bytes, 0);
  if (reader.at !== bytes.length) throw new RangeError("bytes after the end");
  return value;
}

/** @param {{view: DataView, at: number, items: number}} reader @param {Uint8Array} bytes @param {number} depth @returns {any} */
function item(reader, bytes, depth) {
  reader.items += 1;
  if (depth > DEEPEST || reader.items > MOST_ITEMS) throw new RangeError("too deep or too much");
  const head = reader.view.getUint8(reader.at++);
  const [major, info] = [head >> 5, head & 31];
  if (major === 7) return simple(reader, info);
  const count = number(reader, info);
  if (major === 0) return count;
  if (major === 1) return -1 - count;
  if (major === 6) {
    if (!TAGS.includes(count)) throw new RangeError("an unknown tag");
    return item(reader, bytes, depth + 1);
  }
  if (major === 2 || major === 3) {
    const end = reader.at + count;
    if (end > bytes.length) throw new RangeError("ends early");
    const part = bytes.subarray(reader.at, end);
    reader.at = end;
    return major === 2 ? part : new TextDecoder("utf-8", { fatal: true }).decode(part);
  }
  if (count > MOST_ITEMS) throw new RangeError("too much");
  if (major === 4) return Array.from({ length: count }, () => item(reader, bytes, depth + 1));
  const map = new Map();
  for (let i = 0; i < count; i += 1) {
    const key = item(reader, bytes, depth + 1);
    if (map.has(key)) throw new RangeError("a key twice");
    map.set(key, item(reader, bytes, depth + 1));
  }
  return map;
}

/** @param {{view: DataView, at: number}} reader @param {number} info */
function number(reader, info) {
  if (info < 24) return info;
  const size = { 24: 1, 25: 2, 26: 4, 27: 8 }[info];
  if (!size) throw new RangeError("not definite");
  const from = reader.at;
  reader.at += size;
  if (size === 1) return reader.view.getUint8(from);
  if (size === 2) return reader.view.getUint16(from);
  return size === 4 ? reader.view.getUint32(from) : Number(reader.view.getBigUint64(from));
}

/** @param {{view: DataView, at: number}} reader @param {number} info */
function simple(reader, info) {
  if (info >= 20 && info <= 23) return [false, true, null, null][info - 20];
  const from = reader.at;
  if (info === 26 || info === 27) {
    reader.at += info === 26 ? 4 : 8;
    return info === 26 ? reader.view.getFloat32(from) : reader.view.getFloat64(from);
  }
  throw new RangeError("not read here");
}
