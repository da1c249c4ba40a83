import { TICKS, TOP, columns, join, lastOf, marks, near, residuals } from "./columns.js";
import { Marks } from "./marks.js";
import { MARGIN, TWIN_DASH, axis, config, layout } from "./plotly.js";

/**
 * Target and prediction over the phase, seams marked, each chunk's length above it.
 * Streams beside the first are drawn fainter at the first one's place: they share its chunks, not its phase.
 */

/** Pixels that one half-period gets while following; a two-digit length fits over it. */
const HALF_PERIOD = 26;
/** Px that a digit under the wave is wide, and that are between two numbers at the least. */
const DIGIT = 7;
const BETWEEN = 8;
/** After a page turn, this part of the old page stays in view. */
const KEPT = 0.3;
const FADE = 120; // ms
/** Behind the newest chunk. */
const BAND = { type: "rect", layer: "below", xref: "x", yref: "y", y0: -TOP, y1: TOP, line: { width: 0 } };
/** From this pace on the wave runs: a chunk would be gone before its fade had ended. */
const RUNS = 8; // updates per second

export class Wave {
  #element;
  #words;
  #onFollow;
  #onHeld;
  #following = true;
  #held = null;
  #pressed = false;
  #whole = false;
  #listening = false;
  #run = -1;
  #left = 0;
  #playing = true;
  #turn = 0;
  #settled = 0;
  #drawn = [];
  #width = 0;
  #onMoved;
  /** @type {import("./lanes.js").View} what is on the axis */
  view = { range: [0, 1], chunks: [] };
  /** A stage of slow motion, or null. */
  stage = null;
  #still = matchMedia("(prefers-reduced-motion: reduce)");
  showInput = true;
  #marks;

