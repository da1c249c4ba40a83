import { inOrder, recipeAfter } from "./changes.js";
import { DEFAULT_PACE } from "./limits.js";
import { withLosses, withReached } from "./losses.js";

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
 * @typedef {"connecting"|"live"|"waiting"|"full"|"refused"|"token"|"reload"|"offline"|"kept"} ConnectionStatus `kept`: not
 *   connected until the visitor has chosen whether the run of before goes on
 * @typedef {{status: ConnectionStatus, seconds: number, detail: string}} ConnectionState
 * @typedef {{code: string, field: string|null, detail: string}} Complaint
 * @typedef {{kind: "finished", update: number}
 *   | {kind: "diverged", update: number, tensor: string}
 *   | {kind: "restarted", update: number}
 *   | {kind: "loaded", update: number}
 *   | {kind: "moved", update: number, changes: string}
 *   | {kind: "filling", update: number, most: number}
 *   | {kind: "unkept", update: number}
 *   | {kind: "rewound", update: number, rate: number}} Notice
 */

/** @typedef {import("./messages.js").Message} Message @typedef {import("./messages.js").FromPage} FromPage */

/**
 * @typedef {object} State
 * @property {ConnectionState} connection
 * @property {{after: number|null, lost: boolean, slow: boolean, rewound: Record<string, any>|null, file: {losses: Float32Array}|null}|null} opening an
 *   `open` is on its way; `after` is set when it resumes, `lost` when a run that could not be resumed starts again, `slow`
 *   when the answer may take seconds, `rewound` to what a diverged run goes back with, `file` where it goes on from one
 * @property {boolean} isRecording what is shown is nobody's run, but a recording for who waits to be let in
 * @property {number} run counts the runs that this page opened; a resumed run keeps its number
 * @property {boolean} playing
 * @property {number|"max"} pace updates per second
 * @property {string|null} connectionName what the server's log calls the newest connection
 * @property {import("./messages.js").Recipe|null} recipe what the run started from
 * @property {import("./messages.js").Change[]} changes live changes since then, in order; a link may have brought some that are still to come
 * @property {number} made the newest update that the server is known to have made; it may be ahead of `update`
 * @property {Record<string, any>|null} current the recipe that the update after `made` is made with
 * @property {import("./messages.js").Network|null} network
 * @property {Record<string, number|null>} floors mean losses that a kind of network cannot beat
 * @property {import("./messages.js").Earlier[]} earlier what the run was made with before this server
 * @property {number} update the newest update held
 * @property {number|null} loss
 * @property {number|null} meanLoss
 * @property {Chunk[]} chunks newest last
 * @property {number[]} lengths newest last
 * @property {{stride: number, points: import("./losses.js").LossPoint[]}} losses
 * @property {number[]} recent losses of the last RECENT chunks
 * @property {number} carriedFor how many chunks on end started from the state that the chunk before them left
 * @property {Record<string, import("./losses.js").Reach>} reached by the floor's name
 * @property {import("./messages.js").Behind|null} behind updates per second, while the server cannot keep up with the pace
 * @property {Notice|null} notice
 * @property {Complaint|null} complaint
 */

/** Samples kept for the wave, all streams together. */
export const WAVE_SAMPLES = 2000;
/** Chunk lengths kept for the printed row. */
export const LENGTHS = 80;
/** Updates for which it is news that a run goes on from a file; at pace max they are seconds too. */
const NEWS = 100;
const NEWS_AT_MAX = 20_000;
/** The protocol that this page speaks. */
export const PROTOCOL = 1;

/** @returns {State} */
export function initialState() {
  return {
    connection: { status: "connecting", seconds: 0, detail: "" },
    opening: null,
    isRecording: false,
    run: 0,
    playing: true,
    pace: DEFAULT_PACE,
    recipe: null,
    changes: [],
    current: null,
    network: null,
    floors: {},
    connectionName: null,
    earlier: [],
    ...emptyRun(),
    complaint: null,
  };
}

/**
 * @param {State} state
 * @param {Message} message from the server, or from the page itself (see `fromThePage`)
 * @returns {State} a new state; the one given is left as it was
 * @throws {Error} when the type is unknown: a page that does not understand must say so
 */
