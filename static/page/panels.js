import { onceLoaded } from "./element.js";

/**
 * The panels whose files are fetched when they are needed. Each file has a `build`, which is handed all that the page
 * has and takes of it what it needs; what it gives back is drawn with everything else from then on.
 */

/**
 * @typedef {object} Panel
 * @property {(state: any, drawing: {plotly: any, palette: any}) => void} [draw] in each frame; plotly once it is there
 * @property {() => void} [relabel] after a change of language
 * @property {() => void} [open] at its button
 */

/**
 * @typedef {object} Lazy
 * @property {() => Promise<{build: (page: any) => any}>} load
 * @property {string} [near] the id of its place: its file is fetched when that comes near
 * @property {string} [button] the id of what opens it; with neither, it comes when all that is seen at first is there
 */

const NEAR = "200px";

export class Panels {
  #lazy;
  /** @type {Record<string, any>|null} */
  #page = null;
  #redraw;
  /** Those that are there or on their way. @type {Map<string, Promise<any>>} */
  #asked = new Map();
  /** @type {Map<string, Panel>} */
  #built = new Map();
  /** Who waits for a panel without asking for it. @type {[string, (panel: any) => void][]} */
  #waiting = [];

  /** @param {Record<string, Lazy>} lazy by name @param {() => void} redraw asks for a frame */
  constructor(lazy, redraw) {
    this.#lazy = lazy;
    this.#redraw = redraw;
  }

  /** From now on panels may come. @param {Record<string, any>} page what they are built from */
  serve(page) {
    this.#page = page;
    for (const [name, { near, button }] of Object.entries(this.#lazy)) {
      if (near) this.#whenNear(/** @type {HTMLElement} */ (document.getElementById(near)), name);
      else if (button) document.getElementById(button)?.addEventListener("click", async () => (await this.get(name)).open());
      else onceLoaded(() => this.get(name));
    }
  }

  /** @param {string} name @returns {Promise<any>} the panel, built when it is asked for first; fails where its file does not come */
  get(name) {
    const before = this.#asked.get(name);
    if (before) return before;
    const coming = this.#build(name);
    this.#asked.set(name, coming);
    coming.catch(() => this.#asked.delete(name)); // the next who asks tries again
    return coming;
  }

  /** @param {string} name @param {(panel: any) => void} call once it is there, whoever asks for it; the last call counts */
  once(name, call) {
    this.#waiting = [...this.#waiting.filter(([other]) => other !== name), [name, call]];
    this.#tell();
  }

  /** @param {import("../run/state.js").State} state @param {{plotly: any, palette: any}} drawing */
  draw(state, drawing) {
    for (const panel of this.#built.values()) panel.draw?.(state, drawing);
  }

  relabel() {
    for (const panel of this.#built.values()) panel.relabel?.();
  }

  /** @param {string} name @returns {Promise<any>} */
  async #build(name) {
    const { build } = await this.#lazy[name].load();
    const panel = build(this.#page);
    this.#built.set(name, panel);
    this.#tell();
    this.#redraw();
    return panel;
  }

  #tell() {
    const due = this.#waiting.filter(([name]) => this.#built.has(name));
    this.#waiting = this.#waiting.filter(([name]) => !this.#built.has(name));
    for (const [name, call] of due) call(this.#built.get(name));
  }

  /** @param {HTMLElement} element @param {string} name */
  #whenNear(element, name) {
    const near = new IntersectionObserver(
      async ([{ isIntersecting }]) => {
        if (!isIntersecting) return;
        near.disconnect();
        await this.get(name);
        element.dispatchEvent(new Event("built", { bubbles: true }));
        this.#redraw();
      },
      { rootMargin: NEAR },
    );
    near.observe(element);
  }
}
