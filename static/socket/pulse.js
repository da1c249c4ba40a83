/** Whether a connection that has fallen silent still is one: it is asked, and given up where no answer comes. */

const SILENCE = 5_000; // ms until it is asked
const ANSWER = 8_000; // ms that it then has; and that a new one has to be made
/** Where it may well be gone: the network is back, or the lid was opened. */
const QUICK_ANSWER = 3_000; // ms

export class Pulse {
  #timer = 0;
  #on;

  /** @param {{expects: () => boolean, ask: () => void, lost: () => void}} on `expects`: whether silence is odd at all */
  constructor(on) {
    this.#on = on;
  }

  /** A connection is being made. */
  begins() {
    this.#await(ANSWER);
  }

  /** Something came: all is well until it has been silent for a while. */
  heard() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.#on.expects() ? this.#ask(ANSWER) : this.heard()), SILENCE);
  }

  /** Asks now. */
  check() {
    this.#ask(QUICK_ANSWER);
  }

  stops() {
    clearTimeout(this.#timer);
  }

  #ask(patience) {
    this.#on.ask();
    this.#await(patience);
  }

  #await(patience) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#on.lost(), patience);
  }
}
