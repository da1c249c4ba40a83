/** Chunks as the columns that Plotly draws, in one pass each. */

/** Half the wave's height: cos and its lengths above fit, an early prediction mostly. */
export const TOP = 1.55;
/** The numbers on its axis. */
export const TICKS = [-1, 0, 1];
/** Where the lengths stand. */
export const LABEL = 1.4;

/** @template T @param {T[]} row @returns {T} */
export function lastOf(row) {
  return row[row.length - 1];
}

/** While following, what is in view is enough. */
export function near(chunks, [from]) {
  const first = chunks.findIndex((chunk) => lastOf(chunk.phase[0]) >= from);
  return first > 0 ? chunks.slice(first) : chunks;
}

/**
 * Chunks as columns. A chunk is a forward pass of its own, so its prediction is a line of its own; target and
 * input are one signal and run on. `before` is the chunk that the first one's target goes on from.
 */
export function columns(chunks, before) {
  const target = { x: [], y: [] };
  const input = { x: [], y: [] };
  const prediction = { x: [], y: [], customdata: [] };
  const others = { target: { x: [], y: [] }, prediction: { x: [], y: [] } };
  if (before && chunks.length) {
    for (const column of [target, input]) column.x.push(lastOf(before.phase[0]));
    target.y.push(lastOf(before.target[0]));
    input.y.push(lastOf(before.input[0]));
  }
  for (const chunk of chunks) {
    const x = chunk.phase[0];
    for (let i = 0; i < x.length; i += 1) {
      const [wanted, got] = [chunk.target[0][i], chunk.prediction[0][i]];
      target.x.push(x[i]);
      target.y.push(wanted);
      input.x.push(x[i]);
      input.y.push(chunk.input[0][i]);
      prediction.x.push(x[i]);
      prediction.y.push(got);
      prediction.customdata.push([wanted, got - wanted]);
    }
    prediction.x.push(lastOf(x));
    prediction.y.push(null);
    prediction.customdata.push(null);
    for (let stream = 1; stream < chunk.streamIds.length; stream += 1) {
      others.target.x.push(...x, null);
      others.target.y.push(...chunk.target[stream], null);
      others.prediction.x.push(...x, null);
      others.prediction.y.push(...chunk.prediction[stream], null);
    }
  }
  return { target, input, prediction, others };
}

/** What each sample is off by, as upright lines; none without a chunk. */
export function residuals(chunk) {
  const lines = { x: [], y: [] };
  chunk?.phase[0].forEach((phase, i) => {
    lines.x.push(phase, phase, null);
    lines.y.push(chunk.target[0][i], chunk.prediction[0][i], null);
  });
  return lines;
}

export function join(left, right) {
  return { x: left.x.concat(right.x), y: left.y.concat(right.y) };
}

/** Seams as one broken line, lengths as one row of texts; only those in view while the view is ours. */
export function marks(chunks, [from, to], inViewOnly) {
  const seams = { x: [], y: [] };
  const labels = { x: [], y: [], text: [] };
  for (const chunk of chunks) {
    const x = chunk.phase[0];
    const [start, end] = [x[0], lastOf(x)];
    if (inViewOnly && (end < from || start > to)) continue;
    seams.x.push(start, start, null);
    seams.y.push(-TOP, TOP, null);
    const seen = Math.max(start, inViewOnly ? from : start);
    if (end - seen < 0.7) continue; // too little of it is in view for its length
    labels.x.push((seen + end) / 2);
    labels.y.push(LABEL);
    labels.text.push(String(chunk.length));
  }
  if (seams.x.length) {
    const end = lastOf(lastOf(chunks).phase[0]);
    seams.x.push(end, end, null);
    seams.y.push(-TOP, TOP, null);
  }
  return [seams, labels];
}
