import { MOST_ROWS, Rows } from "./rows.js";
import { stopped } from "./state.js";

/**
 * What the page has seen of its run, for export and for a reload: a row of scalars for every update, and the samples
 * of its first chunks and of its newest, since the first are where learning shows. Bounded; the visitor is told before
 * the first row goes.
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
 * @typedef {{format: 2, blocks: import("./rows.js").Block[], first: Samples[], newest: Samples[]}} Snapshot
 * @typedef {{format: 1, count: number, columns: Record<string, any>, first: Samples[], newest: Samples[]}} OldSnapshot of
 *   20,000 rows at most, with `update` as a column
 */

/** Rows at which the visitor is told that the first will go: at 10,000 updates a second, 30 seconds before. */
const NEARLY_FULL = 0.85 * MOST_ROWS;
/** Chunks whose samples are kept, from the first on and to the newest. */
export const FIRST_CHUNKS = 200;
export const NEWEST_CHUNKS = 400;
/** Samples kept at most of either, all streams together; the newest chunk is kept whatever its size. */
export const MOST_SAMPLES = 20_000;

export class Ledger {
  #store;
  rows = new Rows();
  #hasTold = false;
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
    this.#store = store;
    store.hears((message, before, after) => this.#hear(message, before, after));
  }

  /** @returns {Samples[]} in order; where chunks between the first and the newest are gone, their updates tell */
  get chunks() {
    return [...this.#first, ...this.#newest];
  }

  /** @returns {Snapshot} as it stands, which IndexedDB can keep */
  snapshot() {
    return { format: 2, blocks: this.rows.blocks, first: [...this.#first], newest: [...this.#newest] };
  }

  /**
   * Takes up what was seen of the run before a reload; to be called once its `opened` is in the store.
   * @param {Snapshot|OldSnapshot} snapshot @returns {boolean} false where it is of another version of this page, and is left alone
   */
  restore(snapshot) {
    const blocks = snapshot?.format === 1 ? blocksOf(snapshot) : snapshot?.format === 2 ? snapshot.blocks : null;
    if (!blocks || !this.rows.restore(blocks)) return false;
    const { first, newest } = snapshot;
    this.#hasTold = false;
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
    for (const update of fresh) {
      this.rows.write(update.update, scalarsOf(update));
      this.#keepSamples(samplesOf(update));
    }
    this.#trimSamples();
    if (this.rows.count >= NEARLY_FULL && !this.#hasTold && !stopped(after)) this.#tell();
  }

  #beginAnew() {
    this.rows = new Rows();
    this.#hasTold = false;
    this.#first = [];
    this.#newest = [];
    this.#atFirst = true;
  }

  /** A run that is taken up from a point before its newest row makes the rows after that point once more. @param {number} update */
  #goBackBefore(update) {
    if (!(this.rows.last >= update)) return;
    this.rows.goBackBefore(update);
    const made = (/** @type {Samples} */ chunk) => chunk.update < update;
    this.#first = this.#first.filter(made);
    this.#newest = this.#newest.filter(made);
  }

  /** That the oldest rows will go, and after which update: once this message has been heard by all. */
  #tell() {
    this.#hasTold = true;
    const notice = /** @type {const} */ ({ kind: "filling", update: this.rows.first + MOST_ROWS, most: MOST_ROWS });
    queueMicrotask(() => this.#store.dispatch({ type: "news", notice }));
  }

  /** @param {Samples} chunk */
  #keepSamples(chunk) {
    this.#atFirst &&= this.#first.length < FIRST_CHUNKS && sizeOf(this.#first) + chunk.input.length <= MOST_SAMPLES;
    (this.#atFirst ? this.#first : this.#newest).push(chunk);
  }

  #trimSamples() {
    let samples = sizeOf(this.#newest);
    let gone = 0;
    while (this.#newest.length - gone > 1 && (this.#newest.length - gone > NEWEST_CHUNKS || samples > MOST_SAMPLES)) {
      samples -= this.#newest[gone].input.length;
      gone += 1;
    }
    this.#newest.splice(0, gone);
  }
}

/** @param {OldSnapshot} snapshot @returns {import("./rows.js").Block[]|null} its rows as they are kept now; null where they are not whole */
function blocksOf({ count, columns }) {
  const names = ["update", "length", "streams", "loss", "mean_loss", "nodes", "milliseconds"];
  if (names.some((name) => columns[name]?.length !== count)) return null;
  const rows = new Rows();
  for (let i = 0; i < count; i += 1) {
    const [update, length, streams, loss, mean_loss, nodes, milliseconds] = names.map((name) => columns[name][i]);
    rows.write(update, { length, streams, loss, mean_loss, nodes, milliseconds });
  }
  return rows.blocks;
}

/** @param {import("./messages.js").Update} update as the server sends it */
function scalarsOf({ length, streams, loss, mean_loss, nodes, milliseconds }) {
  const parts = Object.values(milliseconds ?? {});
  const sum = parts.length > 0 ? parts.reduce((all, part) => all + part) : NaN;
  return { length, streams, loss, mean_loss, nodes: nodes ?? NaN, milliseconds: sum };
}

/** @param {Samples[]} chunks */
function sizeOf(chunks) {
  return chunks.reduce((sum, { input }) => sum + input.length, 0);
}

/** @param {import("./messages.js").Update} update as the server sends it @returns {Samples} */
function samplesOf({ update, length, stream_ids: streamIds, t, input, target, prediction, prediction_after: after, loss }) {
  const samples = t.reduce((sum, row) => sum + row.length, 0);
  return {
    update,
    length,
    streamIds,
    phase: flat(t, new Float64Array(samples)),
    input: flat(input, new Float32Array(samples)),
    target: flat(target, new Float32Array(samples)),
    prediction: flat(after ?? prediction, new Float32Array(samples)),
    loss,
  };
}

/** @template {Float32Array|Float64Array} T @param {number[][]} rows @param {T} into as long as all of them @returns {T} */
function flat(rows, into) {
  let at = 0;
  for (const row of rows) {
    into.set(row, at);
    at += row.length;
  }
  return into;
}
