/**
 * What the page knows, as a pure function of the messages it got: `apply(state, message) → state`.
 * No DOM, no clock, no network. Every collection is bounded, so an hour costs what a minute does.
 */

/**
 * One chunk as the page keeps it. `phase` is in units of π; streams × T numbers everywhere else.
 * @typedef {object} Chunk
 * @property {number} update
 * @property {number} length time steps, T
 * @property {number[]} streamIds
 * @property {number[][]} phase
 * @property {number[][]} input
 * @property {number[][]} target
 * @property {number[][]} prediction made before the update, or after it where that was asked for
 * @property {number} loss
 * @property {number} meanLoss
 * @property {boolean} carried whether its streams started from the state that the chunk before left
 * @property {Record<string, number>} milliseconds what each part of the update took
 * @property {Int8Array[]|null} hidden for each stream time × units, in 127ths; where the view was on
 * @property {number[][]|null} gradient ‖∂L/∂h‖ at each time step; where the view was on
 * @property {number|null} nodes of the chunk's graph; where the view was on
 */

/**
 * Losses of the whole run in at most LOSS_POINTS points; each is the mean of `stride` chunks.
 * @typedef {object} LossPoint
 * @property {number} update the last update in it
 * @property {number} loss
 * @property {number} meanLoss the running mean at that update
 * @property {number} count how many chunks are in it so far
 */

/**
 * The update at which the mean of the last RECENT chunks first lay under a floor, by the floor's name.
 * @typedef {Record<string, number>} Reached
 */

/**
 * @typedef {"connecting"|"live"|"waiting"|"full"|"refused"|"reload"|"offline"} ConnectionStatus
 * @typedef {{status: ConnectionStatus, seconds: number, detail: string}} ConnectionState
 * @typedef {{code: string, field: string|null, detail: string}} Complaint
 * @typedef {{kind: "finished", update: number}
 *   | {kind: "diverged", update: number, tensor: string}
 *   | {kind: "restarted", update: number}} Notice
 */

/**
 * @typedef {object} State
 * @property {ConnectionState} connection
 * @property {{after: number|null, lost: boolean, slow: boolean}|null} opening an `open` is on its way; `after` is set
 *   when it resumes, `lost` when a run that could not be resumed starts again, `slow` when the answer may take seconds
 * @property {number} run counts the runs that this page opened; a resumed run keeps its number
 * @property {boolean} playing
 * @property {number|"max"} pace updates per second
 * @property {Record<string, any>|null} recipe what the run started from
 * @property {Record<string, any>[]} changes live changes since then
 * @property {Record<string, any>|null} current recipe with the changes applied
 * @property {{cell: string, hidden_size: number, parameters: number, text: string}|null} network
 * @property {Record<string, number|null>} floors mean losses that a kind of network cannot beat
 * @property {number} update the newest update held
 * @property {number|null} loss
 * @property {number|null} meanLoss
 * @property {Chunk[]} chunks newest last
 * @property {number[]} lengths newest last
 * @property {{stride: number, points: LossPoint[]}} losses
 * @property {number[]} recent losses of the last RECENT chunks
 * @property {Reached} reached
 * @property {Notice|null} notice
 * @property {Complaint|null} complaint
 */

/** Samples kept for the wave, all streams together. */
export const WAVE_SAMPLES = 2000;
/** Chunk lengths kept for the printed row. */
export const LENGTHS = 80;
/** Points that the loss chart draws at most, however long the run. */
export const LOSS_POINTS = 600;
/** The mean of this many chunks is what a floor is held against. */
export const RECENT = 50;
/** The protocol that this page speaks. */
export const PROTOCOL = 1;

/** @returns {State} */
export function initialState() {
  return {
    connection: { status: "connecting", seconds: 0, detail: "" },
    opening: null,
    run: 0,
    playing: true,
    pace: 20,
    recipe: null,
    changes: [],
    current: null,
    network: null,
    floors: {},
    ...emptyRun(),
    complaint: null,
  };
}

/**
 * @param {State} state
 * @param {Record<string, any>} message from the server, or from the page itself (see `fromThePage`)
 * @returns {State} a new state; the one given is left as it was
 * @throws {Error} when the type is unknown: a page that does not understand must say so
 */
export function apply(state, message) {
  switch (message.type) {
    case "opened":
      return opened(state, message);
    case "updates":
      return resumes(state) ? state : folded(state, message.updates); // a new run may yet be refused: this one goes on
    case "changed":
      return resumes(state) ? state : changed(state, message);
    case "finished":
      return state.opening
        ? state
        : { ...state, playing: false, notice: { kind: "finished", update: message.update } };
    case "diverged":
      return state.opening
        ? state
        : {
            ...state,
            playing: false,
            notice: { kind: "diverged", update: message.update, tensor: message.tensor },
          };
    case "error":
      return {
        ...state,
        opening: null,
        complaint: { code: message.code, field: message.field ?? null, detail: message.detail },
      };
    default:
      return fromThePage(state, message);
  }
}

