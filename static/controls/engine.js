import { setText } from "../page/element.js";
import { throttled } from "../page/throttle.js";
import { short } from "../page/words.js";
import { otherEngine } from "../run/choices.js";
import { comparison } from "./comparison.js";

/**
 * Which engine makes the run, in one quiet line, with a button that has the other make it too, as a twin. Then the line
 * says how far apart the two are and how much longer one takes, as the updates that the page has of both tell it.
 */

const TELL_EVERY = 1000; // ms: figures that change oftener are not read

export class Engine {
  #words;
  #twin;
  #at;
  #state = null;
  #drawn = "";
  /** The chunks of both that were compared last. */
  #compared = [];
  #tell = throttled(TELL_EVERY, () => this.#compare());

  /** @param {import("../page/words.js").Words} words @param {import("./twin.js").Twin} twin */
  constructor(words, twin) {
    this.#words = words;
    this.#twin = twin;
    const at = (id) => document.getElementById(`engine-${id}`);
    this.#at = { says: at("says"), beside: at("beside"), apart: at("apart") };
    this.#at.beside.addEventListener("click", () => this.#choose());
  }

  /** @param {import("../run/state.js").State} state of the first run */
  draw(state) {
    if (!state.current) return;
    this.#state = state;
    const { framework } = state.current;
    const other = otherEngine(framework);
    const lacking = other ? this.#words.lacking(other) : "";
    const key = JSON.stringify([framework, lacking, state.isRecording, this.#isBeside, this.#words.language]);
    const compared = [state.chunks, this.#twin.inStep?.chunks];
    if (key !== this.#drawn) {
      this.#drawn = key;
      this.#write(framework, other, lacking);
    } else if (!this.#isBeside || compared.every((chunks, i) => chunks === this.#compared[i])) return;
    this.#compared = compared;
    this.#tell();
  }

  get #other() {
    return otherEngine(this.#state.current.framework);
  }

  get #isBeside() {
    return this.#other !== null && this.#twin.id === this.#other;
  }

  #choose() {
    if (this.#state) this.#twin.choose(this.#isBeside ? "" : this.#other);
  }

  #write(framework, other, lacking) {
    const { says, beside, apart } = this.#at;
    setText(says, `${this.#words.say(`engine.${framework}`)} ${lacking}`.trim());
    beside.hidden = other === null || lacking !== "" || this.#state.isRecording;
    if (other) setText(beside, this.#words.say(this.#isBeside ? "engine.alone" : `engine.beside.${other}`));
    apart.hidden = !this.#isBeside;
    if (this.#isBeside) this.#compare();
  }

  #compare() {
    if (!this.#isBeside) return;
    const twin = this.#twin.inStep;
    const found = twin && comparison(this.#state.chunks, twin.chunks);
    setText(this.#at.apart, found ? this.#sentences(found) : this.#words.say("engine.soon", { other: this.#name(this.#other) }));
  }

  #sentences({ count, prediction, loss, milliseconds }) {
    const names = [this.#state.current.framework, this.#other];
    const apart = this.#words.say("engine.apart", {
      other: this.#name(names[1]),
      count,
      prediction: short(prediction),
      loss: short(loss),
    });
    const [fast, slow] = milliseconds[0] <= milliseconds[1] ? [0, 1] : [1, 0];
    if (milliseconds[fast] === 0) return apart; // shorter than the clock's tick
    const pace = this.#words.say("engine.pace", {
      faster: this.#name(names[fast]),
      slower: this.#name(names[slow]),
      less: figure(milliseconds[fast]),
      more: figure(milliseconds[slow]),
      ratio: figure(milliseconds[slow] / milliseconds[fast]),
    });
    return `${apart} ${pace}`;
  }

  #name(framework) {
    return this.#words.say(`engine.name.${framework}`);
  }
}

/** In two digits. @param {number} value */
function figure(value) {
  return String(Number(value.toPrecision(2)));
}
