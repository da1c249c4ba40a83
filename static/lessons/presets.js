/** Recipes worth seeing, one press each. Fields left out are the recipe's defaults; the seed stays. */

export const PRESETS = [
  { id: "endless", recipe: {} },
  { id: "static", recipe: { framework: "torch", shortest: 1, longest: 1, stop_after: 60 } },
  { id: "dynamic", recipe: { framework: "torch", shortest: 1, longest: 3, stop_after: 60 } },
  { id: "tensorflow", recipe: { framework: "tensorflow", stop_after: 60 } },
  { id: "no_memory", recipe: { carry_state: false } },
  { id: "gru", recipe: { cell: "gru" } },
  { id: "lstm", recipe: { cell: "lstm" } },
  { id: "streams", recipe: { fewest_streams: 1, most_streams: 4 } },
  { id: "pretrained", recipe: { weights: "sine", train: false } },
];

export class Presets {
  #buttons = new Map();
  #caption;
  #words;
  #current = null;
  #chosen = null;

  /**
   * @param {HTMLElement} group
   * @param {HTMLElement} caption
   * @param {import("../page/words.js").Words} words
   * @param {(recipe: Record<string, any>) => void} onChoice
   */
  constructor(group, caption, words, onChoice) {
    this.#caption = caption;
    this.#words = words;
    for (const { id, recipe } of PRESETS) {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.preset = id;
      button.dataset.say = `preset.${id}`;
      button.addEventListener("click", () => {
        if (!this.#explain(recipe)) onChoice(recipe);
      });
      for (const event of ["pointerenter", "focus"]) {
        button.addEventListener(event, () => this.#explain(recipe));
      }
      for (const event of ["pointerleave", "blur"]) button.addEventListener(event, () => this.relabel());
      this.#buttons.set(id, button);
      group.append(button);
    }
  }

  /** What the server lacks is known by now. */
  offer() {
    for (const { id, recipe } of PRESETS) {
      this.#buttons.get(id).setAttribute("aria-disabled", String(this.#lacks(recipe) !== ""));
    }
    this.relabel();
  }

  /** @param {Record<string, any>} recipe @returns {boolean} whether there was something to explain: that the server cannot run this recipe */
  #explain(recipe) {
    const lacks = this.#lacks(recipe);
    if (lacks) this.#caption.textContent = lacks;
    return lacks !== "";
  }

  /** @param {Record<string, any>} recipe */
  #lacks({ framework }) {
    return this.#words.lacking(framework);
  }

  relabel() {
    if (!this.#words.ready) return;
    for (const { id, recipe } of PRESETS) {
      this.#buttons.get(id).title = this.#lacks(recipe);
    }
    this.#caption.textContent = this.#words.say(`preset.${this.#chosen ?? "own"}.caption`);
  }

  /** @param {import("../run/state.js").State} state @param {Record<string, any>|null} defaults */
  draw(state, defaults) {
    if (!defaults || !state.current || state.current === this.#current) return;
    this.#current = state.current;
    this.#chosen = PRESETS.find(({ recipe }) => same({ ...defaults, ...recipe }, state.current))?.id ?? null;
    for (const [id, button] of this.#buttons) button.setAttribute("aria-pressed", String(id === this.#chosen));
    this.relabel();
  }
}

function same(wanted, current) {
  return Object.keys(wanted).every((name) => name === "seed" || wanted[name] === current[name]);
}
