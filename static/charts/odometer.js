import { cleanPen } from "../page/canvas.js";
import { made, setText } from "../page/element.js";
import { lastOf } from "./columns.js";
import { gapsIn, hatch } from "./strip.js";

/** What this chunk's graph took: its nodes jump with the length, for the graph is built anew each time. */

const BARS = 40; // chunks
const PARTS = ["forward", "backward", "optimizer", "run"];

export class Odometer {
  /** @readonly */ element = document.getElementById("odometer");
  #words;
  #at;
  #times = new Map();

  /**
   * @param {import("../page/words.js").Words} words
   * @param {(views: string[]) => void} onViews what updates must show while it is in sight
   */
  constructor(words, onViews) {
    this.#words = words;
    const at = (id) => document.getElementById(`odometer-${id}`);
    this.#at = { nodes: at("nodes"), samples: at("samples"), bars: at("bars"), times: at("times"), says: at("says") };
    for (const part of PARTS) {
      const row = document.createElement("div");
      const [name, bar, value, held] = [made("dt"), made("meter"), made("dd"), made("dd")];
      bar.max = 4;
      bar.setAttribute("aria-hidden", "true");
      held.append(bar);
      row.append(name, held, value);
      this.#at.times.append(row);
      this.#times.set(part, { row, name, bar, value });
    }
    new IntersectionObserver(([{ isIntersecting }]) => onViews(isIntersecting ? ["graph"] : [])).observe(this.element);
  }

  draw(_Plotly, state, palette) {
    const newest = lastOf(state.chunks);
    if (!newest) return;
    const { cell, framework, hidden_size } = state.current;
    const streams = newest.streamIds.length;
    this.#at.nodes.textContent = newest.nodes ?? "–";
    this.#at.samples.textContent = streams > 1 ? `${streams} × ${newest.length}` : String(newest.length);
    const key = framework === "tensorflow" ? "odometer.static" : "odometer.says";
    const says = this.#words.say(key, { cell: cell.toUpperCase(), hidden_size });
    setText(this.#at.says, says);
    for (const [part, { row, name, bar, value }] of this.#times) {
      const milliseconds = newest.milliseconds[part];
      row.hidden = milliseconds === undefined;
      if (row.hidden) continue;
      name.textContent = this.#words.say(`odometer.${part}`);
      while (milliseconds > bar.max) bar.max *= 2;
      bar.value = milliseconds;
      value.textContent = `${milliseconds.toFixed(2)} ms`;
    }
    this.#bars(state.chunks.slice(-BARS), palette);
  }

  #bars(chunks, palette) {
    const { bars: canvas } = this.#at;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const pen = cleanPen(canvas, width, height);
    const most = Math.max(1, ...chunks.map(({ nodes }) => nodes ?? 0));
    const each = width / BARS;
    const first = BARS - chunks.length;
    chunks.forEach(({ nodes }, i) => {
      const tall = (height * (nodes ?? 0)) / most;
      pen.fillStyle = i === chunks.length - 1 ? palette.ink : palette.edge;
      pen.fillRect((first + i) * each, height - tall, Math.max(1, each - 2), tall);
    });
    const said = this.#words.say("unrecorded");
    const gaps = gapsIn(chunks, ({ nodes }) => nodes !== null);
    for (const [left, right] of gaps) {
      const [from, to] = [(first + left) * each, (first + right + 1) * each - 2];
      hatch(pen, { from, to, height }, palette, [said, this.#words.say("unrecorded.short")]);
    }
    canvas.title = gaps.length > 0 ? said : "";
  }
}
