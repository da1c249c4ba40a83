import { cleanPen } from "./canvas.js";
import { MARGIN } from "./charts.js";
import { LABEL, TOP, lastOf, marks } from "./columns.js";

/**
 * Seams, lengths and the newest chunk's band while the wave runs: on a canvas under it, as Plotly takes a third of
 * its time for them.
 */
export class Marks {
  #canvas = document.createElement("canvas");
  #element;
  #isEmpty = true;

  /** @param {HTMLElement} element the wave's */
  constructor(element) {
    this.#element = element;
    this.#canvas.className = "wave-marks";
    this.#canvas.setAttribute("aria-hidden", "true");
    element.before(this.#canvas);
  }

  /** @param {import("./lanes.js").View} view @param {import("./palette.js").Palette} palette */
  draw({ range, chunks }, palette) {
    const { clientWidth: width, clientHeight: height } = this.#element;
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
    pen.font = `12px ${palette.font}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    const y = MARGIN.t + ((TOP - LABEL) / (2 * TOP)) * (bottom - MARGIN.t);
    labels.text.forEach((text, i) => {
      pen.fillStyle = i === labels.text.length - 1 ? palette.ink : palette.quiet;
      pen.fillText(text, right(labels.x[i]), y);
    });
    this.#isEmpty = false;
  }

  clear() {
    if (this.#isEmpty) return;
    this.#isEmpty = true;
    cleanPen(this.#canvas, this.#element.clientWidth, this.#element.clientHeight);
  }
}
