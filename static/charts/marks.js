import { cleanPen } from "../page/canvas.js";
import { LABEL, TICKS, TOP, lastOf, marks } from "./columns.js";
import { MARGIN } from "./plotly.js";

const FONT_SIZE = 12; // px
/** From an axis to its numbers. */
const GAP = 1; // px

/**
 * Seams, lengths, the newest chunk's band and the axes' numbers while the wave runs: on a canvas under it, as Plotly
 * takes half of its time for them.
 */
export class Marks {
  #canvas = document.createElement("canvas");
  #size = { width: 0, height: 0 };
  #isEmpty = true;

  /** @param {HTMLElement} element the wave's */
  constructor(element) {
    this.#canvas.className = "wave-marks";
    this.#canvas.setAttribute("aria-hidden", "true");
    element.before(this.#canvas);
    // Asked for while it draws, the size would lay the page out once more.
    new ResizeObserver(([{ contentRect }]) => (this.#size = contentRect)).observe(element);
  }

  /**
   * @param {import("./lanes.js").View} view
   * @param {number} every half-periods from one number on the axis to the next
   * @param {import("../page/palette.js").Palette} palette
   */
  draw({ range, chunks }, every, palette) {
    const { width, height } = this.#size;
    const pen = cleanPen(this.#canvas, width, height);
    const [seams, labels] = marks(chunks, range, true);
    const scale = (width - MARGIN.l - MARGIN.r) / (range[1] - range[0]);
    const right = (phase) => MARGIN.l + (phase - range[0]) * scale;
    const bottom = height - MARGIN.b;
    if (chunks.length > 0) {
      const newest = lastOf(chunks).phase[0];
      const [left, end] = [right(newest[0]), right(lastOf(newest))];
      pen.fillStyle = palette.band;
      pen.fillRect(left, MARGIN.t, end - left, bottom - MARGIN.t);
    }
    pen.strokeStyle = palette.rule;
    pen.beginPath();
    for (let i = 0; i < seams.x.length; i += 3) {
      const x = right(seams.x[i]);
      if (x < MARGIN.l || x > width - MARGIN.r) continue;
      pen.moveTo(x, MARGIN.t);
      pen.lineTo(x, bottom);
    }
    pen.stroke();
    pen.font = `${FONT_SIZE}px ${palette.font}`;
    pen.textAlign = "center";
    const down = (value) => MARGIN.t + ((TOP - value) / (2 * TOP)) * (bottom - MARGIN.t);
    labels.text.forEach((text, i) => {
      pen.fillStyle = i === labels.text.length - 1 ? palette.ink : palette.quiet;
      pen.fillText(text, right(labels.x[i]), down(LABEL) + 0.25 * FONT_SIZE);
    });
    this.#numbers(pen, range, every, right, down, palette);
    this.#isEmpty = false;
  }

  /** Where Plotly puts them at rest: nothing is to move when the wave stops. */
  #numbers(pen, [from, to], every, right, down, palette) {
    pen.fillStyle = palette.quiet;
    const line = down(-TOP) + GAP + FONT_SIZE;
    for (let phase = Math.ceil(from / every) * every; phase <= to; phase += every) {
      pen.fillText(`${(phase + 0).toLocaleString("en")}π`, right(phase), line); // −0 is 0 then
    }
    pen.textAlign = "right";
    for (const value of TICKS) pen.fillText(minus(value), MARGIN.l - GAP, down(value) + 0.35 * FONT_SIZE);
  }

  clear() {
    if (this.#isEmpty) return;
    this.#isEmpty = true;
    cleanPen(this.#canvas, this.#size.width, this.#size.height);
  }
}

/** @returns {string} with the minus sign that Plotly writes */
function minus(value) {
  return String(value).replace("-", "−");
}
