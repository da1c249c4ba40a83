import { grouped } from "../page/words.js";
import { RECENT } from "../run/losses.js";

/** The run as a page of its own: player.html, which `unrolled train --chart` fills too, with the numbers of this run. */

const DECIMALS = 4; // of a sample: finer than a pixel
/** Losses drawn at most: of a longer run each is the mean of several. */
const MOST_POINTS = 4000;
const FLOORS = ["memoryless", "no_carry", "joining"];
/** A word of the page that the player names. */
const WORD = /say(?:=|\()"([\w.]+)"/g;
/** What the player fills itself. */
const HOLES = { update: "{update}", length: "{length}", loss: "{loss}" };

/** @returns {Promise<string>} the page with holes for a run */
export async function playerOf() {
  const answer = await fetch("static/player.html");
  if (!answer.ok) throw new Error(`no player: ${answer.status}`);
  return answer.text();
}

/**
 * @param {import("../run/ledger.js").Ledger} ledger
 * @param {import("../run/state.js").State} state
 * @param {import("../page/words.js").Words} words
 * @param {string} template
 * @returns {string} HTML
 */
export function animation(ledger, state, words, template) {
  const named = [...template.matchAll(WORD)].map(([, key]) => [key, words.say(key, HOLES)]);
  const run = { ...runOf(ledger, state, words), words: Object.fromEntries(named) };
  const parts = {
    lang: document.documentElement.lang,
    title: escaped(`Unrolled: ${run.title}`),
    run: JSON.stringify(run).replace(/</g, "\\u003c"), // nothing in it can end the script that it stands in
  };
  return template.replace(/\{\{(\w+)\}\}/g, (_, name) => parts[name]);
}

function runOf({ rows, chunks }, { recipe, changes, floors }, words) {
  const number = (value) => grouped(value, words.language);
  const [from, to] = [rows.first, rows.last].map(number);
  const name = (field) => words.sayOr(`recipe.${field}`, field);
  const settings = (fields) => Object.entries(fields).map(([field, value]) => `${name(field)} ${value}`).join(words.say("keep.and"));
  const changed = changes.map(({ after_update: after, ...fields }) => [
    words.say("player.change", { update: number(after) }),
    settings(fields),
  ]);
  return {
    title: words.say("player.title", { ...recipe, cell: recipe.cell.toUpperCase() }),
    about: words.say("player.about", { from, to, date: new Date().toLocaleDateString(document.documentElement.lang) }),
    kept: words.say("player.kept", { updates: stretches(chunks, number, words) }),
    recipe: Object.fromEntries([...Object.entries(recipe).map(([field, value]) => [name(field), String(value)]), ...changed]),
    floors: FLOORS.filter((floor) => floors[floor]).map((floor) => ({
      loss: floors[floor],
      text: words.say(`floor.${floor}`, { loss: floors[floor].toPrecision(3) }),
    })),
    rows: drawn(rows),
    chunks: chunks.map(chunkOf),
  };
}

/**
 * @param {import("../run/rows.js").Rows} rows
 * @returns {{update: number[], loss: number[], mean: number[]}} points of the loss chart: the last update in each, the mean of
 *   its losses, and the mean of the last RECENT at that update
 */
export function drawn({ blocks, count }) {
  const stride = Math.ceil(count / MOST_POINTS);
  const rounded = (value) => Number(value.toPrecision(5));
  const points = { update: [], loss: [], mean: [] };
  const recent = new Float64Array(RECENT);
  let [row, sum] = [0, 0];
  for (const { from, count: length, columns } of blocks) {
    for (let i = 0; i < length; i += 1, row += 1) {
      recent[row % RECENT] = columns.loss[i];
      sum += columns.loss[i];
      if ((row + 1) % stride !== 0 && row + 1 !== count) continue;
      points.update.push(from + i);
      points.loss.push(rounded(sum / ((row % stride) + 1)));
      points.mean.push(rounded(recent.reduce((all, loss) => all + loss) / Math.min(row + 1, RECENT)));
      sum = 0;
    }
  }
  return points;
}

function chunkOf({ update, length, phase, input, target, prediction, loss }) {
  const rounded = (value) => Number(value.toFixed(DECIMALS));
  const inRows = (values) => {
    const all = Array.from(values, rounded);
    return Array.from({ length: all.length / length }, (_, row) => all.slice(row * length, (row + 1) * length));
  };
  const span = [phase[0], phase[length - 1]].map((radians) => rounded(radians / Math.PI));
  const rows = { input: inRows(input).slice(0, 1), target: inRows(target), prediction: inRows(prediction) };
  return { update, length, span, loss: Number(loss.toPrecision(5)), ...rows };
}

/** Which updates' samples there are, as words: 1–200, 841–1,240. */
function stretches(chunks, number, words) {
  const found = [];
  for (const { update } of chunks) {
    const last = found[found.length - 1];
    if (last && update === last[1] + 1) last[1] = update;
    else found.push([update, update]);
  }
  return found.map(([from, to]) => `${number(from)}–${number(to)}`).join(words.say("keep.and"));
}

function escaped(text) {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
