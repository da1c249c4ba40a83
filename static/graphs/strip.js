import { builds } from "./figures.js";

/** A row's chunks as thin bars on a log scale that all rows share; failed ones are crosses. */

/** @typedef {import("./state.js").Row} Row @typedef {import("./state.js").Chunk} Chunk */

const SVG = "http://www.w3.org/2000/svg";
const GAP = 1.5; // between two phases, in bars
const BAR = 0.7; // of a chunk's place
const HEIGHT = 40;
const [SHORTEST, LONGEST] = [-4, 2]; // 0.1 ms and 100 s, as powers of ten
/** Seconds at which a faint line goes through all strips. */
export const LINES = [0.001, 1];

/** @param {Chunk[]} chunks @returns {{at: number[], width: number}} where each chunk's place begins, in bars */
export function places(chunks) {
  let gaps = 0;
  const at = chunks.map(({ phase }, i) => {
    if (i > 0 && phase !== chunks[i - 1].phase) gaps += GAP;
    return i + gaps;
  });
  return { at, width: chunks.length + gaps };
}

/** @param {Chunk[]} chunks @param {number} share of the strip's width @returns {number} the chunk there */
export function chunkAt(chunks, share) {
  const { at, width } = places(chunks);
  const index = at.findLastIndex((from) => from <= share * width);
  return Math.max(0, index);
}

export class Strip {
  /** @readonly */ element = make("svg", { preserveAspectRatio: "none", role: "img", class: "bars" });
  #paths;
  #scale;
  #drawn = null;

  constructor() {
    this.#scale = make("path", { class: "scale" });
    this.element.append(this.#scale);
    this.#paths = ["reused", "built", "failed"].map((name) => make("path", { class: name }));
    this.element.append(...this.#paths);
  }

  /** @param {Row|null} row @param {Chunk[]} chunks @param {string} says what it shows, for who does not see it */
  draw(row, chunks, says) {
    this.element.setAttribute("aria-label", says);
    if (row === this.#drawn) return;
    this.#drawn = row;
    const { at, width } = places(chunks);
    this.element.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.#scale.setAttribute("d", LINES.map((seconds) => `M0 ${HEIGHT - height(seconds)}h${width}`).join(""));
    const paths = ["", "", ""];
    row?.seconds.forEach((seconds, i) => {
      if (seconds === null) paths[2] += cross(at[i]);
      else paths[builds(row, i) ? 1 : 0] += bar(at[i], height(seconds));
    });
    this.#paths.forEach((path, i) => path.setAttribute("d", paths[i]));
  }
}

/** @param {number} seconds @returns {number} px above the strip's foot */
export function height(seconds) {
  const power = Math.log10(Math.max(seconds, 10 ** SHORTEST));
  return Math.max(1.5, Math.min(1, (power - SHORTEST) / (LONGEST - SHORTEST)) * HEIGHT);
}

function bar(x, high) {
  return `M${x.toFixed(2)} ${HEIGHT}v${(-high).toFixed(1)}h${BAR}V${HEIGHT}z`;
}

function cross(x) {
  const [left, right] = [x.toFixed(2), (x + BAR).toFixed(2)];
  return `M${left} ${HEIGHT - 9}L${right} ${HEIGHT - 2}M${right} ${HEIGHT - 9}L${left} ${HEIGHT - 2}`;
}

function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
