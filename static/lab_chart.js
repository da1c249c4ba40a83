import { STILL, axis, layout } from "./charts.js";
import { cumulative } from "./lab_state.js";

/** Time used up against chunk number, one line for each kind of graph, its name at its end. */

const CLOSEST = 0.062; // of the height: two names may not come nearer
const NARROW = 560; // px

export class LabChart {
  #element;
  #words;

  /** @param {HTMLElement} element @param {import("./words.js").Words} words */
  constructor(element, words) {
    this.#element = element;
    this.#words = words;
  }

  /** @param {import("./lab_state.js").LabState} state @param {string|null} chosen the kind to point out */
  draw(Plotly, state, palette, chosen) {
    const lines = state.rows.map((row) => ({ kind: row.kind, y: cumulative(row) }));
    const traces = lines.map(({ kind, y }) => ({
      type: "scatter",
      mode: "lines",
      uid: kind,
      x: y.map((_, i) => i + 1),
      y,
      hoverinfo: "skip",
      line: { color: kind === chosen ? palette.prediction : palette.input, width: kind === chosen ? 3 : 1.5 },
    }));
    const ends = lines.filter(({ y }) => y.length > 0).map(({ kind, y }) => ({ kind, y: Math.log10(y.at(-1)) }));
    const all = lines.flatMap(({ y }) => y).filter((value) => value > 0);
    const range = [Math.floor(Math.log10(Math.min(...all, 0.01))), Math.ceil(Math.log10(Math.max(...all, 1)) + 0.1)];
    const shape = layout(palette, {
      margin: { l: 48, r: this.#element.clientWidth < NARROW ? 132 : 200, t: 8, b: 40 },
      dragmode: false,
      hovermode: false,
      uirevision: 0,
      xaxis: axis(palette, { range: [0, state.chunks.length], title: { text: this.#words.say("lab.chart.x") } }),
      yaxis: axis(palette, { type: "log", range, dtick: 1, exponentformat: "none", ticksuffix: " s" }),
      annotations: spread(ends, range).map(({ kind, at }) => ({
        xref: "paper",
        yref: "paper",
        x: 1,
        y: at,
        xanchor: "left",
        yanchor: "middle",
        xshift: 6,
        showarrow: false,
        text: this.#words.say(`lab.short.${kind}`),
        font: { size: 12, color: kind === chosen ? palette.prediction : palette.quiet },
      })),
    });
    Plotly.react(this.#element, traces, shape, STILL);
  }
}

/** Names in the order of their lines, pushed apart where those lie close. */
function spread(ends, [low, high]) {
  const sorted = ends
    .map(({ kind, y }) => ({ kind, at: (y - low) / (high - low) }))
    .sort((one, other) => one.at - other.at);
  for (let i = 1; i < sorted.length; i += 1) sorted[i].at = Math.max(sorted[i].at, sorted[i - 1].at + CLOSEST);
  const over = (sorted.at(-1)?.at ?? 0) - 1;
  if (over > 0) for (const name of sorted) name.at -= over;
  for (let i = sorted.length - 2; i >= 0; i -= 1) sorted[i].at = Math.min(sorted[i].at, sorted[i + 1].at - CLOSEST);
  return sorted;
}
