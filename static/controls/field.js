import { infoIcon, made, make } from "../page/element.js";

/** One field of the recipe as a native control, its kind, bounds and help from the schema. */

/**
 * @typedef {object} Field
 * @property {HTMLElement} element
 * @property {(value: any) => void} show
 * @property {(sentence: string) => void} complain an empty sentence takes the complaint back
 * @property {() => void} relabel after a change of language
 */

/** A slider is of use up to this many values. */
const MOST_NOTCHES = 200;
/** From this ratio of maximum to minimum on, a slider moves in equal ratios. */
const LOGARITHMIC = 1000;
const NOTCHES = 200;

/**
 * @param {string} name
 * @param {Record<string, any>} schema of this property
 * @param {import("../page/words.js").Words} words
 * @param {{input: (value: any) => void, change: (value: any) => void}} on every movement; a settled value
 * @returns {Field}
 */
export function buildField(name, schema, words, on) {
  const element = document.createElement("div");
  element.className = "field";
  element.dataset.field = name;
  const parts = kindOf(schema)(`recipe-${name}`, schema, words, on);
  const label = parts.group ? made("span") : make("label", { for: `recipe-${name}` });
  label.id = `label-${name}`;
  const about = document.createElement("button");
  about.type = "button";
  about.className = "about";
  about.innerHTML = infoIcon();
  const help = document.createElement("p");
  help.className = "help";
  help.id = `help-${name}`;
  help.dataset.says = "field";
  help.hidden = true;
  about.setAttribute("aria-controls", help.id);
  about.setAttribute("aria-expanded", "false");
  about.addEventListener("click", () => {
    help.hidden = !help.hidden;
    about.setAttribute("aria-expanded", String(!help.hidden));
  });
  const wrong = document.createElement("p");
  wrong.className = "wrong";
  wrong.id = `wrong-${name}`;
  wrong.setAttribute("role", "alert");
  wrong.hidden = true;
  const named = document.createElement("div");
  named.className = "name";
  named.append(label, about);
  const value = document.createElement("div");
  value.className = "value";
  value.append(parts.control);
  element.append(named, value, ...(parts.slider ? [parts.slider] : []), wrong, help);
  for (const control of [parts.control, parts.slider]) {
    control?.setAttribute("aria-describedby", `${help.id} ${wrong.id}`);
    if (control === parts.slider || parts.group) control?.setAttribute("aria-labelledby", label.id);
  }
  for (const radio of parts.control.querySelectorAll("input")) radio.setAttribute("aria-describedby", help.id);
  const relabel = () => {
    label.textContent = words.sayOr(`recipe.${name}`, schema.title);
    help.textContent = words.sayOr(`recipe.${name}.help`, schema.description);
    const unit = schema.unit && words.sayOr(`unit.${schema.unit}`, schema.unit);
    if (unit) help.append(aside(words.say("recipe.unit", { unit })));
    about.setAttribute("aria-label", words.say("recipe.about", { name: label.textContent }));
    parts.relabel?.();
  };
  relabel();
  return {
    element,
    show: parts.show,
    relabel,
    complain(sentence) {
      wrong.textContent = sentence;
      wrong.hidden = !sentence;
      element.classList.toggle("has-wrong", Boolean(sentence));
    },
  };
}

function aside(text) {
  const element = document.createElement("small");
  element.textContent = text;
  return element;
}

function kindOf(schema) {
  if (schema.type === "boolean") return yesOrNo;
  if (schema.enum) return oneOf;
  if (schema.type === "string") return model;
  return number;
}

function yesOrNo(id, schema, words, on) {
  const control = document.createElement("input");
  control.type = "checkbox";
  control.className = "switch";
  control.setAttribute("role", "switch");
  control.id = id;
  control.addEventListener("change", () => on.change(control.checked));
  return { control, show: (value) => (control.checked = value) };
}

