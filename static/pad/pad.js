import { setText } from "../page/element.js";
import { Pen, RATE } from "./pen.js";
import { Sheet, drawCircle, drawLines, valueAt } from "./sheet.js";
import { PadSocket } from "./socket.js";
import { apply, initialState, judged } from "./state.js";

/**
 * Draw your own: the pen's movement streams to the trained network, and its answer is drawn beside it. Nothing runs and
 * no socket is open unless somebody draws.
 */

const REST = 3000; // ms without a movement until the pen rests
const LINGER = 10_000; // ms until a socket that nobody uses is closed
const RETRY = 2500; // ms at least from one connection to the next
const READ = 250; // ms between two readings, which have to be read
const JUDGED = 64; // answers that a reading is about: two swings of the sine that draws itself

/** @param {{words: import("../page/words.js").Words, socket: (path: string) => string}} page */
export const build = ({ words, socket }) => new Pad(words, socket("ws/predict"));

export class Pad {
  #words;
  #at;
  #lines;
  #circle;
  #socket;
  #pen = new Pen();
  #state = initialState();
  /** @type {import("../page/palette.js").Palette|null} */
  #palette = null;
  #language = "";
  #asked = false;
  #seen = false;
  #moved = -Infinity;
  #tried = -Infinity;
  #read = -Infinity;
  #running = false;
  #closing = 0;
  /** Where the pointer was on the screen: a page that scrolls under it is no movement. */
  #screenY = NaN;

  /** @param {import("../page/words.js").Words} words @param {string} socketUrl of /ws/predict */
  constructor(words, socketUrl) {
    this.#words = words;
    const ids = ["lines", "circle", "pen", "pen-value", "auto", "clear", "says", "empty", "reading", "off", "target"];
    this.#at = Object.fromEntries(ids.map((id) => [id, document.getElementById(`pad-${id}`)]));
    const ask = () => this.#ask();
    this.#lines = new Sheet(this.#at.lines, ask);
    this.#circle = new Sheet(this.#at.circle, ask);
    this.#socket = new PadSocket(socketUrl, (message) => this.#dispatch(message));
    this.#listen();
  }

  /** @param {unknown} _ the run is none of its matter @param {{palette: import("../page/palette.js").Palette}} drawing the theme in force */
  draw(_, { palette }) {
    if (palette === this.#palette && this.#words.language === this.#language) return; // it draws its own frames
    this.#palette = palette;
    this.#language = this.#words.language;
    this.#read = -Infinity;
    this.#ask();
  }

  #listen() {
    const { lines, pen, auto, clear } = this.#at;
    lines.addEventListener("pointerdown", (event) => {
      lines.setPointerCapture(event.pointerId);
      auto.checked = false;
      this.#hold(event);
    });
    lines.addEventListener("pointermove", (event) => {
      const moved = event.screenY !== this.#screenY && !Number.isNaN(this.#screenY);
      this.#screenY = event.screenY;
      if (moved && (!auto.checked || event.buttons > 0)) this.#hold(event);
    });
    for (const left of ["pointerleave", "pointercancel", "pointerup"]) {
      lines.addEventListener(left, (event) => {
        if (left === "pointerup" && event.pointerType === "mouse") return; // it still hovers
        this.#screenY = NaN;
        this.#moved = -Infinity;
      });
    }
    pen.addEventListener("input", () => {
      auto.checked = false;
      this.#pen.glide(Number(pen.value));
      this.#use();
    });
    auto.addEventListener("change", () => {
      if (auto.checked) this.#pen.drawSine();
      else this.#pen.hold(this.#pen.at, performance.now());
      this.#moved = -Infinity;
      if (auto.checked) this.#run();
    });
    clear.addEventListener("click", () => {
      this.#socket.forget();
      this.#dispatch({ type: "forget" });
    });
    new IntersectionObserver(([{ isIntersecting }]) => {
      this.#seen = isIntersecting;
      this.#run();
    }).observe(lines);
    document.addEventListener("visibilitychange", () => document.hidden ? this.#stop() : this.#run());
  }

  #hold(event) {
    const shift = event.offsetY - event.clientY;
    const seen = event.getCoalescedEvents?.() ?? []; // what a slow frame would leave out
    for (const { clientY, timeStamp } of seen.length > 0 ? seen : [event]) {
      this.#pen.hold(valueAt(this.#lines.height, clientY + shift), timeStamp);
    }
    this.#use();
  }

