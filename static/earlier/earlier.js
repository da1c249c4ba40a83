import { made, make } from "../page/element.js";
import { grouped } from "../page/words.js";

/** The latest runs of this browser, under the panel of the run: any of them goes on where it stood. */

/** @typedef {import("./runs.js").EarlierRun} EarlierRun */

/** @param {{words: import("../page/words.js").Words, shelf: import("./shelf.js").Shelf}} page */
export const build = ({ words, shelf }) => new Earlier(words, shelf);

export class Earlier {
  #words;
  #shelf;
  #at;
  /** @type {EarlierRun[]} */
  #runs = [];
  #run = 0;

  /** @param {import("../page/words.js").Words} words @param {import("./shelf.js").Shelf} shelf */
  constructor(words, shelf) {
    this.#words = words;
    this.#shelf = shelf;
    const at = (id) => document.getElementById(id);
    this.#at = { details: at("earlier"), list: at("earlier-runs"), says: at("earlier-says") };
    this.#at.details.addEventListener("toggle", () => this.#look());
    this.#look(); // it may have been opened before this was there
  }

  /** A run that has just been left is one of them. @param {import("../run/state.js").State} state */
  draw({ run }) {
    if (run !== this.#run) this.#look();
    this.#run = run;
  }

  relabel() {
    if (!this.#at.details.open) return;
    this.#at.list.replaceChildren(...this.#runs.map((run) => this.#row(run)));
    this.#at.says.textContent = this.#runs.length ? "" : this.#words.say("earlier.none");
  }

  async #look() {
    if (!this.#at.details.open) return;
    this.#runs = await this.#shelf.earlier();
    this.relabel();
  }

  #row(run) {
    const { recipe, update, loss } = run.shown;
    const what = this.#words.say("earlier.run", { cell: recipe.cell.toUpperCase(), seed: recipe.seed, units: recipe.hidden_size });
    const goOn = make("button", { type: "button", class: "ghost", "data-testid": "earlier-continue" });
    goOn.textContent = this.#words.say("notice.act.continue", { update: grouped(update, this.#words.language) });
    goOn.addEventListener("click", () => this.#goOn(run));
    const forget = make("button", { type: "button", class: "ghost", "data-testid": "earlier-forget", say: "earlier.forget" });
    forget.addEventListener("click", () => this.#forget(run));
    const rest = Number.isFinite(loss) ? this.#words.say("earlier.loss", { loss: loss.toPrecision(3) }) : "";
    const when = make("span", { class: "caption" }, [this.#when(run.saved), rest].filter(Boolean).join(" · "));
    const row = made("li", made("span", what), when, goOn, forget);
    this.#words.relabel(row);
    return row;
  }

  #when(saved) {
    return new Date(saved).toLocaleString(this.#words.language === "zh" ? "zh-CN" : "en", { dateStyle: "medium", timeStyle: "short" });
  }

  async #goOn(run) {
    if (await this.#shelf.goOn(run)) {
      this.#at.details.open = false;
      return;
    }
    this.#at.says.textContent = this.#words.say("earlier.taken");
  }

  async #forget(run) {
    await this.#shelf.forget(run);
    this.#look();
  }
}