/** What the page itself reports: the socket's fate and what was asked of the server. */
function fromThePage(state, message) {
  switch (message.type) {
    case "connection": {
      const { status, seconds = 0, detail = "" } = message;
      return { ...state, connection: { status, seconds, detail } };
    }
    case "opening":
      return {
        ...state,
        opening: { after: message.after ?? null, lost: message.lost ?? false, slow: message.slow ?? false },
        complaint: null,
      };
    case "play":
      return { ...state, playing: true, notice: null };
    case "pause":
      return { ...state, playing: false };
    case "pace":
      return { ...state, pace: message.pace };
    case "dismissed":
      return { ...state, complaint: null, notice: state.notice?.kind === "restarted" ? null : state.notice };
    default:
      throw new Error(`unknown message type: ${String(message.type)}`);
  }
}

function emptyRun() {
  return {
    update: 0,
    loss: null,
    meanLoss: null,
    chunks: [],
    lengths: [],
    losses: { stride: 1, points: [] },
    recent: [],
    reached: {},
    notice: null,
  };
}

/** Whether a run is being taken up from a checkpoint: what still comes of it will be made again. */
function resumes({ opening }) {
  return opening?.after != null;
}

function opened(state, message) {
  const goesOn = resumes(state) && state.opening.after === state.update && state.run > 0;
  const lostSome = state.opening?.lost || (resumes(state) && !goesOn);
  const changes = message.changes ?? [];
  const next = {
    ...state,
    opening: null,
    complaint: null,
    recipe: message.recipe,
    changes,
    current: withChanges(message.recipe, changes),
    network: message.network,
    floors: message.floors ?? {},
  };
  if (goesOn) return next;
  return {
    ...next,
    ...emptyRun(),
    update: message.update,
    run: state.run + 1,
    notice: lostSome ? { kind: "restarted", update: message.update } : null,
  };
}

function changed(state, message) {
  const { type, ...change } = message;
  const { after_update: _after, ...fields } = change;
  return {
    ...state,
    changes: [...state.changes, change],
    current: { ...state.current, ...fields },
    complaint: null,
  };
}

/** @returns {Record<string, any>} the recipe as it stands after its change log */
export function withChanges(recipe, changes) {
  const current = { ...recipe };
  for (const { after_update: _after, ...fields } of changes) Object.assign(current, fields);
  return current;
}

function folded(state, updates) {
  const fresh = updates.filter((update) => update.update > state.update);
  if (fresh.length === 0) return state;
  const newest = fresh[fresh.length - 1];
  const recent = state.recent.concat(fresh.map((update) => update.loss)).slice(-RECENT);
  return {
    ...state,
    recent,
    reached: withReached(state, recent, newest.update),
    update: newest.update,
    loss: newest.loss,
    meanLoss: newest.mean_loss,
    chunks: lastSamples(state.chunks.concat(fresh.map((update) => toChunk(update, state.current)))),
    lengths: state.lengths.concat(fresh.map((update) => update.length)).slice(-LENGTHS),
    losses: withLosses(state.losses, fresh),
    notice: state.notice?.kind === "restarted" ? state.notice : null,
  };
}

function withReached({ reached, floors }, recent, update) {
  if (recent.length < RECENT) return reached;
  const mean = recent.reduce((sum, loss) => sum + loss, 0) / recent.length;
  const under = Object.keys(floors).filter((name) => floors[name] && mean < floors[name] && !(name in reached));
  return under.length ? { ...reached, ...Object.fromEntries(under.map((name) => [name, update])) } : reached;
}

/** @returns {Chunk} */
function toChunk(update, recipe) {
  return {
    update: update.update,
    length: update.length,
    streamIds: update.stream_ids,
    phase: update.t.map((row) => row.map((radians) => radians / Math.PI)),
    input: update.input,
    target: update.target,
    prediction: update.prediction_after ?? update.prediction,
    loss: update.loss,
    meanLoss: update.mean_loss,
    carried: Boolean(recipe?.carry_state) && update.update > 1,
    milliseconds: update.milliseconds,
    hidden: update.hidden?.map(fromBase64) ?? null,
    gradient: update.gradient ?? null,
    nodes: update.nodes ?? null,
  };
}

function fromBase64(text) {
  return Int8Array.from(atob(text), (byte) => byte.charCodeAt(0));
}

function lastSamples(chunks) {
  let samples = 0;
  let first = chunks.length;
  while (first > 0) {
    const chunk = chunks[first - 1];
    samples += chunk.length * chunk.streamIds.length;
    if (samples > WAVE_SAMPLES && first < chunks.length) break;
    first -= 1;
  }
  return first === 0 ? chunks : chunks.slice(first);
}

function withLosses({ stride, points }, fresh) {
  const next = points.slice();
  for (const { update, loss, mean_loss: meanLoss } of fresh) {
    const last = next[next.length - 1];
    if (last && last.count < stride) {
      const count = last.count + 1;
      next[next.length - 1] = { update, loss: last.loss + (loss - last.loss) / count, meanLoss, count };
    } else {
      next.push({ update, loss, meanLoss, count: 1 });
    }
  }
  let thinned = { stride, points: next };
  while (thinned.points.length > LOSS_POINTS) thinned = halved(thinned);
  return thinned;
}

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
    pairs.push({ update: right.update, loss, meanLoss: right.meanLoss, count });
  }
  return { stride: stride * 2, points: pairs };
}
