/**
 * While the hall is full and the visitor has no run of their own to look at: one that was recorded, and says so.
 */

const EVERY = 80; // ms: 12.5 updates a second
const REST = 2500; // ms on the last update, before it begins again

/** @typedef {import("./messages.js").FromPage & {type: "recorded"}} Opened without its type */
/** @typedef {{opened: Omit<Opened, "type">, updates: import("./messages.js").Update[]}} Tape */

export class Recording {
  #store;
  /** @type {Tape|null} */
  #tape = null;
  #timer = 0;
  #next = 0;

  /** @param {import("./store.js").Store} store */
  constructor(store) {
    this.#store = store;
    store.hears((_, before, { connection }) => {
      if (connection.status === "full" && before.connection.status !== "full") this.#begin();
    });
  }

  async #begin() {
    if (this.#timer || this.#store.state.run > 0) return;
    this.#timer = setTimeout(() => this.#play(), 0); // one at a time, whenever its file comes
    try {
      this.#tape ??= await (await fetch(new URL("static/recording.json", document.baseURI))).json();
      this.#next = 0;
    } catch {
      this.#end(); // the wait is shown all the same
    }
  }

  #play() {
    const { run, playing } = this.#store.state;
    if (run > 0) {
      this.#end();
      return;
    }
    if (this.#tape && playing && !document.hidden) this.#show(this.#tape);
    this.#timer = setTimeout(() => this.#play(), this.#next === this.#tape?.updates.length ? REST : EVERY);
  }

  /** @param {Tape} tape */
  #show({ opened, updates }) {
    this.#next %= updates.length;
    if (this.#next === 0) this.#store.dispatch({ type: "recorded", ...opened });
    this.#store.dispatch({ type: "updates", updates: [updates[this.#next]] });
    this.#next += 1;
  }

  #end() {
    clearTimeout(this.#timer);
    this.#timer = 0;
  }
}