function oneOf(id, schema, words, on) {
  const control = document.createElement("div");
  control.className = "segmented";
  control.setAttribute("role", "radiogroup");
  control.id = id;
  const radios = schema.enum.map((choice) => {
    const label = document.createElement("label");
    const radio = document.createElement("input");
    radio.type = "radio";
    radio.name = id;
    radio.value = choice;
    radio.addEventListener("change", () => on.change(choice));
    label.append(radio, document.createElement("span"));
    control.append(label);
    return radio;
  });
  return {
    control,
    group: true,
    show: (value) => radios.forEach((radio) => (radio.checked = radio.value === value)),
    relabel: () =>
      radios.forEach((radio) => {
        radio.nextSibling.textContent = words.sayOr(`choice.${radio.value}`, radio.value);
      }),
  };
}

/** A model of this server, or random weights. Models are added to the list when the server has named them. */
function model(id, schema, words, on) {
  const control = document.createElement("select");
  control.id = id;
  const offer = (value) => {
    if ([...control.options].some((option) => option.value === value)) return;
    control.add(new Option(words.sayOr(`choice.${value}`, value), value));
  };
  offer(schema.default);
  for (const choice of schema.choices ?? []) offer(choice);
  control.addEventListener("change", () => on.change(control.value));
  return {
    control,
    show(value) {
      offer(value);
      control.value = value;
    },
    relabel: () => {
      for (const option of control.options) option.text = words.sayOr(`choice.${option.value}`, option.value);
    },
  };
}

function number(id, schema, words, on) {
  const { minimum, maximum, type } = schema;
  const whole = type === "integer";
  const control = document.createElement("input");
  control.type = "number";
  control.id = id;
  control.min = minimum;
  control.max = maximum;
  control.step = whole ? "1" : "any";
  control.inputMode = whole ? "numeric" : "decimal";
  const scale = scaleOf(schema);
  control.classList.toggle("wide", !scale);
  const slider = scale && document.createElement("input");
  let typing = false;
  const show = (value) => {
    if (typing && document.activeElement === control) return;
    control.value = String(value);
    if (slider) slider.value = String(scale.notch(value));
  };
  control.addEventListener("input", () => (typing = true));
  control.addEventListener("blur", () => (typing = false));
  control.addEventListener("change", () => {
    typing = false;
    const value = Number(control.value);
    const fits = control.value.trim() !== "" && value >= minimum && value <= maximum;
    control.setCustomValidity(fits ? "" : "out of bounds");
    if (fits) {
      show(value);
      on.input(value);
    }
    on.change(fits ? value : undefined);
  });
  if (slider) {
    slider.type = "range";
    slider.min = "0";
    slider.max = String(scale.notches);
    slider.id = `${id}-slider`;
    slider.addEventListener("input", () => {
      const value = scale.value(Number(slider.value));
      control.value = String(value);
      slider.setAttribute("aria-valuetext", control.value);
      on.input(value);
    });
    slider.addEventListener("change", () => on.change(scale.value(Number(slider.value))));
  }
  return { control, slider, show };
}

/** Slider notches ↔ values, or null where a slider could not hit a value. */
function scaleOf({ minimum, maximum, type }) {
  if (type === "integer") {
    if (maximum - minimum > MOST_NOTCHES) return null;
    return { notches: maximum - minimum, value: (notch) => minimum + notch, notch: (value) => value - minimum };
  }
  const round = (value) => Math.min(maximum, Math.max(minimum, Number(value.toPrecision(2))));
  if (minimum > 0 && maximum / minimum >= LOGARITHMIC) {
    const ratio = Math.log(maximum / minimum) / NOTCHES;
    return {
      notches: NOTCHES,
      value: (notch) => round(minimum * Math.exp(ratio * notch)),
      notch: (value) => Math.round(Math.log(value / minimum) / ratio),
    };
  }
  const size = (maximum - minimum) / NOTCHES;
  return {
    notches: NOTCHES,
    value: (notch) => round(minimum + size * notch),
    notch: (value) => Math.round((value - minimum) / size),
  };
}
