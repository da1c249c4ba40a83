import { cleanPen } from "../page/canvas.js";
import { setText } from "../page/element.js";
import { short } from "../page/words.js";
import { lastOf } from "./columns.js";
import { MARGIN } from "./plotly.js";
import { HiddenPictures, decadesOf, gapsIn, hatch, sampleAt, scaleOf } from "./strip.js";

/**
 * Two lanes on the wave's time axis. The state lane runs on through a seam where the state is carried and starts anew
 * where it is not; the gradient lane stops at every seam: that is what `detach` does.
 * Of several streams the first is shown, as in the wave.
 */

const { l: LEFT, r: RIGHT } = MARGIN;

/** How long the gradient takes to run back to the wall in slow motion. */
const BACKWARD = 700; // ms

/** What each lane shows of a chunk. */
const VIEWS = { state: "hidden", gradient: "gradient" };

/** The stages of slow motion that light a lane: they are about the newest chunk, and what came before it steps back. */
const LIT = { state: ["forward", "detach"], gradient: ["backward", "detach"] };
const BACK = 0.25; // as the stylesheet has it

/**
 * @typedef {object} View what of the run is on the wave's axis
 * @property {[number, number]} range in π
 * @property {import("../run/state.js").Chunk[]} chunks
 */

export class Lanes {
  #words;
  #lanes;
  #tip;
  /** @type {View} */
  #view = { range: [0, 1], chunks: [] };
  #pictures = null;
  #palette = null;
  #stage = null;
  #progress = 1;
  #frame = 0;
  #still = matchMedia("(prefers-reduced-motion: reduce)");

