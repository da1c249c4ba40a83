/** How two runs of one recipe, made by two engines, differ: what they predict, and what their updates take. Pure. */

/** Updates that both must have before anything is said. */
const LEAST = 2;

/** @typedef {import("../run/state.js").Chunk} Chunk */

/**
 * @typedef {object} Comparison over the updates that both have
 * @property {number} count of those updates
 * @property {number} prediction the largest difference between two predictions of one sample
 * @property {number} loss the largest difference between two losses
 * @property {[number, number]} milliseconds the median of an update, the first run's and the other's
 */

/**
 * @param {Chunk[]} chunks in order of their updates
 * @param {Chunk[]} others likewise, of the same lengths and streams
 * @returns {Comparison|null} null where too few updates are there in both
 */
export function comparison(chunks, others) {
  const beside = new Map(others.map((chunk) => [chunk.update, chunk]));
  const one = chunks.filter(({ update }) => beside.has(update));
  const other = one.map(({ update }) => /** @type {Chunk} */ (beside.get(update)));
  if (one.length < LEAST) return null;
  return {
    count: one.length,
    prediction: furthest(one.flatMap(predictions), other.flatMap(predictions)),
    loss: furthest(one.map(lossOf), other.map(lossOf)),
    milliseconds: [median(one.map(spent)), median(other.map(spent))],
  };
}

const predictions = (/** @type {Chunk} */ { prediction }) => prediction.flat();
const lossOf = (/** @type {Chunk} */ { loss }) => loss;
const spent = (/** @type {Chunk} */ { milliseconds }) => Object.values(milliseconds).reduce((sum, part) => sum + part, 0);

/** @param {number[]} values @param {number[]} others as many */
function furthest(values, others) {
  return values.reduce((most, value, i) => Math.max(most, Math.abs(value - others[i])), 0);
}

/** @param {number[]} values at least one */
function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
}
