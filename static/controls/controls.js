import { throttled } from "../page/throttle.js";
import { buildField } from "./field.js";

/** The recipe's form, built from its schema: what applies live first, then what restarts the run. */

const LIVE_EVERY = 100; // ms while a slider is dragged
/** Lower and upper ends of a range: moving one past the other takes it along. */
const RANGES = [
  ["shortest", "longest"],
  ["fewest_streams", "most_streams"],
];

export class Controls {
  #form;
  #words;
  #on;
  #fields = new Map();
  #legends = [];
  #schema = null;
  #models = [];
  #recipe = null;
  #current = null;
  #asked = null; // the recipe that the next field's change builds on: two quick changes make one recipe

  /**
   * @param {HTMLFormElement} form
   * @param {import("../page/words.js").Words} words
   * @param {{live: (fields: Record<string, any>) => void, restart: (recipe: Record<string, any>) => void}} on
   */
  constructor(form, words, on) {
    this.#form = form;
    this.#words = words;
    this.#on = on;
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  /**
   * @param {Record<string, any>} schema of the Recipe
   * @param {{id: string, cell: string, hidden_size: number}[]} models that this server has
   */
  build(schema, models) {
    this.#schema = this.#words.schema = schema;
    this.#models = models;
    const groups = { live: this.#group("live", "⚡"), restart: this.#group("restart", "⟳") };
    const change = throttled(LIVE_EVERY, (fields) => this.#on.live(fields));
    for (const [name, property] of Object.entries(schema.properties)) {
      const live = property.applies === "live";
      const described = name === "weights" ? { ...property, choices: models.map(({ id }) => id) } : property;
      const field = buildField(name, described, this.#words, {
        input: (value) => live && this.#changes(name, value, change),
        change: (value) => this.#settled(name, value, live, property, change),
      });
      this.#fields.set(name, field);
      groups[live ? "live" : "restart"].append(field.element);
    }
    for (const group of Object.values(groups)) group.disabled = true; // until there are values to start from
    this.#form.replaceChildren(groups.live, groups.restart);
    this.#current = null;
  }

  /** @returns {Record<string, any>|null} the recipe with every default, once the schema is there */
  get defaults() {
    if (!this.#schema) return null;
    const entries = Object.entries(this.#schema.properties);
    return Object.fromEntries(entries.map(([name, property]) => [name, property.default]));
  }

  /** @returns {boolean} whether a complaint's field is one of the form's */
  has(path) {
    return this.#named(path).length > 0;
  }

  relabel() {
    for (const show of this.#legends) show();
    for (const field of this.#fields.values()) field.relabel();
  }

  /** @param {import("../run/state.js").State} state @param {import("../run/state.js").State|null} drawn */
  draw(state, drawn) {
    if (this.#fields.size === 0) return;
    if (state.current && state.current !== this.#current) this.#show(state);
    if (state.complaint !== drawn?.complaint) {
      if (state.complaint) this.#asked = state.current;
      const named = state.complaint ? this.#named(state.complaint.field) : [];
      for (const [name, field] of this.#fields) {
        field.complain(named[0] === name ? this.#words.refusal(state.complaint) : "");
      }
    }
  }

  /** A new run's recipe whole; of one that changed only what did, as another field may wait for its new run. */
  #show({ recipe, current }) {
    const isNew = recipe !== this.#recipe || this.#current === null;
    const names = [...this.#fields.keys()].filter((name) => isNew || current[name] !== this.#current[name]);
    this.#asked = isNew ? current : { ...this.#asked, ...Object.fromEntries(names.map((name) => [name, current[name]])) };
    this.#recipe = recipe;
    this.#current = current;
    for (const group of this.#form.children) group.disabled = false;
    for (const name of names) {
      const { element, show } = this.#fields.get(name);
      const busy = element.contains(document.activeElement) && document.activeElement.matches(":active");
      if (!busy) show(current[name]);
    }
  }

  #named(path) {
    return (path ?? "").split(/[^a-z_]+/).filter((name) => this.#fields.has(name));
  }

  #group(applies, mark) {
    const group = document.createElement("fieldset");
    group.dataset.applies = applies;
    const legend = document.createElement("legend");
    const show = () => (legend.textContent = `${mark} ${this.#words.say(`recipe.${applies}`)}`);
    show();
    this.#legends.push(show);
    group.append(legend);
    return group;
  }

  #settled(name, value, live, property, change) {
    const field = this.#fields.get(name);
    if (value === undefined) {
      const { minimum, maximum } = property;
      field.complain(this.#words.say("recipe.bounds", { minimum, maximum }));
      return;
    }
    field.complain("");
    if (live) this.#changes(name, value, change);
    else if (this.#asked) {
      this.#asked = this.#fitting({ ...this.#asked, [name]: value }, name);
      this.#on.restart(this.#asked);
    }
  }

  #changes(name, value, change) {
    if (this.#asked) this.#asked = { ...this.#asked, [name]: value };
    change({ [name]: value });
  }

  /** The other fields that must follow a new value of `name`. */
  #fitting(recipe, name) {
    for (const [low, high] of RANGES) {
      if (recipe[low] > recipe[high]) recipe[name === low ? high : low] = recipe[name];
    }
    const model = this.#models.find(({ id }) => id === recipe.weights);
    if (model && name === "weights") {
      recipe.cell = model.cell;
      recipe.hidden_size = model.hidden_size;
    } else if (model && (model.cell !== recipe.cell || model.hidden_size !== recipe.hidden_size)) {
      recipe.weights = "random";
    }
    return recipe;
  }
}
