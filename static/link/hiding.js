import { elements } from "../page/element.js";
import { excerpt } from "../page/refusal.js";

/**
 * What a teacher leaves out of the page. A name is a panel's (`data-panel`), or a panel's and one of its controls':
 * `network`, `recipe.noise`, `transport.step`. A control is known by its field, its preset, or its id.
 */

const PANELS = "[data-panel], [data-bar]";
const CONTROLS = "button, input, select, textarea, a, [data-field], [data-control]";

export class Hiding {
  #onChange;
  #sheet = new CSSStyleSheet();
  #notice = document.getElementById("notice");
  #stage = this.#notice.parentElement;
  /** @type {string[]} */
  names = [];

  /** @param {() => void} onChange the layout is another */
  constructor(onChange) {
    this.#onChange = onChange;
    document.adoptedStyleSheets.push(this.#sheet); // a control may be made later, or shown and hidden by its own part
  }

  /** @returns {{name: string, element: HTMLElement}[]} in the order of the page */
  get panels() {
    return elements(PANELS).map((element) => ({
      name: element.dataset.panel ?? element.dataset.bar,
      element,
    }));
  }

  /** @param {string[]} names of panels and controls */
  set(names) {
    if (names.join() === this.names.join()) return;
    this.names = names;
    for (const { name, element } of this.panels) element.hidden = names.includes(name);
    const controls = names.filter((name) => name.includes("."));
    const rules = controls.map((name) => `:is(${selectors(name)}) { display: none !important; }`);
    this.#sheet.replaceSync(rules.join("\n"));
    // what is said over the wave is said over the page where there is no wave
    (this.#stage.closest("[hidden]") ? document.body : this.#stage).append(this.#notice);
    this.#onChange();
  }

  /** @param {string} name @param {boolean} shown */
  show(name, shown) {
    const others = this.names.filter((other) => other !== name);
    this.set(shown ? others : [...others, name]);
  }

  /**
   * @param {string[]} names
   * @param {boolean} complete whether all controls are on the page by now
   * @returns {import("../run/link.js").Wrong|null} the first name that nothing has, and the names that there are
   */
  wrong(names, complete) {
    const panels = new Map(this.panels.map(({ name, element }) => [name, element]));
    for (const name of names) {
      const [panel, control] = name.split(".");
      if (!panels.has(panel)) return unknown(name, [...panels.keys()]);
      if (!control || !complete) continue;
      if (!document.querySelector(selectors(name))) return unknown(name, controlsOf(panel, panels.get(panel)));
    }
    return null;
  }
}

function unknown(text, names) {
  return { key: "link.wrong.hide", values: { text: excerpt(text), names: names.join(", ") } };
}

/** Where a control has a label around it, the label goes with it. */
function selectors(name) {
  const [panel, control] = name.split(".");
  const within = `:is([data-panel="${panel}"], [data-bar="${panel}"])`;
  const ways = ["field", "control", "preset"].map((way) => `[data-${way}="${control}"]`);
  return [...ways, `#${control}`, `label:has(#${control})`].map((way) => `${within} ${way}`).join(", ");
}

function controlsOf(panel, element) {
  const names = [...element.querySelectorAll(CONTROLS)]
    .filter((control) => control.dataset.field || !control.closest("[data-field]"))
    .map(({ dataset, id }) => dataset.field ?? dataset.control ?? dataset.preset ?? id);
  return [...new Set(names.filter(Boolean))].map((name) => `${panel}.${name}`);
}
