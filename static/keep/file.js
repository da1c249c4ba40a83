import { LENGTH_BYTES, decoded, headerLength, runOf } from "../run/checkpoint.js";
import { MOST_BYTES } from "../run/limits.js";

/** A file that a reader hands over: which of the two kinds it is, told from its content, or what is wrong with it. */

const BRACE = 0x7b;

/** Why a file is not taken, as words of the page. */
export class FileProblem extends Error {
  /** @param {string} key @param {Record<string, string|number>} values */
  constructor(key, values = {}) {
    super(key);
    this.key = key;
    this.values = values;
  }
}

/**
 * @param {File} file
 * @returns {Promise<{bytes?: ArrayBuffer, update?: number, receipt?: Record<string, any>}>} a checkpoint's bytes and update, or a receipt
 * @throws {FileProblem}
 */
export async function openedFile(file) {
  if (file.size > MOST_BYTES) throw new FileProblem("keep.wrong.large", { size: (file.size / MOST_BYTES).toFixed(1) });
  if (file.size === 0) throw new FileProblem("keep.wrong.empty");
  const bytes = await file.arrayBuffer().catch(() => {
    throw new FileProblem("keep.wrong.unread"); // a folder, or a file that is gone by now
  });
  const [first] = new Uint8Array(bytes);
  // a checkpoint begins with eight bytes of length, of which the first may be a brace by chance and the last is zero
  if (first === BRACE && new Uint8Array(bytes)[LENGTH_BYTES - 1] !== 0) return { receipt: receiptOf(bytes) };
  return { bytes, update: runOfFile(bytes).update };
}

/**
 * @param {ArrayBuffer} bytes of a file that should be a checkpoint
 * @returns {ReturnType<typeof runOf>}
 * @throws {FileProblem}
 */
function runOfFile(bytes) {
  if (bytes.byteLength < LENGTH_BYTES) throw new FileProblem("keep.wrong.checkpoint");
  const length = headerLength(bytes);
  const starts = new Uint8Array(bytes)[LENGTH_BYTES] === BRACE;
  if (length > bytes.byteLength - LENGTH_BYTES) {
    throw new FileProblem(starts && length < MOST_BYTES ? "keep.wrong.cut" : "keep.wrong.checkpoint");
  }
  try {
    return runOf(bytes);
  } catch {
    throw new FileProblem("keep.wrong.checkpoint");
  }
}

/** What else is wrong with a receipt the server says. */
function receiptOf(bytes) {
  let receipt = null;
  try {
    receipt = JSON.parse(decoded(bytes));
  } catch {
    throw new FileProblem("keep.wrong.checkpoint");
  }
  if (!receipt?.unrolled_receipt) throw new FileProblem("keep.wrong.json");
  return receipt;
}

/**
 * The name of whatever is saved of a run, without its ending: `unrolled-rnn-seed1-update1240`.
 * @param {Record<string, any>} recipe @param {string|number} update
 */
export function stemOf({ cell, seed }, update) {
  return `unrolled-${cell}-seed${seed}-update${update}`;
}
