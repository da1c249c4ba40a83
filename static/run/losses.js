/** The losses of a run, bounded, and the floors that they are under: part of what `state.js` folds. Pure. */

/**
 * Losses of the whole run in at most LOSS_POINTS points; each is the mean of `stride` chunks.
 * @typedef {object} LossPoint
 * @property {number} update the last update in it
 * @property {number} loss
 * @property {number} recentMean the mean of the last RECENT chunks at that update
 * @property {number} count how many chunks are in it so far
 */

/**
 * Where the mean of the last RECENT chunks stands to a floor that it has been under: since which update, or, where it
 * is above again, since which it had been.
 * @typedef {{since: number, under: boolean}} Reach
 */

/** Points that the loss chart draws at most, however long the run. */
export const LOSS_POINTS = 600;
/** The mean of this many chunks is what a floor is held against. */
export const RECENT = 50;

/**
 * @param {Pick<import("./state.js").State, "update"|"losses"|"recent">} state
 * @param {{update: number, loss: number}[]} fresh updates
 * @returns {{losses: {stride: number, points: LossPoint[]}, recent: number[]}}
 */
export function withLosses(state, fresh) {
  const { stride, points } = state.losses;
  const next = points.slice();
  let { recent } = state;
  for (const { update, loss } of fresh) {
    recent = recent.concat(loss).slice(-RECENT);
    const recentMean = meanOf(recent);
    const last = next[next.length - 1];
    if (last && last.count < stride) {
      const count = last.count + 1;
      next[next.length - 1] = { update, loss: last.loss + (loss - last.loss) / count, recentMean, count };
    } else {
      next.push({ update, loss, recentMean, count: 1 });
    }
  }
  let losses = { stride, points: next };
  while (losses.points.length > LOSS_POINTS) losses = halved(losses);
  return { losses, recent };
}

/** @param {{stride: number, points: LossPoint[]}} losses @returns {{stride: number, points: LossPoint[]}} */
function halved({ stride, points }) {
  const pairs = [];
  for (let i = 0; i < points.length; i += 2) {
    const [left, right] = [points[i], points[i + 1]];
    if (!right) {
      pairs.push(left);
      continue;
    }
    const count = left.count + right.count;
    const loss = (left.loss * left.count + right.loss * right.count) / count;
    pairs.push({ update: right.update, loss, recentMean: right.recentMean, count });
  }
  return { stride: stride * 2, points: pairs };
}

/**
 * The floors that the newest chunks are under. Whoever starts from zeros carries nothing across the seam: there the
 * lower floor is passed by chance at most, so it is held only against chunks that all started from a carried state.
 * @param {import("./state.js").State} state @param {number[]} recent @param {number} carriedFor
 * @returns {string[]} names of floors
 */
function floorsAbove({ floors }, recent, carriedFor) {
  if (recent.length < RECENT) return [];
  const mean = meanOf(recent);
  return Object.keys(floors).filter(
    (name) => floors[name] && mean < (floors[name] ?? 0) && (name !== "no_carry" || carriedFor >= RECENT),
  );
}

/**
 * Judged anew with every update: how many came in one message is the network's doing, not the run's.
 * @param {import("./state.js").State} state
 * @param {{update: number, loss: number, carried: boolean}[]} fresh updates
 * @returns {{carriedFor: number, reached: Record<string, Reach>}} what was reached by the floor's name
 */
export function withReached(state, fresh) {
  let { recent, carriedFor, reached } = state;
  for (const { update, loss, carried } of fresh) {
    recent = recent.concat(loss).slice(-RECENT);
    carriedFor = carried ? carriedFor + 1 : 0;
    reached = judged(reached, floorsAbove(state, recent, carriedFor), update);
  }
  return { carriedFor, reached };
}

/** @param {Record<string, Reach>} before @param {string[]} above @param {number} update @returns {Record<string, Reach>} */
function judged(before, above, update) {
  const was = Object.keys(before).filter((name) => before[name].under);
  if (above.join() === was.join()) return before;
  /** @type {Record<string, Reach>} */
  const reached = {};
  for (const [name, reach] of Object.entries(before)) reached[name] = { ...reach, under: above.includes(name) };
  for (const name of above) if (!was.includes(name)) reached[name] = { since: update, under: true };
  return reached;
}

/** @param {number[]} values */
function meanOf(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
