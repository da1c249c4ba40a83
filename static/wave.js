import { CONFIG, axis, layout } from "./charts.js";

/**
 * Target and prediction over the phase, seams marked, each chunk's length above it.
 * Streams beside the first are drawn fainter at the first one's place: they share its chunks, not its phase.
 */

/** Pixels that one half-period gets while following; a two-digit length fits over it. */
const HALF_PERIOD = 26;
/** After a page turn, this part of the old page stays in view. */
const KEPT = 0.3;
const FADE = 120; // ms
/** A chunk must stay long enough on screen for its fade to end. */
const FASTEST_FADE = 8; // updates per second
const TOP = 1.42;

export class Wave {
  #element;
  #words;
  #onFollow;
  #onHeld;
  #following = true;
  #held = null;
  #pressed = false;
  #listening = false;
  #run = -1;
  #left = 0;
  #turn = 0;
  #settled = 0;
  #drawn = [];
  #still = matchMedia("(prefers-reduced-motion: reduce)");
  showInput = true;

  /**
   * @param {HTMLElement} element
   * @param {import("./words.js").Words} words
   * @param {(following: boolean) => void} onFollow
   * @param {() => void} onHeld after a pan or zoom: everything held is to be drawn once
   */
  constructor(element, words, onFollow, onHeld) {
    this.#element = element;
    this.#words = words;
    this.#onFollow = onFollow;
    this.#onHeld = onHeld;
    element.addEventListener("pointerdown", () => (this.#pressed = true), true);
    window.addEventListener("pointerup", () => (this.#pressed = false), true);
    window.addEventListener("pointercancel", () => (this.#pressed = false), true);
  }

  follow() {
    if (this.#following) return;
    this.#following = true;
    this.#held = null;
    this.#turn += 1;
    this.#onFollow(true);
  }

  #hold(chunks) {
    if (!this.#following) return;
    this.#following = false;
    this.#held = chunks;
    this.#onFollow(false);
  }

  /**
   * @param {any} Plotly
   * @param {import("./state.js").State} state
   * @param {boolean} restyled the theme, the language or the size is another
   */
  draw(Plotly, state, palette, restyled) {
    const another = state.run !== this.#run;
    if (another) this.follow();
    if (this.#pressed && this.#listening && !restyled) return;
    if (!this.#following && !restyled) return;
    const all = this.#following ? state.chunks : this.#held;
    const range = this.#following ? this.#range(all, another) : this.#element.layout.xaxis.range.slice();
    const chunks = this.#following ? near(all, range) : all;
    this.#run = state.run;
    Plotly.react(
      this.#element,
      this.#traces(chunks, palette, range),
      this.#layout(chunks, palette, range),
      CONFIG,
    );
    this.#drawn = state.chunks;
    if (!this.#listening) this.#listen();
    if (this.#following) this.#fade(state, chunks);
  }

  #listen() {
    this.#listening = true;
    const moved = (change) => {
      if (!Object.keys(change).some((key) => key.startsWith("xaxis.range"))) return false;
      this.#hold(this.#drawn);
      return true;
    };
    this.#element.on("plotly_relayouting", moved);
    this.#element.on("plotly_relayout", (change) => moved(change) && this.#onHeld());
    this.#element.on("plotly_doubleclick", () => this.follow());
  }

  /** Turns the page when the newest chunk would leave it: between turns only new curves move. */
  #range(chunks, another) {
    const span = Math.max(6, Math.round((this.#element.clientWidth - 56) / HALF_PERIOD));
    if (chunks.length === 0) return [0, span];
    const newest = chunks[chunks.length - 1];
    const end = lastOf(newest.phase[0]);
    if (another) this.#left = chunks[0].phase[0][0];
    if (end > this.#left + span || newest.phase[0][0] < this.#left) {
      const from = newest.phase[0][0] - span * KEPT;
      this.#left = end - from > span ? end - span : from;
    }
    this.#left = Math.floor(this.#left);
    return [this.#left - 0.15, this.#left + span + 0.15];
  }

  #traces(chunks, palette, range) {
    const fresh = chunks.length && this.#following ? chunks.length - 1 : chunks.length;
    const old = columns(chunks.slice(0, fresh));
    const now = columns(chunks.slice(fresh), chunks[fresh - 1]);
    const thin = { mode: "lines", hoverinfo: "skip" };
    const target = { ...thin, line: { color: palette.target, width: 2, dash: "6px,4px" } };
    const prediction = {
      mode: "lines",
      line: { color: palette.prediction, width: 2.25 },
      hovertemplate: this.#label(),
    };
    const [seams, labels] = marks(chunks, range, this.#following);
    const labelColours = labels.x.map((_, i) => (i === labels.x.length - 1 ? palette.ink : palette.quiet));
    return [
      { ...seams, ...thin, uid: "seams", line: { color: palette.rule, width: 1 } },
      { ...old.others.target, ...target, uid: "others-target", opacity: 0.3, line: { ...target.line, width: 1 } },
      {
        ...old.others.prediction,
        ...thin,
        uid: "others-prediction",
        opacity: 0.35,
        line: { color: palette.prediction, width: 1 },
      },
      {
        ...join(old.input, now.input),
        ...thin,
        uid: "input",
        visible: this.showInput,
        line: { color: palette.input, width: 1.25, dash: "1px,3px" },
      },
      { ...old.target, ...target, uid: "target" },
      { ...old.prediction, ...prediction, uid: "prediction" },
      { ...now.target, ...target, uid: "fresh-target" },
      { ...now.prediction, ...prediction, uid: "fresh-prediction" },
      {
        ...labels,
        uid: "lengths",
        mode: "text",
        hoverinfo: "skip",
        textfont: { size: 12, color: labelColours },
      },
    ].map((trace) => ({ type: "scatter", ...trace }));
  }

  #label() {
    const say = (key) => this.#words.say(key);
    return (
      `${say("wave.phase")} %{x:.2f}π<br>${say("wave.target_short")} %{customdata[0]:.3f}<br>` +
      `${say("wave.prediction")} %{y:.3f}<br>${say("wave.error")} %{customdata[1]:+.3f}` +
      `<extra></extra>`
    );
  }

  #layout(chunks, palette, range) {
    const newest = chunks.length ? chunks[chunks.length - 1].phase[0] : [0, 0];
    return layout(palette, {
      margin: { l: 36, r: 8, t: 4, b: 32 },
      hovermode: "x",
      hoverdistance: 24,
      uirevision: this.#turn,
      xaxis: axis(palette, {
        range,
        fixedrange: false,
        ticksuffix: "π",
        tickformat: ",d",
        dtick: tickEvery(range),
        tick0: 0,
        showgrid: false,
        showspikes: true,
        spikemode: "across",
        spikethickness: 1,
        spikedash: "solid",
        spikecolor: palette.edge,
      }),
      yaxis: axis(palette, { range: [-1.5, 1.6], tickvals: [-1, 0, 1], gridcolor: palette.rule }),
      shapes: [
        {
          type: "rect",
          layer: "below",
          xref: "x",
          yref: "y",
          x0: newest[0],
          x1: lastOf(newest),
          y0: -1.5,
          y1: 1.6,
          line: { width: 0 },
          fillcolor: palette.band,
        },
      ],
    });
  }

  #fade(state, chunks) {
    const isNew = chunks.length > 0 && state.update !== this.#settled;
    this.#settled = state.update;
    if (!isNew || this.#still.matches) return;
    if (state.playing && (state.pace === "max" || state.pace > FASTEST_FADE)) return;
    for (const trace of this.#element.querySelectorAll(".tracefresh-target, .tracefresh-prediction")) {
      trace.animate([{ opacity: 0 }, { opacity: 1 }], { duration: FADE });
    }
  }
}

function lastOf(row) {
  return row[row.length - 1];
}

/** While following, the page in view and the one before it are enough. */
function near(chunks, [from, to]) {
  const first = chunks.findIndex((chunk) => lastOf(chunk.phase[0]) >= from - (to - from));
  return first > 0 ? chunks.slice(first) : chunks;
}

/** Whole half-periods between two ticks, so that at most about ten are shown. */
function tickEvery([from, to]) {
  const least = (to - from) / 10;
  return [1, 2, 4, 5, 10, 20, 50, 100, 200, 500, 1000].find((step) => step >= least) ?? 2000;
}

/**
 * Chunks as columns. A chunk is a forward pass of its own, so its prediction is a line of its own; target and
 * input are one signal and run on. `before` is the chunk that the first one's target goes on from.
 */
function columns(chunks, before) {
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

function join(left, right) {
  return { x: left.x.concat(right.x), y: left.y.concat(right.y) };
}

/** Seams as one broken line, lengths as one row of texts; only those in view while the view is ours. */
function marks(chunks, [from, to], inViewOnly) {
  const seams = { x: [], y: [] };
  const labels = { x: [], y: [], text: [] };
  for (const chunk of chunks) {
    const x = chunk.phase[0];
    const [start, end] = [x[0], lastOf(x)];
    if (inViewOnly && (end < from || start > to)) continue;
    seams.x.push(start, start, null);
    seams.y.push(-1.5, 1.6, null);
    const seen = Math.max(start, inViewOnly ? from : start);
    if (end - seen < 0.7) continue; // too little of it is in view for its length
    labels.x.push((seen + end) / 2);
    labels.y.push(TOP);
    labels.text.push(String(chunk.length));
  }
  if (seams.x.length) {
    const end = lastOf(lastOf(chunks).phase[0]);
    seams.x.push(end, end, null);
    seams.y.push(-1.5, 1.6, null);
  }
  return [seams, labels];
}
