import { excerpt } from "../page/refusal.js";
import { LANGUAGES } from "../page/words.js";
import { fieldsOf, inOrder } from "./changes.js";
import { DEFAULT_PACE, MOST_CHANGES, PACE } from "./limits.js";

/**
 * A run as a link: the fragment of the page's address ↔ what it says. Pure; docs/links.md describes the words.
 *
 *     #seed=3&cell=gru&change=31:learning_rate=0.005,carry_state=false&pace=max&lang=zh&hide=network,recipe.noise&tour=1
 *
 * What stands alone by its name is a field of the recipe, whatever the name: the server knows which there are.
 */

/**
 * @typedef {object} Link
 * @property {Record<string, any>} recipe fields that differ from the default
 * @property {import("./changes.js").Change[]} changes live changes, each with the update it came `after_update`
 * @property {number|"max"|null} pace
 * @property {string|null} language
 * @property {string|null} theme
 * @property {string[]} hidden names of panels and of their controls
 * @property {number|null} tour the station to start at, from 1
 * @property {string|null} twin what the twin run has otherwise
 * @property {Wrong|null} wrong what keeps it from being opened, as far as that shows without a server
 */

/** A sentence: a key of the page's words and the values in it. @typedef {{key: string, values: Record<string, any>}} Wrong */

/**
 * What a link shows beside the run.
 * @typedef {object} View
 * @property {Record<string, any>} defaults of the recipe
 * @property {string|null} [language] where it was chosen, not merely the browser's own
 * @property {string|null} [theme] likewise
 * @property {string[]} [hidden]
 * @property {number|null} [tour]
 * @property {string|null} [twin]
 */

export { MOST_CHANGES, PACE };

const THEMES = ["light", "dark"];
const STATIONS = 8;
/** A run with the longest change log that a server takes needs fewer characters; far more would end its connection. */
export const LONGEST = 2 ** 17;

const NUMBER = /^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const CHANGE = /^(\d+):(.+)$/;
const NAME = /^[a-z][\w-]*(\.[a-z][\w-]*)?$/i;
/** Fields that are text even where the text looks like a number, as a model's id may. */
const TEXTS = ["weights"];

/** @param {string} hash of an address @returns {boolean} whether it says something; otherwise it is a place on the page */
export function isLink(hash) {
  return hash.includes("=");
}

/** @param {string} hash with its # or empty @returns {Link} */
export function readLink(hash) {
  const link = nothing();
  if (!isLink(hash)) return link;
  if (hash.length > LONGEST) {
    refuse(link, "long", { most: LONGEST, length: hash.length });
    return link;
  }
  const recipe = [];
  const seen = new Set();
  for (const [name, text] of new URLSearchParams(hash.slice(1))) {
    if (name === "change") {
      link.changes.push(changeOf(text, link));
      continue;
    }
    if (seen.has(name)) refuse(link, "twice", { name: excerpt(name) });
    seen.add(name);
    if (Object.hasOwn(VIEW, name)) VIEW[name](text, link);
    else recipe.push([name, valueOf(name, text)]);
  }
  const { length } = link.changes;
  if (length > MOST_CHANGES) refuse(link, "changes", { most: MOST_CHANGES, length });
  link.recipe = Object.fromEntries(recipe);
  return link;
}

/**
 * @param {{recipe: Record<string, any>, changes: import("./changes.js").Change[], pace: number|"max"}} state
 * @param {View} view
 * @returns {string} the fragment with its #, or nothing where all is as it comes
 */
export function writeLink({ recipe, changes, pace }, view) {
  const { defaults, language, theme, hidden = [], tour, twin } = view;
  const said = Object.entries(recipe).filter(([name, value]) => value !== defaults[name]);
  for (const change of inOrder(changes)) {
    const values = Object.entries(fieldsOf(change)).map(([name, value]) => `${name}=${value}`);
    said.push(["change", `${change.after_update}:${values.join(",")}`]);
  }
  if (pace !== DEFAULT_PACE) said.push(["pace", pace]);
  if (twin) said.push(["twin", twin]);
  if (language) said.push(["lang", language]);
  if (theme) said.push(["theme", theme]);
  if (hidden.length) said.push(["hide", hidden.join(",")]);
  if (tour) said.push(["tour", tour]);
  return said.length ? `#${said.map(([name, value]) => `${name}=${escaped(value)}`).join("&")}` : "";
}

/** @returns {Link} */
function nothing() {
  const view = { pace: null, language: null, theme: null, hidden: [], tour: null, twin: null };
  return { recipe: {}, changes: [], ...view, wrong: null };
}

/** The first thing that is wrong is the one that is told. @param {Link} link @param {string} what @param {Wrong["values"]} values */
function refuse(link, what, values) {
  link.wrong ??= { key: `link.wrong.${what}`, values };
}

/** What a link says of the page, word by word. @type {Record<string, (text: string, link: Link) => void>} */
const VIEW = {
  pace(text, link) {
    const pace = valueOf("pace", text);
    const fits = typeof pace === "number" && pace >= PACE.slowest && pace <= PACE.fastest;
    if (fits || pace === "max") link.pace = pace;
    else refuse(link, "pace", { ...PACE, text: excerpt(text) });
  },
  twin: (text, link) => (link.twin = text),
  lang(text, link) {
    const language = text.toLowerCase().split("-")[0];
    if (LANGUAGES.includes(language)) link.language = language;
    else refuse(link, "word", { name: "lang", text: excerpt(text), words: LANGUAGES.join(", ") });
  },
  theme(text, link) {
    if (THEMES.includes(text)) link.theme = text;
    else refuse(link, "word", { name: "theme", text: excerpt(text), words: THEMES.join(", ") });
  },
  hide(text, link) {
    link.hidden = [...new Set(text.split(",").filter(Boolean))];
    const bad = link.hidden.find((name) => !NAME.test(name));
    if (bad !== undefined) refuse(link, "name", { text: excerpt(bad) });
  },
  tour(text, link) {
    const station = Number(text);
    if (/^\d+$/.test(text) && station >= 1 && station <= STATIONS) link.tour = station;
    else refuse(link, "tour", { text: excerpt(text), last: STATIONS });
  },
};

/** @param {string} text @param {Link} link @returns {import("./changes.js").Change} nothing where it is wrong: the link is not opened then */
function changeOf(text, link) {
  const [, after, fields] = CHANGE.exec(text) ?? [];
  const pairs = (fields ?? "").split(",").map((field) => /^(\w+)=(.*)$/.exec(field)?.slice(1) ?? []);
  if (pairs.some((pair) => pair.length === 0)) {
    refuse(link, "change", { text: excerpt(text) });
    return /** @type {any} */ ({});
  }
  const seen = new Set(["after_update"]); // which stands before the colon
  for (const [name] of pairs) {
    if (seen.has(name)) refuse(link, "change_twice", { name: excerpt(name), text: excerpt(text) });
    seen.add(name);
  }
  const values = pairs.map(([name, value]) => [name, valueOf(name, value)]);
  return { ...Object.fromEntries(values), after_update: Number(after) };
}

/** A value by its look: the recipe's schema is not there yet when the run is opened. @param {string} name @param {string} text */
function valueOf(name, text) {
  if (TEXTS.includes(name)) return text;
  if (text === "true" || text === "false") return text === "true";
  return NUMBER.test(text) && Number.isFinite(Number(text)) ? Number(text) : text;
}

/** As little as must be is escaped: a link is also read by people. @param {any} value */
function escaped(value) {
  return encodeURIComponent(String(value)).replace(/%(2C|3A|3D)/g, decodeURIComponent);
}
