import { made } from "../page/element.js";
import { openSheet } from "../page/sheet.js";
import { grouped } from "../page/words.js";

/** What the wave and the loss chart draw, as tables of numbers; built when asked for, as the run stands then. */

const MOST_CHUNKS = 50;
const ICON =
  '<svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><rect x="3" y="4" width="14" height="12" rx="1.5"/>' +
  '<path d="M3 8h14M3 12h14M8 8v8"/></svg>';

export class Tables {
  #store;
  #words;
  #buttons = [];

  /** @param {import("../run/store.js").Store} store @param {import("../page/words.js").Words} words */
  constructor(store, words) {
    this.#store = store;
    this.#words = words;
    this.#button("#wave-panel", "wave", (state) => newestChunk(state, words));
    this.#button("#loss-panel", "loss", (state) => newestLosses(state, words));
    this.relabel();
  }

  relabel() {
    for (const button of this.#buttons) {
      button.title = this.#words.say("table.button");
      button.setAttribute("aria-label", button.title);
    }
  }

  #button(panel, name, build) {
    const button = made("button");
    button.type = "button";
    button.className = "ghost small square as-table";
    button.innerHTML = ICON;
    button.dataset.testid = `table-${name}`;
    button.dataset.about = `table_${name}`;
    button.addEventListener("click", () => {
      const { state } = this.#store;
      const body = state.chunks.length ? build(state) : made("p", this.#words.say("table.empty"));
      openSheet(this.#words, this.#words.say(`table.${name}`), [body]);
    });
    document.querySelector(`${panel} > .panel-head`).append(button);
    this.#buttons.push(button);
  }
}

/** @param {import("../run/state.js").State} state */
function newestChunk({ chunks }, words) {
  const chunk = chunks[chunks.length - 1];
  const streams = chunk.streamIds.length;
  const columns = ["phase", "input", "target", "prediction", "error"];
  const rows = chunk.streamIds.flatMap((id, row) =>
    chunk.phase[row].map((phase, step) => {
      const [wanted, got] = [chunk.target[row][step], chunk.prediction[row][step]];
      const numbers = [chunk.input[row][step], wanted, got, got - wanted].map(decimal);
      return [...(streams > 1 ? [String(id)] : []), `${phase.toFixed(3)}π`, ...numbers];
    }),
  );
  const caption = words.say("table.wave.caption", { update: grouped(chunk.update, words.language), length: chunk.length });
  return table(words, caption, streams > 1 ? ["stream", ...columns] : columns, rows);
}

/** @param {import("../run/state.js").State} state */
function newestLosses({ chunks }, words) {
  const newest = chunks.slice(-MOST_CHUNKS).reverse();
  const rows = newest.map(({ update, length, streamIds, loss, meanLoss }) => [
    grouped(update, words.language),
    String(length),
    String(streamIds.length),
    loss.toPrecision(4),
    meanLoss.toPrecision(4),
  ]);
  const caption = words.say("table.loss.caption", { count: newest.length });
  return table(words, caption, ["update", "length", "streams", "loss", "mean"], rows);
}

/** The first column names its row. */
function table(words, caption, columns, rows) {
  const head = made("tr");
  for (const name of columns) head.append(scoped("col", words.say(`table.column.${name}`)));
  const body = made("tbody");
  for (const [first, ...rest] of rows) body.append(made("tr", scoped("row", first), ...rest.map((text) => made("td", text))));
  return made("table", made("caption", caption), made("thead", head), body);
}

function scoped(scope, text) {
  const cell = made("th", text);
  cell.scope = scope;
  return cell;
}

const decimal = (value) => value.toFixed(4).replace(/^-(0\.0+)$/, "$1");
