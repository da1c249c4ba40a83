/**
 * What the graph lab knows, as a pure function of the messages it got: `apply(state, message) → state`.
 * Nine rows of as many numbers as there are chunks: it cannot grow.
 */

/**
 * @typedef {{phase: "known"|"new"|"streams", length: number, streams: number}} Chunk
 * @typedef {{chunks: number[], text: string}} Failure no chunks: at set-up
 */

/**
 * One kind of graph and what it did. The lists run beside the chunks; `seconds` is null where a chunk failed.
 * @typedef {object} Row
 * @property {string} kind
 * @property {string} framework
 * @property {boolean} [trains]
 * @property {"done"|"failed"|"absent"|"cancelled"|"running"} status
 * @property {number|null} setup_seconds
 * @property {number|null} import_seconds
 * @property {(number|null)[]} seconds
 * @property {number[]} graphs how many graphs have been built so far
 * @property {number[]} computed time steps of all streams, padding included
 * @property {Failure[]} errors
 * @property {string[]} notes
 */

/**
 * @typedef {{made: string, versions: Record<string, string>, processor: string, chunks: Chunk[],
 *   rows: Row[]}} Recording
 * @typedef {{kind: string, framework: string, cheap: boolean, installed: boolean, install: string|null}} Kind
 * @typedef {{chunks: Chunk[], kinds: Kind[]}} Plan
 * @typedef {"off"|"asking"|"waiting"|"running"|"done"|"cancelled"|"lost"|"refused"} Stage
 */

/**
 * @typedef {object} State
 * @property {Recording|null} recording
 * @property {boolean} missing the recording did not come
 * @property {Plan|null} plan
 * @property {Stage} stage how far a run on this server is
 * @property {number} ahead how many wait before this one
 * @property {{code: string, field: string|null, detail: string}|null} problem why the server refused
 * @property {string[]} asked the kinds that are run
 * @property {Record<string, Row>} live
 * @property {"recording"|"live"} view
 * @property {string[]} open the rows that are opened
 * @property {string|null} pointed the row under the pointer or the focus
 */

/**
 * What a server says: docs/protocol.md has the words.
 * @typedef {{type: "plan"} & Plan
 *   | {type: "waiting", ahead: number}
 *   | {type: "began", kind: string, framework: string}
 *   | {type: "setup", kind: string, seconds: number, import_seconds: number}
 *   | {type: "chunk", kind: string, index: number, seconds: number|null, graphs: number, computed: number, error: string|null}
 *   | {type: "ended", row: Row}
 *   | {type: "done"|"cancelled"}
 *   | {type: "error", code: string, field: string|null, detail: string}} FromServer
 *
 * What the page itself reports.
 * @typedef {{type: "recorded", recording: Recording}
 *   | {type: "missing"|"ask"|"lost"}
 *   | {type: "view", view: "recording"|"live"}
 *   | {type: "toggle", kind: string}
 *   | {type: "point", kind: string|null}} FromPage
 */

/** Stages in which the server has something to do for this page. */
export const UNDER_WAY = ["asking", "waiting", "running"];

/** @returns {State} */
export function initialState() {
  return {
    recording: null,
    missing: false,
    plan: null,
    stage: "off",
    ahead: 0,
    problem: null,
    asked: [],
    live: {},
    view: "recording",
    open: [],
    pointed: null,
  };
}

/**
 * @param {State} state
 * @param {FromServer|FromPage} message from the server, or from the page itself (see `fromThePage`)
 * @returns {State} a new state; the one given is left as it was
 * @throws {Error} when the type is unknown
 */
