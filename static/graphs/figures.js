/** What a row of the graph lab comes to: a few numbers, and how they are written. */

/** @typedef {import("./state.js").Row} Row @typedef {import("./state.js").Chunk} Chunk */

const THIN = "\u202f"; // between a number and its unit, and no line break there

/**
 * @typedef {object} Figures
 * @property {number} graphs built in all
 * @property {number|null} setup seconds
 * @property {number|null} median seconds per chunk
 * @property {number|null} slowest seconds
 * @property {number|null} total seconds, set-up included, imports not
 * @property {number|null} wasted share of the computed time steps that was padding
 * @property {number} failed chunks
 */

/** @param {Row} row @param {Chunk[]} chunks @returns {Figures} */
export function figures(row, chunks) {
  const taken = row.seconds.filter((seconds) => seconds !== null).sort((a, b) => a - b);
  const useful = sum(chunks.map(({ length, streams }, i) => (row.seconds[i] == null ? 0 : length * streams)));
  const computed = sum(row.computed.filter((_, i) => row.seconds[i] !== null));
  const none = taken.length === 0;
  return {
    graphs: row.graphs.at(-1) ?? 0,
    setup: row.setup_seconds,
    median: none ? null : (taken[(taken.length - 1) >> 1] + taken[taken.length >> 1]) / 2,
    slowest: none ? null : taken[taken.length - 1],
    total: none ? null : (row.setup_seconds ?? 0) + sum(taken),
    wasted: computed ? 1 - useful / computed : null,
    failed: row.seconds.length - taken.length,
  };
}

/** @returns {(number|null)[]} seconds since the set-up began, after 0, 1, 2… chunks; null where a chunk failed */
export function cumulative(row) {
  let at = row.setup_seconds ?? 0;
  return [at, ...row.seconds.map((seconds) => (seconds === null ? null : (at += seconds)))];
}

/**
 * Whether a chunk's graph was built for it. A graph that was there before the first chunk belongs to the set-up.
 * @param {Row} row @param {number} i
 */
export function builds(row, i) {
  const before = i > 0 ? row.graphs[i - 1] : BUILT_AHEAD.includes(row.kind) ? 1 : 0;
  return row.graphs[i] > before;
}
const BUILT_AHEAD = ["export_onnx", "tensorflow_v1"];

/** @param {number|null} seconds @returns {string} such as "0.36 ms", "212 ms" or "73.4 s" */
export function duration(seconds) {
  if (seconds === null) return "–";
  const [value, unit] = seconds < 0.9995 ? [three(seconds * 1000), "ms"] : [three(seconds), "s"];
  return `${value}${THIN}${unit}`;
}

/**
 * @param {import("./state.js").Shown} shown
 * @returns {Record<string, string>} a row's numbers as they are written, by column
 */
export function written({ row, chunks }) {
  if (!row || row.status === "absent") return {};
  const { graphs, setup, median, slowest, total, wasted } = figures(row, chunks);
  const times = { setup, median, slowest, total };
  const texts = Object.entries(times).map(([name, seconds]) => [name, duration(seconds)]);
  return { graphs: String(graphs), ...Object.fromEntries(texts), wasted: share(wasted) };
}

/** @param {number} seconds a power of ten @returns {string} such as "10 ms" */
export function round(seconds) {
  return duration(seconds).replace(/\.0+(?=\D)/, "");
}

/** @param {number|null} part @returns {string} a share in per cent */
export function share(part) {
  return part === null ? "–" : `${Math.round(part * 100)}${THIN}%`;
}

/** Three digits at most, two decimals at most. */
function three(value) {
  if (value >= 99.95) return String(Math.round(value));
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
