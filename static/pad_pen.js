/** The pen: a hand, the arrow keys or a sine moves it, and a clock takes samples of where it is. */

/**
 * Samples a second. A hand that swings half a time to one and a half times a second then moves 0.13 to 0.38 radians from
 * sample to sample, in the middle of what the model `sine` was trained for: 0.075 to 0.785.
 */
export const RATE = 25;
const EVERY = 1000 / RATE; // ms
const MOST_LATE = 12; // samples that are made up for after a busy moment; what is beyond was never drawn

/** Radians from sample to sample of the sine that draws itself: about 0.8 swings a second. */
const STEP = Math.PI / 16;

/**
 * Time constants, in ms, of the two springs in a row that pull the pen to where it should be. A pointer moves by whole
 * pixels, now and then; a key moves by steps; neither is how a hand moves a pen.
 */
const PULL = { hand: 35, keys: 90 };

export class Pen {
  /** Where it is; a full swing goes from −1 to 1. */
  at = 0;
  /** @type {"hand"|"keys"|"sine"} */
  by = "hand";
  #aim = 0;
  #pulled = 0;
  #phase = 0;
  #time = NaN;
  #next = NaN;

  /** A hand or the keys want it here. @param {number} value @param {"hand"|"keys"} by */
  pull(value, by) {
    this.by = by;
    this.#aim = value;
  }

  /** It draws a sine, from where it is, upwards. */
  drawSine() {
    this.by = "sine";
    this.#phase = Math.asin(Math.max(-1, Math.min(1, this.at))) - STEP;
  }

  /** No time passes until the next sample. */
  rest() {
    this.#next = NaN;
  }

  /** @returns {number} the share of a sample's time that has passed since the last one @param {number} now ms */
  since(now) {
    return Number.isNaN(this.#next) ? 0 : Math.min(1, Math.max(0, 1 + (now - this.#next) / EVERY));
  }

  /**
   * The samples that have come due.
   * @param {number} now ms
   * @returns {{x: number[], target: (number|null)[]}} target where the true answer is known
   */
  samples(now) {
    if (Number.isNaN(this.#next) || now - this.#next > MOST_LATE * EVERY) this.#begin(now);
    const due = { x: [], target: [] };
    for (; this.#next <= now; this.#next += EVERY) {
      this.#move(this.#next);
      const sine = this.by === "sine";
      if (sine) this.#phase += STEP;
      if (sine) this.at = Math.sin(this.#phase);
      due.x.push(rounded(this.at));
      due.target.push(sine ? Math.cos(this.#phase) : null);
    }
    this.#move(now);
    return due;
  }

  #begin(now) {
    this.#next = now;
    this.#time = now;
    this.#pulled = this.at;
    if (this.by === "hand") this.#pulled = this.at = this.#aim; // it was put down there
  }

  /** The springs pull until this time. @param {number} until ms */
  #move(until) {
    const passed = until - this.#time;
    this.#time = until;
    if (this.by === "sine") {
      this.#pulled = this.#aim = this.at;
      return;
    }
    const share = 1 - Math.exp(-passed / PULL[this.by]);
    this.#pulled += share * (this.#aim - this.#pulled);
    this.at += share * (this.#pulled - this.at);
  }
}

function rounded(value) {
  return Math.round(value * 1e5) / 1e5 + 0;
}
