import { duration } from "./figures.js";
import { GraphRow } from "./row.js";
import { chunkAt, places } from "./strip.js";

/** The nine kinds of graph, one row each, and what happened at the chunk under the pointer. */

/** @typedef {import("./state.js").Shown} Shown */

export class GraphTable {
  #at;
  #words;
  #dispatch;
  /** @type {Map<string, GraphRow>} */
  #rows = new Map();
  /** @type {Shown[]} */
  #shown = [];
  #phased = "";

  /**
   * @param {HTMLElement} element @param {import("../page/words.js").Words} words
   * @param {(message: Record<string, any>) => void} dispatch
   */
  constructor(element, words, dispatch) {
    this.#words = words;
    this.#dispatch = dispatch;
    const find = (name) => element.querySelector(`.${name}`);
    this.#at = { table: element, phases: find("phases"), tip: find("tip") };
    element.addEventListener("pointermove", (event) => this.#point(event));
    element.addEventListener("pointerleave", () => this.#leave());
    element.addEventListener("focusin", ({ target }) => this.#focus(target));
    element.addEventListener("focusout", () => dispatch({ type: "point", kind: null }));
  }

  /** @param {Shown[]} shown @param {import("./state.js").State} state */
  draw(shown, state) {
    this.#shown = shown;
    for (const each of shown) this.#row(each.kind).draw(each, state);
    if (shown.length > 0) this.#phases(shown[0].chunks);
  }

  #row(kind) {
    if (!this.#rows.has(kind)) {
      const row = new GraphRow(kind, this.#words, () => this.#dispatch({ type: "toggle", kind }));
      this.#rows.set(kind, row);
      this.#at.table.append(row.element);
    }
    return this.#rows.get(kind);
  }

  /** The names of the phases, each above its part of the strips. */
  #phases(chunks) {
    const { language } = this.#words;
    const drawn = `${language} ${chunks.length} ${chunks[0].length}`;
    if (drawn === this.#phased) return;
    this.#phased = drawn;
    const { at, width } = places(chunks);
    const first = (phase) => chunks.findIndex((chunk) => chunk.phase === phase);
    const names = ["known", "new", "streams"].filter((phase) => first(phase) >= 0);
    const known = chunks.filter(({ phase }) => phase === "known").map(({ length }) => length);
    const streams = chunks.filter(({ phase }) => phase === "streams").map((chunk) => chunk.streams);
    const values = {
      lengths: [...new Set(known)].sort((a, b) => a - b).join(" · "),
      fewest: Math.min(...streams),
      most: Math.max(...streams),
    };
    const spans = names.map((phase) => {
      const span = document.createElement("span");
      span.textContent = this.#words.say(`graphs.phase.${phase}`, values);
      span.style.left = `${((at[first(phase)] / width) * 100).toFixed(2)}%`;
      return span;
    });
    this.#at.phases.replaceChildren(...spans);
  }

  #point({ target, clientX, pointerType }) {
    const kind = target.closest("[data-kind]")?.dataset.kind;
    if (!kind) return this.#leave();
    this.#dispatch({ type: "point", kind });
    const strip = this.#rows.get(kind).strip.getBoundingClientRect();
    const part = (clientX - strip.left) / strip.width;
    if (part < 0 || part > 1 || pointerType === "touch") return this.#untip();
    const { row, chunks } = this.#shown.find((one) => one.kind === kind);
    const index = chunkAt(chunks, part);
    if (!row || index >= row.seconds.length) return this.#untip();
    const { tip, table } = this.#at;
    const { at, width } = places(chunks);
    const share = (at[index] + 0.35) / width;
    table.style.setProperty("--chunk", `${(share * 100).toFixed(2)}%`);
    table.classList.add("pointing");
    tip.textContent = this.#says(row, chunks[index], index);
    const ground = table.getBoundingClientRect();
    tip.hidden = false;
    const left = strip.left - ground.left + share * strip.width - tip.offsetWidth / 2;
    tip.style.left = `${Math.max(0, Math.min(left, ground.width - tip.offsetWidth))}px`;
    tip.style.top = `${strip.top - ground.top}px`;
    return undefined;
  }

  #says(row, chunk, index) {
    const failed = row.seconds[index] === null;
    const values = { ...chunk, number: index + 1, time: duration(row.seconds[index]), graphs: row.graphs[index] };
    return this.#words.say(failed ? "graphs.tip.failed" : "graphs.tip", values);
  }

  #focus(target) {
    const kind = target.closest("[data-kind]")?.dataset.kind;
    if (kind) this.#dispatch({ type: "point", kind });
  }

  #leave() {
    this.#untip();
    this.#dispatch({ type: "point", kind: null });
  }

  #untip() {
    this.#at.tip.hidden = true;
    this.#at.table.classList.remove("pointing");
  }
}
