/** Elements and their text. */

const INFO =
  '<svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><circle cx="10" cy="10" r="7.5"/>' +
  '<path d="M10 9.2v4.6M10 6.2v.1"/></svg>';

/** @returns {string} the ⓘ as markup */
export const infoIcon = () => INFO;

/** Screen readers repeat a text that was set again: only a new one is set. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, string>} attributes of which `say` and `sayLabel` name words of the page
 * @param {...(Node|string)} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function make(name, { say, sayLabel, ...attributes } = {}, ...children) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  if (say) element.dataset.say = say;
  if (sayLabel) element.dataset.sayLabel = sayLabel;
  element.append(...children);
  return element;
}

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name @param {...(Node|string)} children @returns {HTMLElementTagNameMap[Name]}
 */
export function made(name, ...children) {
  return make(name, {}, ...children);
}

/** @param {string} selector @param {ParentNode} root @returns {HTMLElement[]} */
export function elements(selector, root = document) {
  return [.../** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll(selector))];
}

/** Calls when all that the page names is there, failed or not: at once where that is so already. @param {() => void} call */
export function onceLoaded(call) {
  if (document.readyState === "complete") call();
  else addEventListener("load", call, { once: true });
}
