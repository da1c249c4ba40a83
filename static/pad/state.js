/** What the pad shows, as a pure function of messages: the page's own and those of /ws/predict. */

/** Samples that are kept: more than a wide screen shows. */
export const KEPT = 320;

/**
 * @typedef {object} PadState
 * @property {"off"|"connecting"|"live"|"lost"|"full"|"refused"} stage of the socket
 * @property {{code: string, field: string, detail: string}|null} problem what the server refused
 * @property {number[]|null} interval radians from sample to sample that the model was trained for
 * @property {number} first the number of the oldest sample kept
 * @property {number[]} x samples, oldest first
 * @property {(number|null)[]} target the true answer to each, where it is known
 * @property {number[]} y answers, from the oldest sample on; newer samples may have none yet
 * @property {number} forgetting resets that the server has not answered
 */

/** @returns {PadState} */
export function initialState() {
  return { stage: "off", problem: null, interval: null, ...EMPTY, forgetting: 0 };
}

const EMPTY = { first: 0, x: [], target: [], y: [] };

/** @param {PadState} state @param {Record<string, any>} message @returns {PadState} */
export function apply(state, message) {
  switch (message.type) {
    case "connecting":
      return { ...state, ...EMPTY, stage: "connecting", problem: null, forgetting: 0 };
    case "opened":
      return { ...state, stage: "live", interval: message.model.interval };
    case "sampled":
      return trimmed({ ...state, x: [...state.x, ...message.x], target: [...state.target, ...message.target] });
    case "prediction":
      return state.forgetting > 0 ? state : { ...state, y: [...state.y, ...message.y] };
    case "forget":
      return { ...state, ...EMPTY, forgetting: state.forgetting + (state.stage === "live" ? 1 : 0) };
    case "reset":
      return { ...state, forgetting: Math.max(0, state.forgetting - 1) };
    case "ended": // what was drawn stays
      return { ...state, stage: message.stage, problem: message.problem ?? null };
    default:
      throw new Error(`unknown message ${message.type}`);
  }
}

/** @param {PadState} state */
function trimmed(state) {
  const extra = state.x.length - KEPT;
  if (extra <= 0) return state;
  const { first, x, target, y } = state;
  return { ...state, first: first + extra, x: x.slice(extra), target: target.slice(extra), y: y.slice(extra) };
}

/**
 * How good the newest answers are: against the truth where it is known, and by how round a circle they draw.
 * @param {PadState} state @param {number} count of answers @returns {{mse: number|null, off: number|null}}
 */
export function judged({ x, target, y }, count) {
  const from = Math.max(0, y.length - count);
  if (y.length - from < count) return { mse: null, off: null };
  let squares = 0;
  let off = 0;
  for (let i = from; i < y.length; i += 1) {
    squares += target[i] === null ? NaN : (y[i] - target[i]) ** 2;
    off += Math.abs(Math.hypot(x[i], y[i]) - 1);
  }
  return { mse: Number.isNaN(squares) ? null : squares / count, off: off / count };
}
