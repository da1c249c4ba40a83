import { grouped, short } from "../page/words.js";
import { RECENT } from "../run/losses.js";
import { stopped } from "../run/state.js";

/**
 * How the run stands, in a sentence for those who hear the page: while it plays one every five seconds, and each stop
 * once. In another language it is said again.
 */

const EVERY = 5000; // ms

export class Summary {
  #element;
  #words;
  #clock;
  #saidAt;
  #language = "";
  /** How the run had stopped when that was said; nothing once it has played again. */
  #saidStop = "";
  #timer = 0;
  #newest = null;

  /**
   * @param {HTMLElement} element with aria-live
   * @param {import("../page/words.js").Words} words
   * @param {{now: () => number, later: (call: () => void, milliseconds: number) => any}} clock
   */
  constructor(element, words, clock = { now: () => performance.now(), later: setTimeout.bind(window) }) {
    this.#element = element;
    this.#words = words;
    this.#clock = clock;
    this.#saidAt = clock.now();
  }

  /** @param {import("../run/state.js").State} state */
  draw(state) {
    this.#newest = state;
    const kind = kindOf(state);
    if (kind === "silent") return;
    const { language } = this.#words;
    if (kind === "playing") this.#saidStop = "";
    else if (kind === this.#saidStop && language === this.#language) return;
    const due = this.#saidAt + EVERY - this.#clock.now();
    if (due > 0) {
      if (kind !== "playing" && !this.#timer) this.#timer = this.#clock.later(() => this.#late(), due);
      return;
    }
    this.#saidAt = this.#clock.now();
    this.#language = language;
    if (kind !== "playing") this.#saidStop = kind;
    this.#element.textContent = this.#sentence(state, kind);
  }

  #late() {
    this.#timer = 0;
    this.draw(this.#newest);
  }

  #sentence(state, kind) {
    const update = grouped(state.update, this.#words.language);
    const floor = floorOf(state);
    const where = floor ? this.#words.say(`summary.floor.${floor}`) : "";
    return this.#words.say(`summary.${kind}`, { update, loss: short(state.loss), where });
  }
}

/** A stopped run is said once, and then there is nothing more to say. */
function kindOf(state) {
  if (state.connection.status !== "live" || state.update === 0) return "silent";
  return stopped(state) ?? (state.playing ? "playing" : "paused");
}

/** Where the mean of the newest chunks lies, once there are enough of them and the floors are known. */
function floorOf({ floors, recent, reached }) {
  if (recent.length < RECENT || !floors.memoryless) return null;
  if (reached.no_carry?.under) return "no_carry";
  return reached.memoryless?.under ? "memoryless" : "above";
}