  /**
   * @param {import("../page/words.js").Words} words
   * @param {(views: string[]) => void} onViews what updates must show for the lanes that are in sight
   */
  constructor(words, onViews) {
    this.#words = words;
    const at = (id) => document.getElementById(id);
    this.#lanes = ["state", "gradient"].map((name) => {
      const section = at(`lane-${name}`);
      const canvas = section.querySelector("canvas");
      return { name, section, canvas, says: at(`lane-${name}-says`), inSight: true, width: 0, height: 0 };
    });
    this.#tip = at("lane-tip");
    const sight = new IntersectionObserver((changes) => {
      for (const { target, isIntersecting } of changes) {
        this.#lanes.find(({ section }) => section === target).inSight = isIntersecting;
      }
      onViews(this.#lanes.filter(({ inSight }) => inSight).map(({ name }) => VIEWS[name]));
      this.#paint();
    });
    const sizes = new ResizeObserver((changes) => {
      for (const { target, contentRect } of changes) {
        const { width, height } = contentRect;
        Object.assign(this.#lanes.find(({ canvas }) => canvas === target), { width, height });
      }
      this.#paint();
    });
    for (const lane of this.#lanes) {
      sight.observe(lane.section);
      sizes.observe(lane.canvas);
      for (const event of ["pointermove", "pointerdown"]) {
        lane.canvas.addEventListener(event, (pointer) => this.#point(lane, pointer));
      }
      lane.canvas.addEventListener("pointerleave", () => this.#point(null));
    }
  }

  /** A stage of slow motion, or null. */
  set stage(stage) {
    this.#stage = stage;
    cancelAnimationFrame(this.#frame);
    this.#progress = 1;
    if (stage === "backward" && !this.#still.matches) this.#runBack(performance.now());
    this.#paint();
  }

  #runBack(began) {
    this.#progress = Math.min(1, (performance.now() - began) / BACKWARD);
    this.#paint();
    if (this.#progress < 1) this.#frame = requestAnimationFrame(() => this.#runBack(began));
  }

  /**
   * @param {View} view
   * @param {import("../run/state.js").State} state
   * @param {import("../page/palette.js").Palette} palette
   */
  draw(view, state, palette) {
    this.#view = view;
    if (palette !== this.#palette) this.#pictures = new HiddenPictures(palette);
    this.#palette = palette;
    const { hidden_size: units, carry_state: carried } = state.current ?? {};
    if (units) {
      this.#say(0, this.#words.say(carried ? "state.carried" : "state.reset", { units }));
      this.#say(1, this.#words.say("gradient.stops"));
    }
    this.#paint();
  }

  #say(lane, sentence) {
    const { says } = this.#lanes[lane];
    setText(says, sentence);
  }

  #paint() {
    if (!this.#palette) return;
    const [state, gradient] = this.#lanes;
    if (state.inSight) this.#onCanvas(state, (pen, x, height) => this.#paintState(pen, x, height));
    if (gradient.inSight) this.#onCanvas(gradient, (pen, x, height) => this.#paintGradient(pen, x, height));
    for (const lane of this.#lanes) if (lane.inSight) this.#tell(lane);
  }

  /** Calls back with a clean pen in CSS pixels, clipped to the axis, and where a phase lies on it. */
  #onCanvas({ canvas, width, height }, paint) {
    if (!width || !height) return;
    const pen = cleanPen(canvas, width, height);
    const [from, to] = this.#view.range;
    const scale = (width - LEFT - RIGHT) / (to - from);
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, 0, width - LEFT - RIGHT, height);
    pen.clip();
    paint(pen, (phase) => LEFT + (phase - from) * scale, height);
    pen.restore();
  }

  #unrecorded() {
    return this.#words.say("unrecorded");
  }

  /** To those who hear the page, that a part is missing. */
  #tell({ name, canvas }) {
    const isWhole = this.#inView().every((chunk) => chunk[VIEWS[name]]);
    const said = isWhole ? null : this.#unrecorded();
    if (canvas.getAttribute("aria-description") === said) return;
    if (isWhole) canvas.removeAttribute("aria-description");
    else canvas.setAttribute("aria-description", said);
  }

  /** How much of a chunk is seen: all of it, unless slow motion is about another one. */
  #alpha(name, chunk) {
    return chunk !== lastOf(this.#view.chunks) && LIT[name].includes(this.#stage) ? BACK : 1;
  }

  /** What came while the lane was out of sight is not there: a hatch says so. */
  #hatch(name, pen, x, height) {
    const chunks = this.#inView();
    const texts = [this.#unrecorded(), this.#words.say("unrecorded.short")];
    const [first, end] = this.#view.range.map(x);
    for (const gap of gapsIn(chunks, (chunk) => chunk[VIEWS[name]] !== null)) {
      const [left, right] = gap.map((at) => chunks[at].phase[0]);
      const [from, to] = [Math.max(first, x(left[0])), Math.min(end, x(lastOf(right)))];
      pen.globalAlpha = this.#alpha(name, chunks[gap[1]]);
      hatch(pen, { from, to, height }, this.#palette, texts);
    }
    pen.globalAlpha = 1;
  }

  #inView() {
    const [from, to] = this.#view.range;
    return this.#view.chunks.filter(({ phase: [first] }) => lastOf(first) >= from && first[0] <= to);
  }

  #paintState(pen, x, height) {
    const newest = lastOf(this.#view.chunks);
    pen.imageSmoothingEnabled = false;
    for (const chunk of this.#inView()) {
      if (!chunk.hidden || (chunk === newest && this.#stage === "length")) continue;
      const [start, end] = [x(chunk.phase[0][0]), x(lastOf(chunk.phase[0]))];
      const gap = chunk.carried ? 0 : 3;
      pen.globalAlpha = this.#alpha("state", chunk);
      pen.drawImage(this.#pictures.of(chunk), start + gap, 0, end - start - gap, height);
      if (gap) seam(pen, this.#palette.ink, start + 1, height);
    }
    this.#hatch("state", pen, x, height);
  }

  #paintGradient(pen, x, height) {
    const chunks = this.#inView();
    const newest = lastOf(this.#view.chunks);
    const [low, high] = decadesOf(chunks);
    const colours = scaleOf([this.#palette["gradient-low"], this.#palette["gradient-high"]]);
    this.#scale(low, high);
    for (const chunk of chunks) {
      const [start, end] = [x(chunk.phase[0][0]), x(lastOf(chunk.phase[0]))];
      const waits = chunk === newest && ["length", "forward", "loss"].includes(this.#stage);
      pen.globalAlpha = this.#alpha("gradient", chunk);
      if (chunk.gradient && !waits) {
        const first = chunk === newest ? Math.ceil(chunk.length * (1 - this.#progress)) : 0;
        const width = (end - start) / chunk.length;
        chunk.gradient[0].forEach((norm, step) => {
          if (step < first) return;
          const part = norm > 0 ? (Math.log10(norm) - low) / (high - low) : 0;
          pen.fillStyle = `rgb(${colours(part).join()})`;
          const tall = 3 + (height - 3) * Math.min(1, Math.max(0, part));
          pen.fillRect(start + step * width, height - tall, Math.max(1, width - 0.5), tall);
        });
      }
      for (const wall of [start, end]) seam(pen, this.#palette.ink, wall, height);
    }
    this.#hatch("gradient", pen, x, height);
  }

  #scale(low, high) {
    const say = (id, exponent) => {
      const element = document.getElementById(`lane-gradient-${id}`);
      const text = short(10 ** exponent);
      setText(element, text);
    };
    say("low", low);
    say("high", high);
  }

  #point(lane, pointer) {
    const found = lane && this.#sample(lane, pointer);
    this.#tip.hidden = !found;
    if (!found) return;
    this.#tip.textContent = found.text;
    const width = lane.canvas.clientWidth;
    const half = this.#tip.offsetWidth / 2;
    this.#tip.style.left = `${Math.min(width - half, Math.max(half, pointer.offsetX))}px`;
    this.#tip.style.top = `${lane.canvas.offsetTop - 2}px`;
  }

  #sample({ name, width, height }, { offsetX, offsetY }) {
    const [from, to] = this.#view.range;
    const phase = from + ((offsetX - LEFT) / (width - LEFT - RIGHT)) * (to - from);
    const found = sampleAt(this.#view.chunks, phase);
    if (!found) return null;
    const { chunk, step } = found;
    const values = chunk[VIEWS[name]];
    if (!values) return { text: this.#unrecorded() };
    const where = { phase: chunk.phase[0][step].toFixed(2), step: step + 1, length: chunk.length };
    if (name === "gradient") {
      return { text: this.#words.say("gradient.tip", { ...where, value: values[0][step].toPrecision(3) }) };
    }
    const units = values[0].length / chunk.length;
    const unit = Math.min(units - 1, Math.max(0, Math.floor((units * offsetY) / height)));
    const value = (values[0][step * units + unit] / 127).toFixed(2);
    return { text: this.#words.say("state.tip", { ...where, unit: unit + 1, value }) };
  }
}

function seam(pen, ink, x, height) {
  pen.fillStyle = ink;
  pen.fillRect(x - 0.75, 0, 1.5, height);
}
