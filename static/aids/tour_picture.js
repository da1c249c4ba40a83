import { STILL, axis, layout } from "../charts/plotly.js";
import { readPalette } from "../page/palette.js";

/** The tutorial's first picture: 100 samples of sin and cos over one turn, in this page's colours. */

const SAMPLES = 100;
const TURN = Array.from({ length: SAMPLES }, (_, i) => (2 * i) / (SAMPLES - 1)); // in units of π

const LOW = 120; // px under which there is no room for a legend over the curves

/** @param {HTMLElement} element @param {import("../page/words.js").Words} words */
export function drawPicture(element, words) {
  const { Plotly } = window;
  if (!Plotly) return;
  const palette = readPalette();
  const trace = (name, wave, line) => ({
    type: "scatter",
    mode: "lines",
    name: words.say(`tour.legend.${name}`),
    x: TURN,
    y: TURN.map((phase) => wave(phase * Math.PI)),
    line: { color: palette[name], width: 2, ...line },
    hoverinfo: "skip",
  });
  const traces = [trace("target", Math.cos, { dash: "6px,4px" }), trace("input", Math.sin, { dash: "2px,3px" })];
  const over = { orientation: "h", x: 0.5, xanchor: "center", y: 1.02, yanchor: "bottom" };
  const beside = { orientation: "v", x: 1.02, xanchor: "left", y: 0.5, yanchor: "middle" };
  const shape = layout(palette, {
    margin: { l: 28, r: 8, t: 4, b: 20 },
    dragmode: false,
    hovermode: false,
    showlegend: true,
    legend: { ...(element.clientHeight < LOW ? beside : over), font: { size: 12, color: palette.ink } },
    xaxis: axis(palette, { range: [0, 2], tickvals: [0, 1, 2], ticktext: ["0", "π", "2π"], showgrid: false }),
    yaxis: axis(palette, { range: [-1.15, 1.15], tickvals: [-1, 0, 1] }),
  });
  Plotly.react(element, traces, shape, STILL);
}
