import { elements } from "./element.js";
import { known } from "./refusal.js";

/**
 * The page's words in one language, from i18n/<language>.json. Markup names its words with
 * `data-say` (text) and `data-say-label` (aria-label and title).
 */

export const LANGUAGES = ["en", "zh"];
const STORED = "unrolled.language";

export class Words {
  /** @type {Record<string, string>} */
  #table = {};
  language = "en";
  ready = false;
  /** The recipe's, once it is there: what its bounds are can be said in either language. @type {Record<string, any>|null} */
  schema = null;

  /** @param {string} language one of LANGUAGES */
  async load(language) {
    const answer = await fetch(`static/i18n/${language}.json`);
    if (!answer.ok) throw new Error(`no words for ${language}`);
    this.#table = await answer.json();
    this.language = language;
    this.ready = true;
    document.documentElement.lang = language === "zh" ? "zh-CN" : language;
    this.relabel(document);
  }

  /**
   * @param {string} key such as "transport.play"
   * @param {Record<string, string|number>} [values] for the {names} in the sentence
   * @returns {string} the key itself when it has no words, so that a gap is seen
   */
  say(key, values = {}) {
    const sentence = this.#table[key] ?? key;
    return sentence.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
  }

  /** @param {string} key @param {string} fallback @returns {string} the words for `key`, or `fallback` where there are none */
  sayOr(key, fallback) {
    return key in this.#table ? this.say(key) : fallback;
  }

  /**
   * A refusal in the reader's language. What the page does not know itself the server says in English: elsewhere that
   * stands in brackets, behind a sentence for its code that names the field as the page does.
   * @param {{code: string, field: string|null, detail: string}} problem
   */
  refusal(problem) {
    const { code, field, detail } = problem;
    const own = known(problem, this.schema);
    if (own) {
      const [first, second] = own.fields.map((name) => this.#fieldName(name));
      return this.say(own.key, { ...own.values, field: first, other: second });
    }
    const names = (field ?? "").split(", ").map((path) => this.#fieldName(path));
    const key = `code.${code}` in this.#table ? `code.${code}` : "code.other";
    return this.say(key, { field: names.join(this.say("code.and")), detail });
  }

  /**
   * @param {string} framework
   * @returns {string} that this server does not offer it, and what can be done; empty where it does, or as long as that is not known
   */
  lacking(framework) {
    const why = this.schema?.properties.framework.missing?.[framework];
    if (why === undefined) return "";
    const key = why.startsWith("pip install ") ? "framework.install" : "framework.withheld";
    return this.say(key, { name: this.say(`choice.${framework}`), why });
  }

  /** `changes.0.learning_rate` → Learning rate. A path that has no words stands as it is. @param {string} path */
  #fieldName(path) {
    if (!path) return this.say("code.whole");
    for (const part of path.split(".").reverse()) {
      for (const key of [`recipe.${part}`, `code.field.${part}`]) if (key in this.#table) return this.say(key);
    }
    return path;
  }

  /** @param {ParentNode} root */
  relabel(root) {
    for (const element of elements("[data-say]", root)) {
      element.textContent = this.say(element.dataset.say ?? "");
    }
    for (const element of elements("[data-say-label]", root)) {
      element.setAttribute("aria-label", this.say(element.dataset.sayLabel ?? ""));
    }
  }
}

/** @returns {string} from the address, else what was chosen before, else what the browser prefers */
export function preferredLanguage() {
  const asked = [
    new URLSearchParams(location.hash.slice(1)).get("lang"),
    new URLSearchParams(location.search).get("lang"),
    localStorage.getItem(STORED),
    ...navigator.languages,
  ];
  for (const tag of asked) {
    const language = tag?.toLowerCase().split("-")[0];
    if (language && LANGUAGES.includes(language)) return language;
  }
  return "en";
}

/** @param {string} language */
export function rememberLanguage(language) {
  localStorage.setItem(STORED, language);
}

/** A count of fixed width: 000,120. @param {number} count */
export function counter(count) {
  return String(count)
    .padStart(6, "0")
    .replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A count as the language groups it: 1,240. @param {number} count @param {string} language one of LANGUAGES */
export function grouped(count, language) {
  return count.toLocaleString(language === "zh" ? "zh-CN" : "en");
}

/** A loss in at most seven characters. @param {number|null} value */
export function short(value) {
  if (value === null) return "–";
  const size = Math.abs(value);
  if (size !== 0 && size < 1e-3) return value.toExponential(1);
  if (size >= 1000) return value.toExponential(1);
  return size < 10 ? value.toFixed(4) : value.toPrecision(4);
}
