/**
 * What the page has seen of its run, for export and for a reload: a row of scalars for every update, and the samples
 * of its first chunks and of its newest, since the first are where learning shows. Bounded, so that an hour costs
 * what a minute does.
 */

/**
 * One chunk with its samples, streams × time in rows. The phase is in radians.
 * @typedef {object} Samples
 * @property {number} update
 * @property {number} length time steps, T
 * @property {number[]} streamIds
 * @property {Float64Array} phase
 * @property {Float32Array} input
 * @property {Float32Array} target
 * @property {Float32Array} prediction as the page drew it: made before the update, or after it where that was asked for
 * @property {number} loss
 */

/**
 * @typedef {Float32Array|Float64Array|Uint8Array|Uint16Array} Column
 * @typedef {{format: 1, count: number, columns: Record<string, Column>, first: Samples[], newest: Samples[]}} Snapshot
 */

/** Rows kept: the newest. While a run goes on there may be up to twice as many for a moment. */
export const MOST_ROWS = 20_000;
/** Chunks whose samples are kept, from the first on and to the newest. */
export const FIRST_CHUNKS = 200;
export const NEWEST_CHUNKS = 400;
/** Samples kept at most of either, all streams together; the newest chunk is kept whatever its size. */
export const MOST_SAMPLES = 20_000;
const FIRST_ROOM = 256; // rows

/** What a row has. `milliseconds` depends on a clock; NaN stands where the server did not say. */
const KINDS = {
  update: Float64Array,
  length: Uint16Array,
  streams: Uint8Array,
  loss: Float32Array,
  mean_loss: Float32Array,
  nodes: Float32Array,
  milliseconds: Float32Array,
};
export const COLUMNS = Object.keys(KINDS);

export class Ledger {
  /** @type {Record<string, any>} typed arrays, all as long */
  #columns = room(FIRST_ROOM);
  #count = 0;
  /** @type {Samples[]} */
  #first = [];
  /** @type {Samples[]} */
  #newest = [];
  /** Whether the next chunk belongs to the first ones still. */
  #atFirst = true;
  /** What the server's numbers depend on beside the recipe. @type {Record<string, string>} */
  versions = {};

  /** @param {import("./store.js").Store} store */
  constructor(store) {
    store.hears((message, before, after) => this.#hear(message, before, after));
  }

  /** How many rows there are. */
  get count() {
    return Math.min(this.#count, MOST_ROWS);
  }

  /** @returns {Record<string, any>} a typed array for each of COLUMNS, oldest row first; not to be changed or kept */
  get rows() {
    const from = this.#count - this.count;
    return Object.fromEntries(COLUMNS.map((name) => [name, this.#columns[name].subarray(from, this.#count)]));
  }

  /** @returns {Samples[]} in order; where chunks between the first and the newest are gone, their updates tell */
  get chunks() {
    return [...this.#first, ...this.#newest];
  }

  /** @returns {Snapshot} a copy that IndexedDB can keep */
  snapshot() {
    const columns = Object.fromEntries(Object.entries(this.rows).map(([name, values]) => [name, values.slice()]));
    return { format: 1, count: this.count, columns, first: [...this.#first], newest: [...this.#newest] };
  }

  /**
   * Takes up what was seen of the run before a reload; to be called once its `opened` is in the store.
   * @param {Snapshot} snapshot @returns {boolean} false where it is of another version of this page, and is left alone
   */
  restore(snapshot) {
    if (snapshot?.format !== 1 || COLUMNS.some((name) => snapshot.columns[name]?.length !== snapshot.count)) return false;
    const { count, columns, first, newest } = snapshot;
    this.#columns = room(Math.max(FIRST_ROOM, count));
    for (const name of COLUMNS) this.#columns[name].set(columns[name]);
    this.#count = count;
    this.#first = [...first];
    this.#newest = [...newest];
    this.#atFirst = newest.length === 0 && first.length < FIRST_CHUNKS;
    return true;
  }

  /** @param {import("./messages.js").Message} message @param {import("./state.js").State} before @param {import("./state.js").State} after */
  #hear(message, before, after) {
    if (after.run !== before.run) this.#beginAnew();
    if (message.type === "opened") this.versions = message.versions ?? {};
    if (message.type !== "updates" || after.update <= before.update || after.isRecording) return;
    const fresh = message.updates.filter(({ update }) => update > before.update);
    this.#goBackBefore(fresh[0].update);
    for (const update of fresh) this.#write(update);
  }

  #beginAnew() {
    this.#columns = room(FIRST_ROOM);
    this.#count = 0;
    this.#first = [];
    this.#newest = [];
    this.#atFirst = true;
  }

  /** A run that is taken up from a point before its newest row makes the rows after that point once more. @param {number} update */
  #goBackBefore(update) {
    if (!(this.#columns.update[this.#count - 1] >= update)) return;
    while (this.#count > 0 && this.#columns.update[this.#count - 1] >= update) this.#count -= 1;
    const made = (/** @type {Samples} */ chunk) => chunk.update < update;
    this.#first = this.#first.filter(made);
    this.#newest = this.#newest.filter(made);
  }

  /** @param {import("./messages.js").Update} update */
  #write(update) {
    if (this.#count === this.#columns.update.length) this.#makeRoom();
    const row = this.#count;
    const parts = Object.values(update.milliseconds ?? {});
    const milliseconds = parts.length > 0 ? parts.reduce((sum, part) => sum + part, 0) : NaN;
    /** @type {Record<string, any>} */
    const values = { nodes: NaN, ...update, milliseconds };
    for (const name of COLUMNS) this.#columns[name][row] = values[name];
    this.#count += 1;
    this.#keepSamples(samplesOf(update));
  }

  #makeRoom() {
    const { rows, count } = this;
    this.#columns = room(Math.min(2 * count, 2 * MOST_ROWS));
    for (const name of COLUMNS) this.#columns[name].set(rows[name]);
    this.#count = count;
  }

  /** @param {Samples} chunk */
  #keepSamples(chunk) {
    const fits = this.#first.length < FIRST_CHUNKS && sizeOf(this.#first) + chunk.input.length <= MOST_SAMPLES;
    this.#atFirst &&= fits;
    if (this.#atFirst) {
      this.#first.push(chunk);
      return;
    }
    this.#newest.push(chunk);
    let samples = sizeOf(this.#newest);
    let gone = 0;
    while (this.#newest.length - gone > 1 && (this.#newest.length - gone > NEWEST_CHUNKS || samples > MOST_SAMPLES)) {
      samples -= this.#newest[gone].input.length;
      gone += 1;
    }
    this.#newest.splice(0, gone);
  }
}

/** @param {number} rows @returns {Record<string, any>} */
function room(rows) {
  return Object.fromEntries(Object.entries(KINDS).map(([name, Kind]) => [name, new Kind(rows)]));
}

/** @param {Samples[]} chunks */
function sizeOf(chunks) {
  return chunks.reduce((sum, { input }) => sum + input.length, 0);
}

/** @param {import("./messages.js").Update} update as the server sends it @returns {Samples} */
function samplesOf(update) {
  const flat = (/** @type {number[][]} */ rows) => Float32Array.from(rows.flat());
  return {
    update: update.update,
    length: update.length,
    streamIds: update.stream_ids,
    phase: Float64Array.from(update.t.flat()),
    input: flat(update.input),
    target: flat(update.target),
    prediction: flat(update.prediction_after ?? update.prediction),
    loss: update.loss,
  };
}
