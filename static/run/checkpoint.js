/** A checkpoint as the page reads it: the JSON in its header, and the losses. */

export const LENGTH_BYTES = 8;

/** @param {ArrayBuffer} bytes @returns {number} of the header, as the file claims */
export function headerLength(bytes) {
  return Number(new DataView(bytes).getBigUint64(0, true));
}

/**
 * @param {ArrayBuffer} bytes one that the server sent, or anything else
 * @returns {{update: number, recipe: Record<string, any>, versions: Record<string, string>}} the run that its header tells of
 * @throws {Error} it tells of none
 */
export function runOf(bytes) {
  const run = JSON.parse(headerOf(bytes).__metadata__.unrolled);
  if (!Number.isSafeInteger(run.update) || typeof run.recipe !== "object") throw new Error("no run");
  return run;
}

/** @param {ArrayBuffer} bytes of a run @returns {Float32Array} the losses of its first updates; none where it tells of none */
export function lossesOf(bytes) {
  try {
    const [from, to] = headerOf(bytes).losses.data_offsets;
    const start = LENGTH_BYTES + headerLength(bytes);
    return new Float32Array(bytes.slice(start + from, start + to));
  } catch {
    return new Float32Array(0); // the server will say what is wrong with it
  }
}

/** @param {ArrayBuffer} bytes */
function headerOf(bytes) {
  return JSON.parse(decoded(new Uint8Array(bytes, LENGTH_BYTES, headerLength(bytes))));
}

/** @param {ArrayBuffer|Uint8Array} bytes @returns {string} @throws {TypeError} they are not UTF-8 */
export function decoded(bytes) {
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}
