/**
 * What was refused of a recipe, for the page to say in its own words: the server's English names the field and what
 * came, the recipe's schema has the bounds.
 */

/** @typedef {{key: string, fields: string[], values: Record<string, any>}} Known words to use, and the fields that they name */

/** The lower end of a range must not pass its upper end. */
const RANGES = ["shortest,longest", "fewest_streams,most_streams"];
const VALUES = ["out_of_range", "wrong_type", "not_finite"];
const SHOWN = 60; // characters of what came

/** @param {string} text from outside @returns {string} as much of it as a sentence repeats */
export function excerpt(text) {
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

/**
 * @param {{code: string, field: string|null, detail: string}} problem
 * @param {Record<string, any>|null} schema of the recipe, once it is there
 * @returns {Known|null} null where the server alone knows what it says
 */
export function known({ code, field, detail }, schema) {
  if (!schema || !field) return null;
  const [, place, name] = /^(recipe\.|changes\.\d+\.|)(.*)$/s.exec(field) ?? ["", "", field];
  const property = Object.hasOwn(schema.properties, name) ? schema.properties[name] : null;
  const said = (/** @type {string} */ key, values = {}) => ({ key: `refusal.${key}`, fields: [name], values });
  if (code === "conflict") return ofRange(field, detail);
  if (code === "unknown_field" && place && !property) return said("unknown", { name: excerpt(name) });
  if (!property) return null;
  if (code === "unknown_field" && property.applies !== "live") return said("not_live");
  const value = came(detail.slice(field.length));
  if (value === null) return null;
  if (name === "weights") return said("model", { value });
  if (!VALUES.includes(code)) return null;
  const { minimum, maximum, type } = property;
  if (property.enum) return said("choice", { choices: property.enum.join(", "), value });
  if (type === "boolean") return said("switch", { value });
  if (code === "out_of_range") return said("bounds", { minimum, maximum, value });
  return said(type === "integer" ? "whole" : "number", { minimum, maximum, value });
}

/** @param {string} field @param {string} detail @returns {Known|null} */
function ofRange(field, detail) {
  const fields = field.split(", ").map((path) => path.replace(/^recipe\./, ""));
  const values = detail.match(/\(\d+\)/g)?.map((value) => value.slice(1, -1));
  if (!RANGES.includes(fields.join()) || values?.length !== 2) return null;
  return { key: "refusal.range", fields, values: { low: values[0], high: values[1] } };
}

/** The value in a sentence of the server's, as the page quotes it. @param {string} detail */
function came(detail) {
  const [, value] = /(?:, not|: no model) (.*?)(?:; GET \/models lists them)?$/s.exec(detail) ?? [];
  if (value === undefined) return null;
  const [, text] = /^(?:'(.*)'|"(.*)")…?$/s.exec(value)?.filter((part) => part !== undefined) ?? [];
  return text === undefined ? excerpt(value) : `“${excerpt(text)}”`;
}
