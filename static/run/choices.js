/** What a twin run may have otherwise than the first: one switch of its recipe. Pure. */

/** @typedef {{id: string, differs: Record<string, any>}} Choice what the twin's recipe has otherwise */

const FASTER = 4;

/** Each makes what the other makes. @param {string} framework @returns {string|null} the other engine; null for one of its own kind */
export const otherEngine = (framework) => ({ compiled: "torch", torch: "compiled" })[framework] ?? null;

/** @param {number} value @returns {number} a learning rate within bounds, in two digits as the slider has them */
export const asRate = (value) => Number(Math.min(1, Math.max(1e-5, value)).toPrecision(2));

/**
 * @param {Record<string, any>} recipe
 * @param {(framework: string) => boolean} isOffered whether the server has a framework
 * @returns {Choice[]} the switches that this recipe leaves to be changed
 */
export function choices(recipe, isOffered = () => true) {
  const { carry_state, shortest, longest, cell, framework, learning_rate, sampling } = recipe;
  const engine = otherEngine(framework);
  const middle = Math.round((shortest + longest) / 2);
  const fixed = shortest === longest;
  const rates = [
    { id: "faster", differs: { learning_rate: asRate(learning_rate * FASTER) } },
    { id: "slower", differs: { learning_rate: asRate(learning_rate / FASTER) } },
  ];
  const cells = framework === "tensorflow" ? [] : ["rnn", "gru", "lstm"].filter((other) => other !== cell);
  return [
    { id: carry_state ? "reset" : "carried", differs: { carry_state: !carry_state } },
    fixed
      ? { id: "random", differs: { shortest: 1, longest: Math.max(3, longest) } }
      : { id: "fixed", differs: { shortest: middle, longest: middle } },
    ...cells.map((other) => ({ id: other, differs: { cell: other, weights: "random" } })),
    ...rates.filter(({ differs }) => differs.learning_rate !== learning_rate),
    sampling === "tutorial"
      ? { id: "uniform", differs: { sampling: "uniform" } }
      : { id: "tutorial", differs: { sampling: "tutorial" } },
    ...(engine && isOffered(engine) ? [{ id: engine, differs: { framework: engine } }] : []),
  ];
}
