/**
 * A row of scalars for each update, in typed columns. They grow by a block at a time, so that nothing is copied however
 * many there are, and a block that is full never changes again: it is exported and kept as it is.
 */

/**
 * Rows of updates on end: the first is `from`.
 * @typedef {object} Block
 * @property {number} from
 * @property {number} count
 * @property {Record<string, Float32Array|Uint8Array|Uint16Array>} columns a typed array for each of KINDS; only of the block that
 *   is being written longer than `count`
 */

/** Rows kept at the least of a longer run, the newest: 19 bytes each. Whole blocks go, so there may be two more. */
export const MOST_ROWS = 2_000_000;
export const BLOCK_ROWS = 16_384;

/** What a row has beside its update. `milliseconds` depends on a clock; NaN stands where the server did not say. */
const KINDS = {
  length: Uint16Array,
  streams: Uint8Array,
  loss: Float32Array,
  mean_loss: Float32Array,
  nodes: Float32Array,
  milliseconds: Float32Array,
};
const NAMES = /** @type {(keyof typeof KINDS)[]} */ (Object.keys(KINDS));

export class Rows {
  /** @type {Block[]} */
  #blocks = [];
  /** How many there are. */
  count = 0;

  /** The oldest row's update; NaN where there is none. */
  get first() {
    return this.#blocks[0]?.from ?? NaN;
  }

  /** The newest row's update; NaN where there is none. */
  get last() {
    const newest = this.#blocks[this.#blocks.length - 1];
    return newest ? newest.from + newest.count - 1 : NaN;
  }

  /** @returns {Block[]} oldest first, as they stand: nothing written later shows in them. A full one is the same object each time */
  get blocks() {
    return this.#blocks.map((block) => (isClosed(block) ? block : cut(block, block.count)));
  }

  /** @param {number} update after the newest @param {Record<keyof typeof KINDS, number>} values */
  write(update, values) {
    const block = this.#open(update);
    for (const name of NAMES) block.columns[name][block.count] = values[name];
    block.count += 1;
    this.count += 1;
  }

  /** Drops what is of `update` and after. @param {number} update */
  goBackBefore(update) {
    while (this.last >= update) {
      const block = /** @type {Block} */ (this.#blocks.pop());
      this.count -= block.count;
      if (block.from < update) this.#take(cut(block, update - block.from));
    }
  }

  /** @param {Block[]} blocks in the place of what there is @returns {boolean} false where they are none of this version's, and are left alone */
  restore(blocks) {
    if (!blocks.every(isBlock)) return false;
    this.#blocks = [];
    this.count = 0;
    for (const block of blocks) this.#take(block);
    return true;
  }

  /** @param {number} update @returns {Block} the one to write it to: another where that before is full, or ends elsewhere */
  #open(update) {
    const at = this.#blocks.length - 1;
    const newest = this.#blocks[at];
    if (!newest) return this.#begin(update);
    const follows = this.last + 1 === update && newest.count < BLOCK_ROWS;
    if (follows && isClosed(newest)) this.#blocks[at] = opened(newest);
    if (!follows && !isClosed(newest)) this.#blocks[at] = cut(newest, newest.count);
    return follows ? this.#blocks[at] : this.#begin(update);
  }

  /** @param {number} from @returns {Block} */
  #begin(from) {
    const block = { from, count: 0, columns: room() };
    this.#take(block);
    while (this.count - this.#blocks[0].count >= MOST_ROWS) this.count -= /** @type {Block} */ (this.#blocks.shift()).count;
    return block;
  }

  /** @param {Block} block */
  #take(block) {
    this.#blocks.push(block);
    this.count += block.count;
  }
}

/** @returns {Block["columns"]} */
function room() {
  return Object.fromEntries(NAMES.map((name) => [name, new KINDS[name](BLOCK_ROWS)]));
}

/** Whether it takes no more rows. @param {Block} block */
function isClosed({ count, columns }) {
  return columns.loss.length === count;
}

/** @param {Block} block @param {number} count @returns {Block} its first rows, closed */
function cut({ from, columns }, count) {
  return { from, count, columns: Object.fromEntries(NAMES.map((name) => [name, columns[name].slice(0, count)])) };
}

/** @param {Block} block @returns {Block} the same rows, with room for more */
function opened({ from, count, columns }) {
  const larger = room();
  for (const name of NAMES) larger[name].set(columns[name]);
  return { from, count, columns: larger };
}

/** A page must start whatever it finds kept. @param {Block} block */
function isBlock({ from, count, columns }) {
  const isSized = count > 0 && count <= BLOCK_ROWS && Number.isSafeInteger(from);
  return isSized && NAMES.every((name) => columns?.[name] instanceof KINDS[name] && columns[name].length === count);
}
