import { inOrder } from "../run/changes.js";
import { animation } from "./animation.js";
import { stemOf } from "./file.js";
import { written } from "./pieces.js";

/** What the page has seen of its run, as files: a table, everything as JSON, or an animation that needs no server. */

/** Live fields, which stand in each row as its update was made with them. */
const LIVE = ["learning_rate", "carry_state", "train"];
const ROW = ["update", "length", "streams", ...LIVE, "loss", "mean_loss", "nodes", "milliseconds"];

const TYPES = { csv: "text/csv;charset=utf-8", json: "application/json", animation: "text/html;charset=utf-8" };
const ENDINGS = { csv: "csv", json: "json", animation: "html" };

/** @typedef {"csv"|"json"|"animation"} Kind @typedef {import("../run/ledger.js").Ledger} Ledger @typedef {import("../run/state.js").State} State */

/** @param {Kind} kind @param {import("../run/rows.js").Rows} rows @param {State} state */
export function nameOf(kind, { first, last }, { recipe }) {
  return `${stemOf(recipe, `s${first}-${last}`)}.${ENDINGS[kind]}`;
}

/**
 * What is there at the call; what is seen while it is written is not in it.
 * @param {Kind} kind
 * @param {Ledger} ledger
 * @param {State} state
 * @param {import("../page/words.js").Words} words
 * @param {string} template of the animation
 * @param {(share: number) => void} told how much of it is written
 * @returns {Promise<Blob>}
 */
export function made(kind, ledger, state, words, template, told) {
  const { count } = ledger.rows;
  const parts = kind === "animation" ? [animation(ledger, state, words, template)] : { csv: csvOf, json: jsonOf }[kind](ledger, state);
  return written(parts, TYPES[kind], (texts) => told(Math.min(1, texts / count)));
}

/** One row for each update seen, under a row of names. @returns {Iterable<string>} a text a row */
export function csvOf({ rows }, { recipe, changes }) {
  return csv(rows.blocks, recipe, changes);
}

function* csv(blocks, recipe, changes) {
  yield `${ROW.join()}\n`;
  for (const row of rowsOf(blocks, recipe, changes)) yield `${Object.values(row).join()}\n`; // null is empty
}

/** Everything: what the run is, a row for each update seen, and the samples that were kept. @returns {Iterable<string>} a text a row */
export function jsonOf({ rows, chunks, versions }, { recipe, changes, network, floors }) {
  const head = { unrolled_export: 1, saved: new Date().toISOString(), recipe, changes, network, floors, versions };
  return json(head, rows.blocks, chunks);
}

function* json(head, blocks, chunks) {
  yield JSON.stringify(head).slice(0, -1);
  yield* list("updates", rowsOf(blocks, head.recipe, head.changes));
  yield* list("chunks", chunks, samplesOf);
  yield "}\n";
}

function* list(name, items, shown = (item) => item) {
  yield `,\n"${name}": [`;
  let before = "\n";
  for (const item of items) {
    yield before + JSON.stringify(shown(item));
    before = ",\n";
  }
  yield "\n]";
}

function samplesOf({ update, length, streamIds, phase, input, target, prediction }) {
  const floats = (values) => inRows(values, length, shortest);
  const samples = { input: floats(input), target: floats(target), prediction: floats(prediction) };
  return { update, length, stream_ids: streamIds, t: inRows(phase, length), ...samples };
}

/** @returns {Iterable<Record<string, any>>} one for each update seen, in the order of ROW; null where nothing is known */
function* rowsOf(blocks, recipe, changes) {
  const ahead = inOrder(changes);
  const now = Object.fromEntries(LIVE.map((name) => [name, recipe[name]]));
  const known = (value) => (Number.isNaN(value) ? null : shortest(value));
  for (const { from, count, columns } of blocks) {
    const { length, streams, loss, mean_loss, nodes, milliseconds } = columns;
    for (let i = 0; i < count; i += 1) {
      while (ahead[0]?.after_update < from + i) {
        const change = ahead.shift();
        for (const name of LIVE) if (name in change) now[name] = change[name];
      }
      const floats = { loss: known(loss[i]), mean_loss: known(mean_loss[i]), nodes: known(nodes[i]), milliseconds: known(milliseconds[i]) };
      yield { update: from + i, length: length[i], streams: streams[i], ...now, ...floats };
    }
  }
}

function inRows(values, length, written = (value) => value) {
  const rows = [];
  for (let start = 0; start < values.length; start += length) {
    rows.push(Array.from(values.subarray(start, start + length), written));
  }
  return rows;
}

/**
 * The number with the fewest digits that is the same float32. Six digits always tell apart what has no more than six.
 * @param {number} value a float32
 */
export function shortest(value) {
  for (let digits = 6; digits < 9; digits += 1) {
    const number = Number(value.toPrecision(digits));
    if (Math.fround(number) === value) return number;
  }
  return Number(value.toPrecision(9));
}
