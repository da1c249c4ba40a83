import { lastOf } from "./columns.js";

/**
 * What the two lanes paint: the hidden units of a chunk as colours, the gradient along it as bars, and a hatch where
 * nothing was recorded.
 */

const UNIT = 127; // a state of 1 on the wire
const HATCH = 7; // px from line to line
const FONT_SIZE = 12; // px
const AROUND = 6; // px around a label

/** @typedef {(value: number) => [number, number, number]} Colours from a part of a scale, 0 to 1, to red, green, blue */

/** @param {string[]} stops as rgb(…) @returns {Colours} */
export function scaleOf(stops) {
  const parts = stops.map((colour) => colour.match(/[\d.]+/g).slice(0, 3).map(Number));
  return (part) => {
    const at = Math.min(1, Math.max(0, part)) * (parts.length - 1);
    const [left, right] = [parts[Math.floor(at)], parts[Math.ceil(at)]];
    const [red, green, blue] = left.map((value, i) => Math.round(value + (right[i] - value) * (at - Math.floor(at))));
    return [red, green, blue];
  };
}

/** Each chunk's units as a picture of one pixel for each unit and time step, made once. */
export class HiddenPictures {
  #made = new WeakMap();
  #table;

  /** @param {import("../page/palette.js").Palette} palette */
  constructor(palette) {
    const colours = scaleOf([palette["state-low"], palette["state-mid"], palette["state-high"]]);
    this.#table = Array.from({ length: 256 }, (_, byte) => colours((byte - 128 + UNIT) / (2 * UNIT)));
  }

  /** @param {import("../run/state.js").Chunk} chunk one with hidden states @returns {HTMLCanvasElement} of the first stream */
  of(chunk) {
    let picture = this.#made.get(chunk);
    if (!picture) {
      picture = this.#paint(chunk.hidden[0], chunk.length);
      this.#made.set(chunk, picture);
    }
    return picture;
  }

  #paint(states, length) {
    const units = states.length / length;
    const picture = document.createElement("canvas");
    picture.width = length;
    picture.height = units;
    const pen = picture.getContext("2d");
    const image = pen.createImageData(length, units);
    for (let step = 0; step < length; step += 1) {
      for (let unit = 0; unit < units; unit += 1) {
        const at = 4 * (unit * length + step);
        const [red, green, blue] = this.#table[states[step * units + unit] + 128];
        image.data[at] = red;
        image.data[at + 1] = green;
        image.data[at + 2] = blue;
        image.data[at + 3] = 255;
      }
    }
    pen.putImageData(image, 0, 0);
    return picture;
  }
}

/** Powers of ten that hold the gradients in view, three decades of them. @returns {[number, number]} */
export function decadesOf(chunks) {
  let most = 0;
  for (const { gradient } of chunks) if (gradient) most = Math.max(most, ...gradient[0]);
  const high = most > 0 ? Math.ceil(Math.log10(most)) : 0;
  return [high - 3, high];
}

/**
 * Chunks in a row that came without something: nobody is sent what the page does not show.
 * @template T @param {T[]} chunks @param {(chunk: T) => boolean} isRecorded
 * @returns {[number, number][]} the first and the last of each row of them, as places in `chunks`
 */
export function gapsIn(chunks, isRecorded) {
  const gaps = [];
  chunks.forEach((chunk, at) => {
    if (isRecorded(chunk)) return;
    const last = lastOf(gaps);
    if (last?.[1] === at - 1) last[1] = at;
    else gaps.push([at, at]);
  });
  return gaps;
}

/**
 * Hatches from one place to another, and says why in the first of `texts` that there is room for.
 * @param {CanvasRenderingContext2D} pen
 * @param {{from: number, to: number, height: number}} place in px
 * @param {import("../page/palette.js").Palette} palette
 * @param {string[]} texts the longest first
 */
export function hatch(pen, { from, to, height }, palette, texts) {
  pen.save();
  pen.beginPath();
  pen.rect(from, 0, to - from, height);
  pen.clip();
  pen.strokeStyle = palette.edge;
  pen.lineWidth = 0.75;
  pen.globalAlpha *= 0.6;
  pen.beginPath();
  for (let x = Math.floor(from / HATCH) * HATCH; x < to + height; x += HATCH) {
    pen.moveTo(x, 0);
    pen.lineTo(x - height, height);
  }
  pen.stroke();
  pen.restore();
  pen.font = `${FONT_SIZE}px ${palette.font}`;
  const text = texts.find((one) => pen.measureText(one).width + 4 * AROUND < to - from);
  if (!text) return;
  const [middle, half] = [(from + to) / 2, pen.measureText(text).width / 2 + AROUND];
  const alpha = pen.globalAlpha;
  pen.globalAlpha = 1; // what is under the label would be read with it
  pen.fillStyle = palette.paper;
  pen.fillRect(middle - half, height / 2 - 10, 2 * half, 20);
  pen.globalAlpha = alpha;
  pen.fillStyle = palette.quiet;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(text, middle, height / 2 + 0.5);
}

/** @returns {{chunk: import("../run/state.js").Chunk, step: number}|null} the chunk and the time step, from 0, at a phase in π */
export function sampleAt(chunks, phase) {
  const chunk = chunks.find((one) => one.phase[0][0] <= phase && phase < lastOf(one.phase[0]));
  if (!chunk) return null;
  const [start, end] = [chunk.phase[0][0], lastOf(chunk.phase[0])];
  return { chunk, step: Math.min(chunk.length - 1, Math.floor((chunk.length * (phase - start)) / (end - start))) };
}