export function apply(state, message) {
  switch (message.type) {
    case "plan": {
      const plan = { chunks: message.chunks, kinds: message.kinds };
      return { ...state, plan, asked: quick(plan) };
    }
    case "waiting":
      return { ...state, stage: "waiting", ahead: message.ahead };
    case "began":
      return withRow({ ...state, stage: "running" }, began(message));
    case "setup": {
      const { seconds: setup_seconds, import_seconds } = message;
      return withRow(state, { ...state.live[message.kind], setup_seconds, import_seconds });
    }
    case "chunk":
      return withRow(state, withChunk(state.live[message.kind], message));
    case "ended":
      return withRow(state, message.row);
    case "done":
      return { ...state, stage: "done" };
    case "cancelled":
      return { ...state, stage: "cancelled", live: ended(state.live) };
    case "error":
      return { ...state, stage: "refused", problem: message, live: ended(state.live) };
    default:
      return fromThePage(state, message);
  }
}

/**
 * What the page itself reports: the recording, the socket's fate, and what its reader does.
 * @param {State} state @param {FromPage} message @returns {State}
 */
function fromThePage(state, message) {
  switch (message.type) {
    case "recorded":
      return { ...state, recording: message.recording, missing: false };
    case "missing":
      return { ...state, missing: true };
    case "ask":
      return { ...state, stage: "asking", problem: null, live: {}, view: "live" };
    case "lost":
      return UNDER_WAY.includes(state.stage) ? { ...state, stage: "lost", live: ended(state.live) } : state;
    case "view":
      return { ...state, view: message.view };
    case "toggle": {
      const open = state.open.filter((kind) => kind !== message.kind);
      return { ...state, open: open.length < state.open.length ? open : [...open, message.kind] };
    }
    case "point":
      return message.kind === state.pointed ? state : { ...state, pointed: message.kind };
    default:
      throw new Error(`unknown message type: ${String(/** @type {{type: any}} */ (message).type)}`);
  }
}

/** @param {Plan} plan @returns {string[]} the kinds that take seconds and are installed */
function quick({ kinds }) {
  return kinds.filter(({ cheap, installed }) => cheap && installed).map(({ kind }) => kind);
}

/** @returns {Row} */
function began({ kind, framework }) {
  const lists = { seconds: [], graphs: [], computed: [], errors: [], notes: [] };
  return { kind, framework, status: "running", setup_seconds: null, import_seconds: null, ...lists };
}

/** @param {Row} row @returns {Row} */
function withChunk(row, { index, seconds, graphs, computed, error }) {
  const next = { ...row, seconds: [...row.seconds, seconds], graphs: [...row.graphs, graphs] };
  next.computed = [...row.computed, computed];
  if (error === null) return next;
  const known = row.errors.find(({ text }) => text === error);
  next.errors = known
    ? row.errors.map((one) => (one === known ? { ...one, chunks: [...one.chunks, index] } : one))
    : [...row.errors, { chunks: [index], text: error }];
  return next;
}

/** @param {State} state @param {Row} row @returns {State} */
function withRow(state, row) {
  return { ...state, live: { ...state.live, [row.kind]: row } };
}

/** A row that was under way will not go on. */
function ended(live) {
  const rows = Object.values(live).map((row) => (row.status === "running" ? { ...row, status: "cancelled" } : row));
  return Object.fromEntries(rows.map((row) => [row.kind, row]));
}

/**
 * What the table shows: a live row where there is one and it is asked for, else the recorded one.
 * @typedef {{kind: string, row: Row|null, chunks: Chunk[], source: "recording"|"live", missing: string|null}} Shown
 * @param {State} state
 * @returns {Shown[]} `missing`: the line that installs what this server lacks
 */
export function shownRows({ recording, plan, live, view }) {
  const kinds = (plan?.kinds ?? recording?.rows ?? []).map(({ kind }) => kind);
  return kinds.map((kind) => {
    const planned = plan?.kinds.find((one) => one.kind === kind);
    const missing = planned && !planned.installed ? planned.install : null;
    if (view === "live" && live[kind]) return { kind, row: live[kind], chunks: plan.chunks, source: "live", missing };
    const row = recording?.rows.find((one) => one.kind === kind) ?? null;
    return { kind, row, chunks: recording?.chunks ?? plan.chunks, source: "recording", missing };
  });
}
