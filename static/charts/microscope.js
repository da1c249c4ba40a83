import { setText } from "../page/element.js";
import { RECENT } from "../run/losses.js";
import { STILL, TWIN_DASH, axis, layout, powers } from "./plotly.js";

/** Errors above this leave the chart at the top, as losses do. */
const HIGHEST = 100;
/** Time steps that the first sample's label stands over. */
const LABELLED = 12;

/** The error by its place in the chunk: the first sample after a seam is where memory shows. */

export class Microscope {
  /** @readonly */ element;
  #words;
  #says = document.getElementById("microscope-says");

  /** @param {HTMLElement} element @param {import("../page/words.js").Words} words */
  constructor(element, words) {
    this.element = element;
    this.#words = words;
  }

  draw(Plotly, state, palette, twin) {
    const own = errorBySteps(state.chunks);
    const other = twin ? errorBySteps(twin.chunks) : [];
    const say = (key, values) => this.#words.say(key, values);
    const sentence = say("microscope.says", { count: Math.min(RECENT, state.chunks.length) });
    setText(this.#says, sentence);
    const steps = (errors) => errors.map((_, i) => i + 1);
    const hovertemplate = `${say("microscope.step")} %{x}<br>${say("microscope.error")} %{y:.3g}<extra></extra>`;
    const traces = [
      {
        uid: "error",
        x: steps(own),
        y: own,
        mode: "lines",
        line: { color: palette.prediction, width: 2 },
        hovertemplate,
      },
      {
        uid: "twin",
        x: steps(other),
        y: other,
        mode: "lines",
        visible: other.length > 0,
        line: { color: palette.twin, width: 1.75, dash: TWIN_DASH },
        hoverinfo: "skip",
      },
      {
        uid: "first",
        x: own[0] <= HIGHEST ? [1] : [],
        y: own.slice(0, 1),
        mode: "markers+text",
        marker: { color: palette.prediction, size: 9 },
        text: [say("microscope.first")],
        textposition: rises(own) ? "bottom right" : "top right",
        textfont: { size: 12, color: palette.ink },
        hoverinfo: "skip",
        cliponaxis: false,
      },
    ].map((trace) => ({ type: "scatter", ...trace }));
    Plotly.react(this.element, traces, this.#layout(own.concat(other), Math.max(own.length, other.length), palette), STILL);
  }

  #layout(errors, longest, palette) {
    const least = Math.min(0.1, ...errors.filter((error) => error > 0));
    const most = Math.min(HIGHEST, Math.max(1, ...errors));
    const range = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most) * 2) / 2 + 0.1];
    return layout(palette, {
      margin: { l: 44, r: 8, t: 8, b: 40 },
      dragmode: false,
      hovermode: "x",
      uirevision: 0,
      xaxis: axis(palette, {
        range: [0.5, Math.max(10, longest) + 0.5],
        showgrid: false,
        tick0: 0,
        dtick: longest > 60 ? 20 : longest > 30 ? 10 : 5,
        title: { text: this.#words.say("microscope.axis"), standoff: 4, font: { size: 12 } },
      }),
      yaxis: axis(palette, { type: "log", ...powers(range) }),
    });
  }
}

/** Whether the curve goes up from its first step: then the label's place is under it. @param {number[]} errors */
function rises([first, ...rest]) {
  const near = rest.slice(0, LABELLED);
  return near.filter((error) => error > first).length > near.length / 2;
}

/**
 * @param {import("../run/state.js").Chunk[]} chunks newest last
 * @returns {number[]} the mean squared error at each time step of a chunk, over the last RECENT chunks and all streams
 */
export function errorBySteps(chunks) {
  const sums = [];
  const counts = [];
  for (const { target, prediction } of chunks.slice(-RECENT)) {
    target.forEach((row, stream) => {
      row.forEach((wanted, step) => {
        sums[step] = (sums[step] ?? 0) + (prediction[stream][step] - wanted) ** 2;
        counts[step] = (counts[step] ?? 0) + 1;
      });
    });
  }
  return sums.map((sum, step) => sum / counts[step]);
}
