import { inOrder } from "../run/changes.js";
import { COLUMNS } from "../run/ledger.js";
import { animation } from "./animation.js";
import { stemOf } from "./file.js";

/** What the page has seen of its run, as files: a table, everything as JSON, or an animation that needs no server. */

/** Live fields, which stand in each row as its update was made with them. */
const LIVE = ["learning_rate", "carry_state", "train"];
const ROW = [...COLUMNS.slice(0, 3), ...LIVE, ...COLUMNS.slice(3)];
const FLOATS = ["loss", "mean_loss", "milliseconds"];

const TYPES = { csv: "text/csv;charset=utf-8", json: "application/json", animation: "text/html;charset=utf-8" };
const ENDINGS = { csv: "csv", json: "json", animation: "html" };

/**
 * @param {"csv"|"json"|"animation"} kind
 * @param {import("../run/ledger.js").Ledger} ledger
 * @param {import("../run/state.js").State} state
 * @param {import("../page/words.js").Words} words
 * @param {string} template of the animation
 * @returns {{blob: Blob, name: string}}
 */
export function made(kind, ledger, state, words, template) {
  const { rows, count } = ledger;
  const [from, to] = [rows.update[0], rows.update[count - 1]];
  const text = { csv: csvOf, json: jsonOf, animation }[kind](ledger, state, words, template);
  const name = `${stemOf(state.recipe, `s${from}-${to}`)}.${ENDINGS[kind]}`;
  return { blob: new Blob([text], { type: TYPES[kind] }), name };
}

/** One row for each update seen, under a row of names. */
export function csvOf(ledger, { recipe, changes }) {
  const lines = rowsOf(ledger, recipe, changes).map((row) => ROW.map((name) => row[name] ?? "").join());
  return [ROW.join(), ...lines, ""].join("\n");
}

/** Everything: what the run is, a row for each update seen, and the samples that were kept. */
export function jsonOf(ledger, { recipe, changes, network, floors }) {
  const updates = rowsOf(ledger, recipe, changes);
  const chunks = ledger.chunks.map((chunk) => ({
    update: chunk.update,
    length: chunk.length,
    stream_ids: chunk.streamIds,
    t: inRows(chunk.phase, chunk.length),
    ...Object.fromEntries(["input", "target", "prediction"].map((name) => [name, inRows(chunk[name], chunk.length, shortest)])),
  }));
  const { versions } = ledger;
  const head = { unrolled_export: 1, saved: new Date().toISOString(), recipe, changes, network, floors, versions };
  const list = (name, items) => `"${name}": [\n${items.map((item) => JSON.stringify(item)).join(",\n")}\n]`;
  return `${JSON.stringify(head).slice(0, -1)},\n${list("updates", updates)},\n${list("chunks", chunks)}}\n`;
}

/** @returns {Record<string, any>[]} one for each update seen; null where nothing is known */
function rowsOf({ rows, count }, recipe, changes) {
  const ahead = inOrder(changes);
  const now = Object.fromEntries(LIVE.map((name) => [name, recipe[name]]));
  return Array.from({ length: count }, (_, i) => {
    const update = rows.update[i];
    while (ahead[0]?.after_update < update) {
      const change = ahead.shift();
      for (const name of LIVE) if (name in change) now[name] = change[name];
    }
    const value = (name) => (FLOATS.includes(name) ? shortest(rows[name][i]) : rows[name][i]);
    const known = (name) => (Number.isNaN(rows[name][i]) ? null : value(name));
    return Object.fromEntries(ROW.map((name) => [name, name in now ? now[name] : known(name)]));
  });
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