  #use() {
    this.#moved = performance.now();
    this.#run();
  }

  #inUse(now) {
    return this.#seen && (this.#at.auto.checked || now - this.#moved < REST);
  }

  #dispatch(message) {
    this.#state = apply(this.#state, message);
    this.#ask();
  }

  #run() {
    if (!this.#inUse(performance.now())) return;
    clearTimeout(this.#closing);
    this.#closing = 0;
    this.#running = true;
    this.#ask();
  }

  #ask() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame((now) => {
      this.#asked = false;
      this.#frame(now);
    });
  }

  #frame(now) {
    if (!this.#inUse(now)) this.#stop();
    if (this.#running) {
      this.#advance(now);
      this.#ask();
    }
    this.#show(now);
  }

  #advance(now) {
    const { stage } = this.#state;
    if (stage === "live") {
      const due = this.#pen.samples(now);
      if (due.x.length === 0) return;
      this.#dispatch({ type: "sampled", ...due });
      this.#socket.send(due.x);
    } else if (stage !== "connecting" && now - this.#tried > RETRY) {
      this.#tried = now;
      this.#pen.rest();
      this.#socket.open();
    }
  }

  /** What was drawn stays; the socket goes if nobody draws on. */
  #stop() {
    if (!this.#running) return;
    this.#running = false;
    this.#read = -Infinity;
    this.#pen.rest();
    clearTimeout(this.#closing);
    this.#closing = setTimeout(() => {
      this.#tried = -Infinity;
      this.#socket.close();
    }, LINGER);
  }

  #show(now) {
    if (!this.#palette) return;
    const since = this.#state.x.length > 0 && this.#state.stage === "live" ? this.#pen.since(now) : 0;
    drawLines(this.#lines, this.#state, this.#palette, this.#pen.at, since);
    const names = { input: this.#words.say("pad.axis.input"), answer: this.#words.say("pad.axis.answer") };
    drawCircle(this.#circle, this.#state, this.#palette, names);
    const { pen, empty } = this.#at;
    if (this.#pen.by !== "keys") pen.value = String(this.#pen.at);
    empty.hidden = this.#state.x.length > 0 || this.#running;
    if (now - this.#read < READ) return;
    this.#read = now;
    this.#write();
  }

  #write() {
    const state = this.#state;
    const say = (key, values) => this.#words.say(`pad.${key}`, values);
    const { reading, off, target, says, pen } = this.#at;
    const good = judged(state, JUDGED);
    target.hidden = !state.target.some((value) => value !== null);
    setText(reading, good.mse === null ? "" : this.#words.say("predict.mse", { mse: good.mse.toExponential(1) }));
    setText(off, good.off === null ? "" : say("off", { off: good.off.toFixed(2) }));
    setText(this.#at["pen-value"], signed(this.#pen.at));
    if (!this.#running) pen.setAttribute("aria-valuetext", signed(this.#pen.at));
    const answer = state.y.length > 0 ? signed(state.y[state.y.length - 1]) : "–";
    const perSecond = (radians) => ((radians * RATE) / (2 * Math.PI)).toFixed(1);
    const [slowest, fastest] = (state.interval ?? [NaN, NaN]).map(perSecond);
    const resting = state.stage === "live" && !this.#running;
    const detail = state.problem && this.#words.refusal(state.problem);
    const values = { detail, slowest, fastest, pen: signed(this.#pen.at), answer };
    setText(says, say(`says.${resting ? "rest" : state.stage}`, values));
    says.dataset.stage = resting ? "rest" : state.stage;
  }
}

/** @param {number} value @returns {string} always as wide */
function signed(value) {
  const size = Math.abs(value).toFixed(2);
  return `${value < 0 && size !== "0.00" ? "−" : "+"}${size}`;
}
