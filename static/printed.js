/** The parts that the tutorial prints: chunk lengths and the network. */

export class Printed {
  #words;
  #at;
  #earlier = document.createTextNode("");
  #newest = document.createElement("b");

  /** @param {import("./words.js").Words} words */
  constructor(words) {
    this.#words = words;
    const at = (id) => document.getElementById(id);
    this.#at = {
      text: at("network-text"),
      parameters: at("network-parameters"),
      loss: at("loss-caption"),
      summary: at("recipe-summary"),
    };
    const line = document.createElement("bdo");
    line.dir = "ltr";
    line.append(this.#earlier, this.#newest);
    at("lengths").append(line);
  }

  /** @param {import("./state.js").State} state @param {import("./state.js").State|null} drawn */
  draw(state, drawn) {
    if (state.lengths !== drawn?.lengths) {
      this.#earlier.data = state.lengths.slice(0, -1).join(" ") + " ";
      this.#newest.textContent = state.lengths.at(-1) ?? "";
    }
    if (state.network && state.network !== drawn?.network) {
      this.#at.text.textContent = state.network.text;
      const count = state.network.parameters.toLocaleString("en");
      this.#at.parameters.textContent = this.#words.say("network.parameters", { count });
    }
    if (state.losses.stride !== drawn?.losses.stride) {
      const { stride } = state.losses;
      this.#at.loss.textContent = stride > 1 ? this.#words.say("loss.stride", { count: stride }) : "";
    }
    if (state.current && state.current !== drawn?.current) {
      const { cell, hidden_size, shortest, longest, seed } = state.current;
      const lengths = shortest === longest ? shortest : `${shortest}–${longest}`;
      const values = { cell: cell.toUpperCase(), hidden_size, lengths, seed };
      this.#at.summary.textContent = this.#words.say("recipe.summary", values);
    }
  }
}