  /**
   * @param {HTMLElement} element
   * @param {import("../page/words.js").Words} words
   * @param {(following: boolean) => void} onFollow
   * @param {() => void} onHeld after a press, pan or zoom: the wave is to be drawn once, whatever came or not
   * @param {() => void} onMoved the view is another while a finger or a mouse pans
   */
  constructor(element, words, onFollow, onHeld, onMoved) {
    this.#element = element;
    this.#marks = new Marks(element);
    this.#words = words;
    this.#onFollow = onFollow;
    this.#onHeld = onHeld;
    this.#onMoved = onMoved;
    element.addEventListener("pointerdown", () => this.#press(), true);
    new ResizeObserver(([{ contentRect }]) => (this.#width = contentRect.width)).observe(element);
    const released = () => {
      if (this.#pressed) onHeld();
      this.#pressed = false;
    };
    window.addEventListener("pointerup", released, true);
    window.addEventListener("pointercancel", released, true);
  }

  follow() {
    if (this.#following) return;
    this.#following = true;
    this.#held = null;
    this.#turn += 1;
    this.#onFollow(true);
  }

  /** What a pan may bring into view is drawn before it begins. */
  #press() {
    this.#pressed = true;
    this.#whole = true;
    this.#onHeld();
  }

  #hold(chunks) {
    if (!this.#following) return;
    this.#following = false;
    this.#held = chunks;
    this.#onFollow(false);
  }

  /**
   * @param {any} Plotly
   * @param {import("../run/state.js").State} state
   * @param {boolean} restyled the theme, the language or the size is another
   * @param {import("../run/state.js").Chunk[]} twin the other run's chunks, at this one's place
   * @returns {boolean} whether anything was drawn
   */
  draw(Plotly, state, palette, restyled, twin) {
    const another = state.run !== this.#run;
    if (another) this.follow();
    if (this.#pressed && this.#listening && !(restyled || this.#whole)) return false;
    if (!this.#following && !restyled) return false;
    const all = this.#following ? state.chunks : this.#held;
    const range = this.#following ? this.#range(all, another, state.playing) : this.#element.layout.xaxis.range.slice();
    const chunks = this.#following && !this.#whole ? near(all, range) : all;
    const runs = this.#following && !this.#whole && !this.#pressed && isRunning(state);
    this.#whole = false;
    this.#run = state.run;
    this.view = { range, chunks };
    Plotly.react(
      this.#element,
      this.#traces(chunks, palette, range, near(twin, range), runs),
      this.#layout(chunks, palette, range, runs),
      config(this.#words),
    );
    if (runs) this.#marks.draw(this.view, tickEvery(range, this.#room), palette);
    else this.#marks.clear();
    this.#drawn = state.chunks;
    if (!this.#listening) this.#listen();
    if (this.#following) this.#fade(state, chunks);
    return true;
  }

  /** In px, between the margins. */
  get #room() {
    return (this.#width || this.#element.clientWidth) - MARGIN.l - MARGIN.r;
  }

  #listen() {
    this.#listening = true;
    const moved = (change) => {
      if (!Object.keys(change).some((key) => key.startsWith("xaxis.range"))) return false;
      this.#hold(this.#drawn);
      /** @type {[number, number]} */
      const range = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
      if (range.every(Number.isFinite)) this.view = { range, chunks: this.#held };
      this.#onMoved();
      return true;
    };
    this.#element.on("plotly_relayouting", moved);
    this.#element.on("plotly_relayout", (change) => moved(change) && this.#onHeld());
    this.#element.on("plotly_doubleclick", () => this.follow());
  }

  /**
   * Turns the page when the newest chunk would leave it: between turns only new curves move. A pause fills the page
   * with what came last.
   */
  #range(chunks, another, playing) {
    const span = Math.max(6, Math.round((this.#room - 12) / HALF_PERIOD));
    if (chunks.length === 0) {
      this.#left = 0;
      return [-0.15, span + 0.15];
    }
    const first = chunks[0].phase[0][0];
    const newest = chunks[chunks.length - 1];
    const end = lastOf(newest.phase[0]);
    if (another) this.#left = first;
    const turned = end > this.#left + span || newest.phase[0][0] < this.#left;
    if (turned) {
      const from = newest.phase[0][0] - span * KEPT;
      this.#left = Math.max(first, end - from > span ? end - span : from);
    }
    const pausing = this.#playing && !playing;
    if (pausing || (!playing && turned)) this.#left = Math.max(first, Math.ceil(end - span));
    this.#playing = playing;
    this.#left = Math.floor(this.#left);
    return [this.#left - 0.15, this.#left + span + 0.15];
  }

  /** @param {boolean} runs then nothing is drawn that fades in, and the marks are drawn elsewhere */
  #traces(chunks, palette, range, twin, runs) {
    const fresh = chunks.length && this.#following && !runs ? chunks.length - 1 : chunks.length;
    const old = columns(chunks.slice(0, fresh));
    const now = columns(chunks.slice(fresh), chunks[fresh - 1]);
    const thin = { mode: "lines", hoverinfo: "skip" };
    const target = { ...thin, line: { color: palette.target, width: 2, dash: "6px,4px" } };
    const prediction = {
      mode: "lines",
      line: { color: palette.prediction, width: 2.25 },
      hovertemplate: this.#label(),
    };
    const newest = this.stage && chunks.length ? lastOf(chunks) : null;
    const [seams, labels] = marks(runs ? [] : chunks, range, this.#following);
    const labelColours = labels.x.map((_, i) => (i === labels.x.length - 1 ? palette.ink : palette.quiet));
    /** @type {Record<string, any>[]} */
    const traces = [
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
      { ...now.prediction, ...prediction, uid: "fresh-prediction", visible: this.stage !== "length" },
      {
        ...columns(twin).prediction,
        ...thin,
        uid: "twin",
        line: { color: palette.twin, width: 1.75, dash: TWIN_DASH },
      },
      {
        ...residuals(this.stage === "loss" ? newest : null),
        ...thin,
        uid: "residuals",
        line: { color: palette.ink, width: 1 },
      },
      {
        ...labels,
        uid: "lengths",
        mode: "text",
        hoverinfo: "skip",
        textfont: { size: 12, color: labelColours },
      },
    ];
    return traces
      .filter(({ x, visible }) => x.length > 0 && visible !== false) // each costs, even where there is nothing of it
      .map((trace) => ({ type: "scatter", ...trace }));
  }

  #label() {
    const say = (key) => this.#words.say(key);
    return (
      `${say("wave.phase")} %{x:.2f}π<br>${say("wave.target_short")} %{customdata[0]:.3f}<br>` +
      `${say("wave.prediction")} %{y:.3f}<br>${say("wave.error")} %{customdata[1]:+.3f}` +
      `<extra></extra>`
    );
  }

  #layout(chunks, palette, range, runs) {
    const newest = chunks.length ? chunks[chunks.length - 1].phase[0] : [0, 0];
    return layout(palette, {
      margin: MARGIN,
      hovermode: "x",
      hoverdistance: 24,
      uirevision: this.#turn,
      xaxis: axis(palette, {
        range,
        fixedrange: false,
        ticksuffix: "π",
        tickformat: ",d",
        dtick: tickEvery(range, this.#room),
        showticklabels: !runs,
        tick0: 0,
        showgrid: false,
        showspikes: true,
        spikemode: "across",
        spikethickness: 1,
        spikedash: "solid",
        spikecolor: palette.edge,
      }),
      yaxis: axis(palette, { range: [-TOP, TOP], tickvals: TICKS, showticklabels: !runs }),
      shapes: runs ? [] : [{ ...BAND, x0: newest[0], x1: lastOf(newest), fillcolor: palette.band }],
    });
  }

  #fade(state, chunks) {
    const isNew = chunks.length > 0 && state.update !== this.#settled;
    this.#settled = state.update;
    if (!isNew || this.#still.matches || isRunning(state)) return;
    for (const trace of this.#element.querySelectorAll(".tracefresh-target, .tracefresh-prediction")) {
      trace.animate([{ opacity: 0 }, { opacity: 1 }], { duration: FADE });
    }
  }
}

function isRunning({ playing, pace }) {
  return playing && (pace === "max" || pace > RUNS);
}

/**
 * Whole half-periods between two ticks, so that at most about ten are shown, and far out, where they have many digits, fewer.
 * @param {number[]} range @param {number} width in px
 */
function tickEvery([from, to], width) {
  const longest = `${Math.round(to).toLocaleString("en")}π`.length;
  const least = (to - from) * Math.max(1 / 10, (longest * DIGIT + BETWEEN) / width);
  return [1, 2, 4, 5, 10, 20, 50, 100, 200, 500, 1000].find((step) => step >= least) ?? 2000;
}
