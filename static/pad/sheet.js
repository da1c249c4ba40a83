import { cleanPen } from "../page/canvas.js";

/** A canvas that is sharp on every screen, and the two pictures that are drawn on it: the lines, and the circle. */

/** @typedef {import("../page/palette.js").Palette} Palette @typedef {import("./state.js").PadState} PadState */

const STEP = 3.5; // px from sample to sample
const EDGE = 36; // px above 1 and below −1: room for a hand to go a little further
const PEN = 28; // px from the pen to the right end
const TAIL = 96; // samples that the circle shows
const FADES = 6; // how many steps it fades in

export class Sheet {
  width = 0;
  height = 0;
  #canvas;

  /** @param {HTMLCanvasElement} canvas @param {() => void} resized */
  constructor(canvas, resized) {
    this.#canvas = canvas;
    new ResizeObserver(([{ contentRect }]) => {
      this.width = contentRect.width;
      this.height = contentRect.height;
      resized();
    }).observe(canvas);
  }

  /** @returns {CanvasRenderingContext2D} empty, in CSS pixels */
  begin() {
    const context = cleanPen(this.#canvas, this.width, this.height);
    context.lineJoin = "round";
    context.lineCap = "round";
    return context;
  }
}

/** @param {number} height px @param {number} y px from the top @returns {number} what a pen there draws: 1 at the upper line */
export function valueAt(height, y) {
  const middle = height / 2;
  return (middle - Math.min(height, Math.max(0, y))) / (middle - EDGE);
}

/**
 * What was drawn and what was answered, the newest at the right, where the pen is.
 * @param {Sheet} sheet @param {PadState} state @param {Palette} palette
 * @param {number} pen from −1 to 1
 * @param {number} since share of a sample's time that has passed since the newest
 */
export function drawLines(sheet, { first, x, target, y }, palette, pen, since) {
  const context = sheet.begin();
  const { width, height } = sheet;
  const now = width - PEN;
  const up = (value) => height / 2 - value * (height / 2 - EDGE);
  const along = (i) => now - (x.length - 1 - i + since) * STEP;
  const oldest = Math.max(0, Math.ceil(x.length - 1 - now / STEP) - 2);

  context.lineWidth = 1;
  context.strokeStyle = palette.rule;
  context.beginPath();
  for (const value of [-1, 0, 1]) {
    context.moveTo(0, up(value));
    context.lineTo(width, up(value));
  }
  context.stroke();
  context.fillStyle = palette.quiet;
  context.font = `12px ${palette.font}`;
  context.textBaseline = "bottom";
  context.textAlign = "right";
  for (const value of [-1, 0, 1]) context.fillText(String(value).replace("-", "−"), width - 5, up(value) - 2);

  context.fillStyle = palette.input;
  context.strokeStyle = palette.input;
  context.lineWidth = 0.75;
  context.beginPath();
  for (let i = oldest; i < x.length; i += 1) context.lineTo(along(i), up(x[i]));
  if (x.length > 0) context.lineTo(now, up(pen));
  context.stroke();
  for (let i = oldest; i < x.length; i += 1) dot(context, along(i), up(x[i]), 1.75);

  context.strokeStyle = palette.prediction;
  context.fillStyle = palette.prediction;
  context.lineWidth = 2.25;
  context.beginPath();
  for (let i = oldest; i < y.length; i += 1) context.lineTo(along(i), up(y[i]));
  context.stroke();

  context.strokeStyle = palette.target;
  context.lineWidth = 1.75;
  context.beginPath();
  for (let i = Math.max(oldest, 1); i < x.length; i += 1) {
    if (target[i] === null || target[i - 1] === null || (first + i) % 2 === 0) continue;
    context.moveTo(along(i - 1), up(target[i - 1]));
    context.lineTo(along(i), up(target[i]));
  }
  context.stroke();
  if (y.length > 0) dot(context, along(y.length - 1), up(y[y.length - 1]), 4.5);

  context.fillStyle = palette.ink;
  dot(context, now, up(pen), 7);
}

/**
 * Each answer above its sample: what answers a sine with its cosine draws the unit circle.
 * @param {Sheet} sheet @param {PadState} state @param {Palette} palette
 * @param {{input: string, answer: string}} names of the two axes
 */
export function drawCircle(sheet, { x, y }, palette, names) {
  const context = sheet.begin();
  const { width, height } = sheet;
  const unit = Math.max(0, Math.min(width, height) / 2 - 24) / 1.15;
  const right = (value) => width / 2 + value * unit;
  const up = (value) => height / 2 - value * unit;

  context.lineWidth = 1;
  context.strokeStyle = palette.rule;
  context.beginPath();
  context.moveTo(right(-1.2), up(0));
  context.lineTo(right(1.2), up(0));
  context.moveTo(right(0), up(-1.2));
  context.lineTo(right(0), up(1.2));
  context.stroke();
  context.fillStyle = palette.quiet;
  context.font = `12px ${palette.font}`;
  context.textBaseline = "bottom";
  context.fillText(names.input, right(1) + 7, up(0) - 3);
  context.textBaseline = "top";
  context.fillText(names.answer, right(0) + 6, up(1.2) - 6);

  context.strokeStyle = palette.prediction;
  context.lineCap = "butt";
  context.lineWidth = 2.25;
  const oldest = Math.max(0, y.length - TAIL);
  for (let fade = 0; fade < FADES; fade += 1) {
    const [from, to] = [fade, fade + 1].map((part) => oldest + Math.round(((y.length - oldest) * part) / FADES));
    context.globalAlpha = ((fade + 1) / FADES) ** 1.5;
    context.beginPath();
    for (let i = Math.max(oldest, from - 1); i < to; i += 1) context.lineTo(right(x[i]), up(y[i]));
    context.stroke();
  }
  context.globalAlpha = 1;
  context.lineWidth = 1.5;
  context.strokeStyle = palette.target;
  context.setLineDash([5, 5]);
  context.beginPath();
  context.arc(right(0), up(0), unit, 0, 2 * Math.PI);
  context.stroke();
  context.setLineDash([]);
  context.fillStyle = palette.prediction;
  if (y.length > 0) dot(context, right(x[y.length - 1]), up(y[y.length - 1]), 4.5);
}

function dot(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}
