/** Live changes: the log of a run. Each entry has the update that it came `after_update`, and live fields. Pure. */

/** @typedef {import("./messages.js").Change} Change */

/**
 * @param {Change[]} changes in any order
 * @returns {Change[]} in the order of their updates, one entry for each: what a slider made while the run rested is one
 */
export function inOrder(changes) {
  const merged = new Map();
  for (const change of changes) {
    const { after_update: after } = change;
    merged.set(after, merged.has(after) ? { ...merged.get(after), ...change } : change);
  }
  return [...merged.values()].sort((one, other) => one.after_update - other.after_update);
}

/** @param {Change} change @returns {Record<string, any>} the live fields that it sets */
export function fieldsOf({ after_update: _after, ...fields }) {
  return fields;
}

/** @param {Change[]} changes @param {number} update @returns {Change[]} those that are still to come after `update` */
export function ahead(changes, update) {
  return changes.filter((change) => change.after_update > update);
}

/** @param {Change[]} changes @param {string[]} names @returns {Change[]} without these fields, and without entries left empty */
export function without(changes, names) {
  const kept = (/** @type {[string, any]} */ [name]) => !names.includes(name);
  return changes
    .map(({ after_update, ...fields }) => ({ after_update, ...Object.fromEntries(Object.entries(fields).filter(kept)) }))
    .filter((change) => Object.keys(fieldsOf(change)).length > 0);
}

/**
 * @param {Record<string, any>} recipe that a run started from
 * @param {Change[]} changes in order
 * @param {number} update
 * @returns {Record<string, any>} the recipe that the update after `update` is made with
 */
export function recipeAfter(recipe, changes, update) {
  const now = { ...recipe };
  for (const change of changes) if (change.after_update <= update) Object.assign(now, fieldsOf(change));
  return now;
}