export function apply(state, message) {
  switch (message.type) {
    case "opened":
      return opened(state, message);
    case "updates":
      return resumes(state) ? state : folded(state, message); // a new run may yet be refused: this one goes on
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
    case "checkpoint": // what comes behind it is the socket's to keep
    case "pong":
      return state;
    case "error":
      return {
        ...state,
        opening: message.tag == null ? state.opening : null, // which another message than the `open` was refused
        complaint: { code: message.code, field: message.field ?? null, detail: message.detail },
      };
    default:
      return fromThePage(state, message);
  }
}

/**
 * What the page itself reports: the socket's fate and what was asked of the server.
 * @param {State} state @param {FromPage} message @returns {State}
 */
function fromThePage(state, message) {
  switch (message.type) {
    case "connection": {
      const { status, seconds = 0, detail = "" } = message;
      const opening = status === "live" ? state.opening : null; // an `open` goes down with its connection
      return { ...state, opening, connection: { status, seconds, detail } };
    }
    case "recorded":
      return recorded(state, message);
    case "kept":
      return { ...state, ...message.shown, run: state.run + 1, opening: null, complaint: null };
    case "news":
      return stopped(state) ? state : { ...state, notice: message.notice }; // how it stopped comes with what can be done about it
    case "opening":
      return {
        ...state,
        opening: openingOf(message),
        complaint: null,
      };
    case "play":
      return { ...state, playing: true, notice: keptNotice(state) };
    case "pause":
      return { ...state, playing: false };
    case "pace":
      return { ...state, pace: message.pace, behind: null };
    case "dismissed":
      return { ...state, complaint: null, notice: keptNotice(state) ? null : state.notice };
    default:
      throw new Error(`unknown message type: ${String(/** @type {{type: any}} */ (message).type)}`);
  }
}

/** @param {State} state @returns {Omit<State, "connection"|"connectionName"|"opening"|"complaint"|"run">} what there is of its run, to be shown again by the message `kept` */
export function rest({ connection, connectionName, opening, complaint, run, notice, ...shown }) {
  return { ...shown, notice: stopped({ notice }) ? notice : null };
}

/** @param {FromPage & {type: "opening"}} message @returns {State["opening"]} */
function openingOf({ after = null, lost = false, slow = false, rewound = null, file = null }) {
  return { after, lost, slow, rewound, file };
}

/** @param {Pick<State, "notice">} state @returns {"finished"|"diverged"|null} how the run stopped, if it did */
export function stopped({ notice }) {
  return notice?.kind === "finished" || notice?.kind === "diverged" ? notice.kind : null;
}

/** How a run stopped is no news once it goes on; where it began is, until it is dismissed, and a file's for a while. @param {State} state */
function keptNotice(state) {
  const { notice, update, pace } = state;
  if (notice?.kind === "loaded" && update >= notice.update + (pace === "max" ? NEWS_AT_MAX : NEWS)) return null;
  return stopped(state) ? null : notice;
}

/** @returns {Pick<State, "update"|"made"|"loss"|"meanLoss"|"chunks"|"lengths"|"losses"|"recent"|"carriedFor"|"reached"|"behind"|"notice">} */
function emptyRun() {
  return {
    update: 0,
    made: 0,
    loss: null,
    meanLoss: null,
    chunks: [],
    lengths: [],
    losses: { stride: 1, points: [] },
    recent: [],
    carriedFor: 0,
    reached: {},
    behind: null,
    notice: null,
  };
}

/** Whether a run is being taken up from a checkpoint: what still comes of it will be made again. @param {State} state */
function resumes({ opening }) {
  return opening?.after != null;
}

/** @param {State} state @param {import("./messages.js").Opened} message @returns {State} */
function opened(state, message) {
  const goesOn = resumes(state) && state.opening?.after === state.update && state.run > 0;
  const lostSome = state.opening?.lost || (resumes(state) && !goesOn);
  const changes = message.changes ?? [];
  const next = {
    ...state,
    opening: null,
    complaint: null,
    recipe: message.recipe,
    changes,
    current: recipeAfter(message.recipe, changes, goesOn ? state.update : message.update),
    network: message.network,
    floors: message.floors ?? {},
    connectionName: message.connection ?? null,
    earlier: message.earlier ?? [],
    isRecording: false,
  };
  const moved = next.earlier.length > (goesOn ? state.earlier.length : 0) ? movedTo(message) : null;
  if (goesOn) return { ...next, made: state.update, notice: moved ?? state.notice };
  const { playing, pace } = (state.opening?.file && message.played) || state;
  return {
    ...next,
    playing,
    pace,
    ...emptyRun(),
    ...withLosses(emptyRun(), lossesOf(state.opening)),
    update: message.update,
    made: message.update,
    run: state.run + 1,
    notice: moved ?? startedFrom(state.opening, lostSome, message.update),
  };
}

