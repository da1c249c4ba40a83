import { apply, initialState } from "./state.js";

/**
 * The one store. Any number of messages between two frames cost one drawing; a hidden tab gets no
 * frame, draws nothing and so acknowledges nothing.
 */
export class Store {
  /** @type {((state: import("./state.js").State, drawn: import("./state.js").State|null) => void)[]} */
  #views = [];
  /** @type {((message: import("./messages.js").Message, before: import("./state.js").State, after: import("./state.js").State) => void)[]} */
  #listeners = [];
  /** @type {import("./state.js").State|null} */
  #drawn = null;
  #asked = false;

  /** @param {(callback: () => void) => void} onNextFrame */
  constructor(onNextFrame = (callback) => requestAnimationFrame(callback)) {
    this.onNextFrame = onNextFrame;
    /** @type {import("./state.js").State} */
    this.state = initialState();
  }

  /** @param {import("./messages.js").Message} message */
  dispatch(message) {
    const before = this.state;
    this.state = apply(before, message);
    for (const listener of this.#listeners) listener(message, before, this.state);
    this.redraw();
  }

  /**
   * For those who must hear every message, not what is left of many at the next frame.
   * @param {(message: import("./messages.js").Message, before: import("./state.js").State, after: import("./state.js").State) => void} listener
   */
  hears(listener) {
    this.#listeners.push(listener);
  }

  /** @param {(state: import("./state.js").State, drawn: import("./state.js").State|null) => void} view */
  draws(view) {
    this.#views.push(view);
    this.redraw();
  }

  /** Asks for a frame although no message came: another theme, another language, another size. */
  redraw({ all = false } = {}) {
    if (all) this.#drawn = null;
    if (this.#asked) return;
    this.#asked = true;
    this.onNextFrame(() => {
      this.#asked = false;
      const { state } = this;
      const drawn = this.#drawn;
      this.#drawn = state;
      for (const view of this.#views) view(state, drawn);
    });
  }
}
