import { setText } from "../page/element.js";
import { throttled } from "../page/throttle.js";
import { counter, short } from "../page/words.js";
import { ahead } from "../run/changes.js";
import { PACE } from "../run/limits.js";
import { stopped } from "../run/state.js";

/** Play, step, reset, new seed and pace: buttons, slider and keys for the same five things. */

const NOTCHES = 99; // one more is "max"
const KEY_NOTCHES = 5;
const PACE_EVERY = 100; // ms while the slider is dragged
const LARGEST_SEED = 2 ** 31 - 1;
/** Keys that go on acting while they are held down. */
const HELD = ["ArrowRight", "[", "]"];

/** @param {number} notch 0–100 @returns {number|"max"} updates per second */
export function paceOf(notch) {
  if (notch > NOTCHES) return "max";
  const { slowest, fastest } = PACE;
  return Number((slowest * (fastest / slowest) ** (notch / NOTCHES)).toPrecision(2));
}

/** @param {number|"max"} pace @returns {number} the nearest notch */
export function notchOf(pace) {
  if (pace === "max") return NOTCHES + 1;
  const { slowest, fastest } = PACE;
  return Math.round((NOTCHES * Math.log(pace / slowest)) / Math.log(fastest / slowest));
}

export class Transport {
  #store;
  #live;
  #words;
  #at;
  #pointed = null;

  /**
   * @param {import("../run/store.js").Store} store
   * @param {import("../socket/live.js").Live} live
   * @param {import("../page/words.js").Words} words
   */
  constructor(store, live, words) {
    this.#store = store;
    this.#live = live;
    this.#words = words;
    const at = (id) => document.getElementById(id);
    this.#at = {
      play: at("play"),
      step: at("step"),
      reset: at("reset"),
      seed: at("new-seed"),
      pace: at("pace"),
      paceValue: at("pace-value"),
      update: at("update"),
      loss: at("loss"),
    };
    this.#at.play.addEventListener("click", () => this.toggle());
    this.#at.step.addEventListener("click", () => this.step());
    this.#at.reset.addEventListener("click", () => this.reset());
    this.#at.seed.addEventListener("click", () => this.newSeed());
    const tell = throttled(PACE_EVERY, (/** @type {number|"max"} */ pace) => live.send({ type: "pace", pace }));
    this.#at.pace.addEventListener("input", () => {
      const pace = paceOf(Number(this.#at.pace.value));
      store.dispatch({ type: "pace", pace });
      tell(pace);
    });
    document.addEventListener("keydown", (event) => this.#key(event));
    document.addEventListener("pointerdown", ({ target }) => {
      this.#pointed = /** @type {Element} */ (target).closest("button, summary, a");
    });
    document.addEventListener("focusin", ({ target }) => {
      if (target !== this.#pointed) this.#pointed = null;
    });
  }

  toggle() {
    if (this.#at.play.disabled) return;
    if (this.#isKept) {
      this.goOn();
      return;
    }
    const type = this.#store.state.playing ? "pause" : "play";
    this.#store.dispatch({ type });
    this.#live.send({ type });
  }

  /** On with the run of before the reload: at play, unless it had stopped. */
  goOn() {
    if (!stopped(this.#store.state)) this.#store.dispatch({ type: "play" });
    this.#live.connect();
  }

  /** Whether the run of before the reload waits for the visitor's choice. */
  get #isKept() {
    return this.#store.state.connection.status === "kept";
  }

  play() {
    if (!this.#store.state.playing) this.toggle();
  }

  step() {
    if (this.#at.step.disabled) return;
    if (this.#store.state.playing) this.toggle();
    this.#live.send({ type: "step" });
  }

  /** The recipe as it stands, from its first update: same seed, same numbers. */
  reset() {
    this.#again({});
  }

  newSeed() {
    this.#again({ seed: Math.floor(Math.random() * LARGEST_SEED) });
  }

  /** What a link has still to change stays to be changed. */
  #again(fields) {
    const { current, changes, made, isRecording } = this.#store.state;
    if (current && !isRecording) this.start({ ...current, ...fields }, ahead(changes, made));
  }

  /** @param {Record<string, any>} recipe @param {import("../run/changes.js").Change[]} changes a change log to replay */
  start(recipe, changes = []) {
    this.#store.dispatch({ type: "play" });
    this.#live.start(recipe, changes);
  }

  /** @param {import("../run/state.js").State} state */
  draw(state) {
    const { play, step, reset, seed, pace, paceValue, update, loss } = this.#at;
    const over = stopped(state) === "diverged";
    const playing = state.playing && !this.#isKept;
    document.body.classList.toggle("playing", playing);
    play.disabled = over;
    step.disabled = over || this.#isKept || state.isRecording;
    reset.disabled = seed.disabled = state.isRecording;
    const label = this.#words.say(playing ? "transport.pause" : "transport.play");
    if (play.getAttribute("aria-label") !== label) play.setAttribute("aria-label", label);
    const notch = String(notchOf(state.pace));
    if (paceOf(Number(pace.value)) !== state.pace) pace.value = notch;
    const words = state.pace === "max" ? this.#words.say("transport.max") : `${state.pace}/s`;
    setText(paceValue, words); // which is read aloud
    if (pace.getAttribute("aria-valuetext") !== words) pace.setAttribute("aria-valuetext", words);
    setText(update, counter(state.update));
    setText(loss, short(state.loss));
  }

  #key(event) {
    const { target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector("dialog:modal")) return;
    if (target.closest("input, textarea, select, [contenteditable]")) return;
    const button = target.closest("button, summary, a");
    const onButton = button && button !== this.#pointed; // one that was clicked has focus, but was not walked to
    const keys = {
      " ": () => !onButton && this.toggle(),
      ArrowRight: () => this.step(),
      r: () => this.reset(),
      d: () => this.newSeed(),
      "[": () => this.#nudge(-KEY_NOTCHES),
      "]": () => this.#nudge(KEY_NOTCHES),
    };
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!(key in keys)) return;
    const acts = event.repeat && !HELD.includes(key) ? !onButton : keys[key]() !== false;
    if (acts) event.preventDefault();
  }

  #nudge(notches) {
    const { pace } = this.#at;
    pace.value = String(Number(pace.value) + notches);
    pace.dispatchEvent(new Event("input"));
  }
}