/** What a file tells of the updates before: the losses of the first. @param {State["opening"]} opening */
function lossesOf(opening) {
  return Array.from(opening?.file?.losses ?? [], (loss, i) => ({ update: i + 1, loss }));
}

/** @param {import("./messages.js").Opened} message @returns {Notice} which versions took over from which others */
function movedTo({ earlier = [], versions = {} }) {
  const { until_update: update, versions: before } = earlier[earlier.length - 1];
  const names = Object.keys({ ...before, ...versions }).filter((name) => name !== "unrolled" && before[name] !== versions[name]);
  return { kind: "moved", update, changes: names.map((name) => `${name} ${before[name] ?? "–"} → ${versions[name] ?? "–"}`).join(", ") };
}

/** @param {State["opening"]} opening @param {boolean} lostSome @param {number} update @returns {Notice|null} */
function startedFrom(opening, lostSome, update) {
  if (opening?.rewound) return { kind: "rewound", update, rate: opening.rewound.learning_rate };
  if (opening?.file) return { kind: "loaded", update };
  return lostSome ? { kind: "restarted", update } : null;
}

/**
 * A run of nobody's begins to be shown; it keeps the number 0.
 * @param {State} state @param {FromPage & {type: "recorded"}} message @returns {State}
 */
function recorded(state, { recipe, network, floors }) {
  return { ...state, ...emptyRun(), recipe, current: recipe, changes: [], network, floors, isRecording: true };
}

/** @param {State} state @param {Message & {type: "changed"}} message @returns {State} */
function changed(state, message) {
  const { type, ...change } = message;
  const changes = inOrder([...state.changes, change]);
  const made = Math.max(state.made, change.after_update);
  return { ...state, changes, made, current: recipeAfter(/** @type {import("./messages.js").Recipe} */ (state.recipe), changes, made), complaint: null };
}

/** @param {State} state @param {Message & {type: "updates"}} message @returns {State} */
function folded(state, { updates, updates_per_second: rate = null, viewers = 1 }) {
  const fresh = updates.filter((update) => update.update > state.update);
  if (fresh.length === 0) return state;
  const chunks = fresh.map((update) => toChunk(update, state));
  const newest = fresh[fresh.length - 1];
  const { losses, recent } = withLosses(state, fresh);
  const made = Math.max(state.made, newest.update);
  const recipe = /** @type {import("./messages.js").Recipe} */ (state.recipe);
  return {
    ...state,
    made,
    behind: rate === null ? null : { rate, viewers },
    current: hasCome(state, made) ? recipeAfter(recipe, state.changes, made) : state.current,
    recent,
    ...withReached(state, chunks),
    update: newest.update,
    loss: newest.loss,
    meanLoss: newest.mean_loss,
    chunks: lastSamples(state.chunks.concat(chunks)),
    lengths: state.lengths.concat(fresh.map((update) => update.length)).slice(-LENGTHS),
    losses,
    notice: keptNotice(state),
  };
}

/** Whether a change that was still to come is in force by the update `made`. @param {State} state @param {number} made */
function hasCome({ changes, made: before }, made) {
  return changes.some(({ after_update: after }) => after > before && after <= made);
}

/** @param {import("./messages.js").Update} update @param {State} state @returns {Chunk} */
function toChunk(update, { recipe, changes }) {
  const last = changes.findLast((change) => change.after_update < update.update && "carry_state" in change);
  const { carry_state: carries } = last ?? /** @type {import("./messages.js").Recipe} */ (recipe);
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
    carried: Boolean(carries) && update.update > 1,
    milliseconds: update.milliseconds,
    hidden: update.hidden?.map(fromBase64) ?? null,
    gradient: update.gradient ?? null,
    nodes: update.nodes ?? null,
  };
}

/** @param {string} text */
function fromBase64(text) {
  return Int8Array.from(atob(text), (byte) => byte.charCodeAt(0));
}

/** @param {Chunk[]} chunks */
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
