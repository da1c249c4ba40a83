/**
 * A tab's own memory, which a reload keeps and no other tab has: what its run is called, and the run itself as it was
 * left. It is written at once. The browser's database waits while another tab writes, and drops what a page that has
 * gone meanwhile had to write.
 */

const TAB = "unrolled.run";
const LEFT = "unrolled.left";
const AT_ONCE = 8192; // bytes: a call has so many arguments at most
/** What a run has beside what JSON knows. */
const KINDS = { ArrayBuffer, Int8Array, Uint8Array, Uint16Array, Float32Array, Float64Array };

/**
 * A run as its page was left, and those of its blocks of rows that the database may not have.
 * @typedef {{run: import("./runs.js").EarlierRun, fresh: import("../run/rows.js").Block[]}} Left
 */

/** @returns {{id?: string, hash?: string|null}} the tab's run, and the fragment that it had as the tab was left */
export function remembered() {
  return read(TAB) ?? {};
}

/** @param {string} id @param {string|null} hash */
export function remember(id, hash = null) {
  write(TAB, { id, hash });
}

/** For the page that is loaded next in this tab. @param {Left|null} left */
export function carry(left) {
  write(LEFT, left);
}

/** @returns {Left|null} what the page before carried over, once; whether it is whole is not known */
export function carried() {
  const left = read(LEFT);
  write(LEFT, null);
  return left?.run && Array.isArray(left.fresh) ? left : null; // a page of another version has left something else
}

function read(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key), unpacked);
  } catch {
    return null; // a page in a frame may be allowed nothing
  }
}

function write(key, value) {
  try {
    sessionStorage.removeItem(key); // where there is no room for the new, the old is wrong
    if (value) sessionStorage.setItem(key, JSON.stringify(value, packed));
  } catch {
    // then it cannot be found again
  }
}

function packed(_, value) {
  if (!(value instanceof ArrayBuffer) && !ArrayBuffer.isView(value)) return value;
  const bytes = ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(value);
  const parts = [];
  for (let from = 0; from < bytes.length; from += AT_ONCE) parts.push(String.fromCharCode(...bytes.subarray(from, from + AT_ONCE)));
  return { kind: value.constructor.name, base64: btoa(parts.join("")) };
}

function unpacked(_, value) {
  if (typeof value?.base64 !== "string") return value;
  const { buffer } = Uint8Array.from(atob(value.base64), (byte) => byte.charCodeAt(0));
  return value.kind === "ArrayBuffer" ? buffer : new KINDS[value.kind](buffer);
}
