import { cleanPen } from "../page/canvas.js";
import { made, setText } from "../page/element.js";
import { lastOf } from "./columns.js";
import { gapsIn, hatch } from "./strip.js";

/**
 * What this chunk took. PyTorch's graph has nodes, whose count jumps with the length, for it is built anew each time; the
 * compiled kernel has no graph.
 */

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
    const ids = ["graph", "label", "nodes", "samples", "bars", "times", "says", "caption"];
    this.#at = Object.fromEntries(ids.map((id) => [id, at(id)]));
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

  /** Where no graph is built, PyTorch's own stands here if that runs beside it, and what the chunks are long if not. */
  draw(_Plotly, state, palette, twin) {
    if (state.chunks.length === 0) return;
    const { cell, framework, hidden_size } = state.current;
    const source = framework !== "compiled" ? "own" : twin?.chunks.length && twin.current.framework === "torch" ? "twin" : "none";
    const shown = (source === "twin" ? state.chunks.filter(({ update }) => update <= twin.update) : state.chunks).slice(-BARS);
    const newest = lastOf(shown) ?? lastOf(state.chunks);
    const sizes = source === "none" ? shown.map(samplesOf) : nodesOf(shown, source === "own" ? shown : twin.chunks);
    const streams = newest.streamIds.length;
    const none = state.isRecording || this.#words.lacking("torch") ? "says.none" : "says.none.torch";
    const says = framework === "tensorflow" ? "static" : { own: "says", twin: "says.twin", none: none }[source];
    this.#at.graph.hidden = source === "none";
    setText(this.#at.label, this.#words.say(source === "twin" ? "odometer.nodes.twin" : "odometer.nodes"));
    this.#at.nodes.textContent = source === "none" ? "" : String(lastOf(sizes) ?? "–");
    this.#at.samples.textContent = streams > 1 ? `${streams} × ${newest.length}` : String(newest.length);
    setText(this.#at.caption, this.#words.say(source === "none" ? "odometer.caption.none" : "odometer.caption"));
    setText(this.#at.says, this.#words.say(`odometer.${says}`, { cell: cell.toUpperCase(), hidden_size }));
    this.#at.bars.setAttribute("aria-label", this.#words.say(source === "none" ? "odometer.bars.samples" : "odometer.bars"));
    this.#spent(newest);
    this.#bars(sizes, palette);
  }

  #spent({ milliseconds: parts }) {
    for (const [part, { row, name, bar, value }] of this.#times) {
      const milliseconds = parts[part];
      row.hidden = milliseconds === undefined;
      if (row.hidden) continue;
      name.textContent = this.#words.say(`odometer.${part}`);
      while (milliseconds > bar.max) bar.max *= 2;
      bar.value = milliseconds;
      value.textContent = `${milliseconds.toFixed(milliseconds < 0.1 ? 3 : 2)} ms`;
    }
  }

  /** @param {(number|null)[]} sizes null where it is not known */
  #bars(sizes, palette) {
    const { bars: canvas } = this.#at;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const pen = cleanPen(canvas, width, height);
    const most = Math.max(1, ...sizes.map((size) => size ?? 0));
    const each = width / BARS;
    const first = BARS - sizes.length;
    sizes.forEach((size, i) => {
      const tall = (height * (size ?? 0)) / most;
      pen.fillStyle = i === sizes.length - 1 ? palette.ink : palette.edge;
      pen.fillRect((first + i) * each, height - tall, Math.max(1, each - 2), tall);
    });
    const said = this.#words.say("unrecorded");
    const gaps = gapsIn(sizes, (size) => size !== null);
    for (const [left, right] of gaps) {
      const [from, to] = [(first + left) * each, (first + right + 1) * each - 2];
      hatch(pen, { from, to, height }, palette, [said, this.#words.say("unrecorded.short")]);
    }
    canvas.title = gaps.length > 0 ? said : "";
  }
}

function samplesOf({ length, streamIds }) {
  return length * streamIds.length;
}

/** @param {import("../run/state.js").Chunk[]} shown @param {import("../run/state.js").Chunk[]} counted the chunks that may have counts */
function nodesOf(shown, counted) {
  const nodes = new Map(counted.map((chunk) => [chunk.update, chunk.nodes]));
  return shown.map(({ update }) => nodes.get(update) ?? null);
}
