import { elements } from "./element.js";
import { rememberLanguage } from "./words.js";

/** The language that the page speaks, and the buttons that choose it. */

export class Language {
  #words;
  #onSpoken;
  #buttons = elements("[data-language]");

  /**
   * @param {import("./words.js").Words} words
   * @param {object} on
   * @param {(language: string) => void} on.chosen by the visitor
   * @param {() => void} on.spoken the words are there: what has words of its own writes them anew
   */
  constructor(words, { chosen, spoken }) {
    this.#words = words;
    this.#onSpoken = spoken;
    for (const button of this.#buttons) {
      button.addEventListener("click", () => {
        const language = /** @type {string} */ (button.dataset.language);
        rememberLanguage(language);
        chosen(language);
        this.speak(language);
      });
    }
  }

  /** @param {string} language one of LANGUAGES */
  async speak(language) {
    await this.#words.load(language);
    for (const button of this.#buttons) button.setAttribute("aria-pressed", String(button.dataset.language === language));
    this.#onSpoken();
  }
}
