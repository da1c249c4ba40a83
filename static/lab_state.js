/** What the graph lab knows, as a pure function of its recording and of the messages it got. No DOM. */

/**
 * @typedef {{phase: "known"|"new"|"streams", length: number, streams: number}} Planned
 * @typedef {object} Row what one kind of graph did, a value for each chunk
 * @property {string} kind
 * @property {string} framework
 * @property {boolean} trains
 * @property {"done"|"failed"|"absent"|"cancelled"|"running"} status
 * @property {number} setup_seconds
 * @property {number} import_seconds
 * @property {(number|null)[]} seconds null where the chunk failed
 * @property {number[]} graphs built so far
 * @property {number[]} computed time steps of all streams, padding included
 * @property {{chunks: number[], text: string}[]} errors
 * @property {string[]} notes
 * @property {boolean} [live] measured just now, on this server
 *
 * @typedef {object} LabState
 * @property {{made: string, versions: Record<string, string>, processor: string}|null} about of the recording
 * @property {Planned[]} chunks
 * @property {Row[]} rows recorded ones, replaced by live ones as they come
 * @property {{kind: string, cheap: boolean, installed: boolean, install: string|null}[]} kinds of this server
 * @property {"idle"|"connecting"|"waiting"|"running"|"done"|"cancelled"|"broken"|"refused"} phase
 * @property {string[]} wanted kinds of the run under way
 * @property {string|null} kind under way
 * @property {number} ahead in line
 * @property {string} detail of a refusal
 */

export const PHASES = ["known", "new", "streams"];

/** @returns {LabState} */
export function emptyLab() {
  const idle = { phase: "idle", wanted: [], kind: null, ahead: 0, detail: "" };
  return { about: null, chunks: [], rows: [], kinds: [], ...idle };
}

/** @param {LabState} state @param {Record<string, any>} message @returns {LabState} */
export function applyLab(state, message) {
  switch (message.type) {
    case "recorded": {
      const { made, versions, processor, chunks, rows } = message.recording;
      return { ...emptyLab(), kinds: state.kinds, about: { made, versions, processor }, chunks, rows };
    }
    case "connecting":
      return { ...state, phase: "connecting", wanted: [], kind: null, detail: "" };
    case "plan":
      return { ...state, kinds: message.kinds };
    case "asked":
      return { ...state, wanted: message.kinds };
    case "waiting":
      return { ...state, phase: "waiting", ahead: message.ahead };
    case "began":
      return withRow({ ...state, phase: "running", kind: message.kind }, message.kind, (row) => begun(row));
    case "setup":
      return withRow(state, message.kind, (row) => ({
        ...row,
        setup_seconds: message.seconds,
        import_seconds: message.import_seconds,
      }));
    case "chunk":
      return withRow(state, message.kind, (row) => ({
        ...row,
        seconds: [...row.seconds, message.seconds],
        graphs: [...row.graphs, message.graphs],
        computed: [...row.computed, message.computed],
      }));
    case "ended":
      return withRow(state, message.row.kind, () => ({ ...message.row, live: true }));
    case "done":
    case "cancelled":
    case "broken":
      return { ...state, phase: message.type, kind: null };
    case "error":
      return { ...state, phase: "refused", detail: message.detail };
    default:
      throw new Error(`unknown message type: ${String(message.type)}`);
  }
}

function begun(row) {
  return { ...row, status: "running", seconds: [], graphs: [], computed: [], errors: [], notes: [], live: true };
}

function withRow(state, kind, change) {
  return { ...state, rows: state.rows.map((row) => (row.kind === kind ? change(row) : row)) };
}

/** @param {LabState} state @returns {boolean} */
export function isBusy({ phase }) {
  return phase === "connecting" || phase === "waiting" || phase === "running";
}

/**
 * @param {Row} row @param {Planned[]} chunks
 * @returns {{graphs: number, median: Record<string, number|null>, slowest: number|null, total: number, wasted: number,
 *   failed: number, built: boolean[]}} seconds; `wasted` is a share; `built` tells which chunks got a graph of their own
 */
export function summary(row, chunks) {
  const done = row.seconds.filter((value) => value !== null);
  const at = (phase) => row.seconds.filter((value, i) => value !== null && chunks[i]?.phase === phase);
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const real = sum(row.seconds.map((value, i) => (value === null ? 0 : chunks[i].length * chunks[i].streams)));
  const computed = sum(row.computed);
  return {
    graphs: row.graphs.at(-1) ?? 0,
    median: Object.fromEntries(["all", ...PHASES].map((phase) => [phase, median(phase === "all" ? done : at(phase))])),
    slowest: done.length > 0 ? Math.max(...done) : null,
    total: row.setup_seconds + sum(done),
    wasted: computed > 0 ? 1 - real / computed : 0,
    failed: row.seconds.length - done.length,
    built: row.graphs.map((count, i) => count > (i === 0 ? 0 : row.graphs[i - 1])),
  };
}

/** @param {Row} row @returns {number[]} seconds from set-up to the end of each chunk */
export function cumulative(row) {
  let total = row.setup_seconds;
  return row.seconds.map((value) => (total += value ?? 0));
}

function median(values) {
  if (values.length === 0) return null;
  const sorted = [...values].sort((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** @param {number|null} seconds @returns {string} in three digits and a unit */
export function duration(seconds) {
  if (seconds === null) return "–";
  if (seconds < 1) return `${(1000 * seconds).toPrecision(seconds < 0.1 ? 2 : 3)} ms`;
  if (seconds < 100) return `${seconds.toPrecision(2)} s`;
  return `${Math.round(seconds)} s`;
}

/** @param {LabState} state @returns {Record<string, string|number>} the figures that the article is written with */
export function figures({ rows, chunks, about }) {
  const of = Object.fromEntries(rows.map((row) => [row.kind, { ...summary(row, chunks), row }]));
  const { versions } = about;
  return {
    torch: versions.torch?.split("+")[0],
    tensorflow: versions.tensorflow ?? "–",
    chunks: chunks.length,
    eager: duration(of.eager.median.all),
    eager_new: duration(of.eager.median.new),
    v1_graphs: of.tensorflow_v1.graphs,
    v1: duration(of.tensorflow_v1.median.new),
    v1_failed: of.tensorflow_v1.failed,
    streams: chunks.filter(({ phase }) => phase === "streams").length,
    traced: of.tf_function.graphs,
    traced_new: duration(of.tf_function.median.new),
    signed: duration(of.tf_function_signature.median.all),
    signed_graphs: of.tf_function_signature.graphs,
    compile_first: duration(of.compile_static.row.seconds[0] ?? null),
    compile_total: duration(of.compile_static.total),
    compile_graphs: of.compile_static.graphs,
    dynamic_graphs: of.compile_dynamic.graphs,
    dynamic_total: duration(of.compile_dynamic.total),
    eager_total: duration(of.eager.total),
    export_setup: duration(of.export_onnx.row.setup_seconds),
    onnx: duration(of.export_onnx.median.all),
    wasted: `${Math.round(100 * of.padded.wasted)} %`,
    padded: duration(of.padded.median.all),
  };
}
