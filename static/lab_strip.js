/** A strip of thin bars: the time that each chunk took, on one logarithmic scale for all strips. */

import { PHASES } from "./lab_state.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 40;
const STEP = 6;
const GAP = 12; // between phases
const FASTEST = 1e-4; // s: a bar of no height
const SLOWEST = 200; // s: one of full height

/** Where each chunk stands, and each phase begins. @param {import("./lab_state.js").Planned[]} chunks */
export function places(chunks) {
  const x = chunks.map(({ phase }, i) => i * STEP + PHASES.indexOf(phase) * GAP);
  const starts = PHASES.map((phase) => x[chunks.findIndex((chunk) => chunk.phase === phase)]);
  return { x, starts, width: (x.at(-1) ?? 0) + STEP };
}

export class Strip {
  /** @readonly */ element;
  #bars = [];
  #shown = null;

  /** @param {import("./lab_state.js").Planned[]} chunks */
  constructor(chunks) {
    const { x, width } = places(chunks);
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    svg.classList.add("strip");
    for (const left of x) {
      const bar = document.createElementNS(SVG, "rect");
      bar.setAttribute("x", String(left + 1));
      bar.setAttribute("width", String(STEP - 2));
      svg.append(bar);
      this.#bars.push(bar);
    }
    this.element = svg;
  }

  /** @param {import("./lab_state.js").Row} row @param {boolean[]} built which chunks got a graph of their own */
  draw(row, built) {
    if (this.#shown === row) return;
    this.#shown = row;
    this.#bars.forEach((bar, i) => {
      const seconds = row.seconds[i];
      const height = seconds === null ? 6 : seconds === undefined ? 0 : heightOf(seconds);
      bar.setAttribute("y", String(HEIGHT - height));
      bar.setAttribute("height", String(height));
      bar.setAttribute("class", seconds === null ? "failed" : built[i] ? "built" : "reused");
    });
  }
}

function heightOf(seconds) {
  const share = Math.log(seconds / FASTEST) / Math.log(SLOWEST / FASTEST);
  return Math.max(1, Math.min(1, share) * HEIGHT);
}
