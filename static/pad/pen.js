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

/** How far behind a hand the pen is, in ms: then the hand has been seen before and after. */
const BEHIND = 20;

/** Time constant, in ms, of each of the two springs in a row that pull the pen after the keys: a key moves by steps. */
const PULL = 60;

export class Pen {
  /**
   * Where it is, from −1 to 1, where it stops: a hand that swings further draws a sine of height 1 with flat tops, which
   * the network still takes for one; a sine of less than 1 it does not know (docs/decisions.md).
   */
  at = 0;
  /** @type {"hand"|"keys"|"sine"} */
  by = "hand";
  /** Where the hand was seen, as far as it is still needed. @type {{time: number, value: number}[]} */
  #path = [];
  #aim = 0;
  #pulled = 0;
  #phase = 0;
  #time = NaN;
  #next = NaN;

  /** A hand holds it here. @param {number} value @param {number} time ms */
  hold(value, time) {
    if (this.by !== "hand") this.#path = [];
    this.by = "hand";
    this.#path.push({ time, value: within(value) });
  }

  /** It glides here. @param {number} value */
  glide(value) {
    this.by = "keys";
    this.#aim = within(value);
  }

  /** It draws a sine, from where it is, upwards. */
  drawSine() {
    this.by = "sine";
    this.#phase = Math.asin(this.at) - STEP;
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
    if (Number.isNaN(this.#next) || now - this.#next > MOST_LATE * EVERY) {
      this.#next = this.#time = now;
      this.#pulled = this.at;
    }
    const due = { x: [], target: [] };
    for (; this.#next <= now; this.#next += EVERY) {
      const sine = this.by === "sine";
      if (sine) this.at = Math.sin((this.#phase += STEP));
      else this.#move(this.#next);
      due.x.push(Math.round(this.at * 1e5) / 1e5 + 0);
      due.target.push(sine ? Math.cos(this.#phase) : null);
    }
    if (this.by !== "sine") this.#move(now);
    return due;
  }

  #move(time) {
    if (this.by === "hand") {
      this.at = this.#held(time - BEHIND);
      return;
    }
    const share = 1 - Math.exp((this.#time - time) / PULL);
    this.#time = time;
    this.#pulled += share * (this.#aim - this.#pulled);
    this.at += share * (this.#pulled - this.at);
  }

  /** Where the hand was: straight from where it was seen before to where it was seen next. */
  #held(time) {
    const path = this.#path;
    while (path.length > 1 && path[1].time <= time) path.shift();
    const [before, after] = path;
    if (!before) return this.at;
    if (!after || time <= before.time) return before.value;
    return before.value + ((time - before.time) / (after.time - before.time)) * (after.value - before.value);
  }
}

/** The pen stops at the lines. */
function within(value) {
  return Math.min(1, Math.max(-1, value));
}
