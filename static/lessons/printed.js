import { short } from "../page/words.js";

/** The parts that the tutorial prints: chunk lengths and the network. */

export class Printed {
  #words;
  #at;
  #earlier = document.createTextNode("");
  #newest = document.createElement("b");

  /** @param {import("../page/words.js").Words} words */
  constructor(words) {
    this.#words = words;
    const at = (id) => document.getElementById(id);
    this.#at = {
      wave: at("wave-prediction"),
      print: at("print"),
      printNetwork: at("print-network"),
      asPrinted: at("network-as-printed"),
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

  /** @param {import("../run/state.js").State} state @param {import("../run/state.js").State|null} drawn */
  draw(state, drawn) {
    const framework = state.current?.framework;
    const tensorflow = framework === "tensorflow";
    if (tensorflow && (state.meanLoss !== drawn?.meanLoss || state.current !== drawn?.current)) {
      const values = { step: Math.max(0, state.update - 1), loss: short(state.meanLoss) };
      this.#earlier.data = "";
      this.#newest.textContent = this.#words.say("wave.step", values);
    } else if (!tensorflow && (state.lengths !== drawn?.lengths || state.current !== drawn?.current)) {
      this.#earlier.data = state.lengths.slice(0, -1).join(" ") + " ";
      this.#newest.textContent = String(state.lengths.at(-1) ?? "");
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
      this.#at.wave.dataset.say = tensorflow ? "wave.prediction_after" : "wave.prediction";
      this.#at.wave.textContent = this.#words.say(this.#at.wave.dataset.say);
      this.#at.print.textContent = tensorflow ? "print(training_loss / (step + 1))" : "print(len(steps))";
      this.#at.printNetwork.textContent = tensorflow ? "tf.Graph()" : "print(rnn)";
      this.#at.asPrinted.hidden = framework !== "compiled";
      const { cell, hidden_size, shortest, longest, seed } = state.current;
      const lengths = shortest === longest ? shortest : `${shortest}–${longest}`;
      const values = { cell: cell.toUpperCase(), hidden_size, lengths, seed };
      this.#at.summary.textContent = this.#words.say("recipe.summary", values);
    }
  }
}
