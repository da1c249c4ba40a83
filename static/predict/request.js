/** What the predict panel sends: sequences made or pasted, as the body of POST /predict and as a curl. */

const DECIMALS = 6;

/**
 * @typedef {object} Question
 * @property {number[]} x where each sample stands: phase in units of π, or its number
 * @property {number[]} sequence
 * @property {number[]|null} target the truth, where it is known
 * @property {"phase"|"sample"} over
 */

/**
 * @param {number} samples
 * @param {number} interval between two samples, in units of π
 * @param {number} phase of the first one, in units of π
 * @returns {Question}
 */
export function sine(samples, interval, phase) {
  const x = Array.from({ length: samples }, (_, i) => rounded(phase + i * interval));
  return {
    x,
    sequence: x.map((at) => rounded(Math.sin(at * Math.PI))),
    target: x.map((at) => rounded(Math.cos(at * Math.PI))),
    over: "phase",
  };
}

/**
 * @param {string} text numbers between commas, semicolons, brackets or spaces
 * @returns {Question}
 * @throws {SyntaxError} its message is the first word that is not a number; empty when there is none at all
 */
export function pasted(text) {
  const words = text.split(/[\s,;[\]]+/).filter(Boolean);
  const wrong = words.find((word) => !Number.isFinite(Number(word)));
  if (wrong !== undefined || words.length === 0) throw new SyntaxError(wrong ?? "");
  const sequence = words.map(Number);
  return { x: sequence.map((_, i) => i + 1), sequence, target: null, over: "sample" };
}

/** @param {Question} question @param {string|null} state @param {string|null} model id @returns {string} JSON */
export function bodyOf({ sequence, target }, state, model = null) {
  return JSON.stringify({ sequence, ...(target && { target }), ...(state && { state }), ...(model && { model }) });
}

/** @param {string} url @param {string} body JSON, which holds no single quote here */
export function curlOf(url, body) {
  return `curl -s '${url}' -H 'Content-Type: application/json' -d '${body}'`;
}

function rounded(value) {
  return Number(value.toFixed(DECIMALS)) + 0;
}
