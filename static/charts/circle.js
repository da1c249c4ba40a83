import { STILL, axis, layout } from "./plotly.js";

/** Input against prediction: sin and cos draw the unit circle once the network has learned. */

/** How many of the newest chunks are shown, in this many groups, each fainter than the one after it. */
const RECENT = 9;
const GROUPS = 3;
const TURN = Array.from({ length: 97 }, (_, i) => (i / 48) * Math.PI);
const UNIT = { x: TURN.map(Math.sin), y: TURN.map(Math.cos) };

export class Circle {
  /** @readonly */ element;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
  }

  draw(Plotly, state, palette) {
    const line = { type: "scatter", mode: "lines", hoverinfo: "skip" };
    const newest = state.chunks.slice(-1);
    const recent = state.chunks.slice(-1 - RECENT, -1);
    const size = RECENT / GROUPS;
    const fading = Array.from({ length: GROUPS }, (_, group) => {
      const chunks = recent.slice(Math.max(0, recent.length - (GROUPS - group) * size), recent.length - (GROUPS - group - 1) * size);
      const opacity = 0.14 + 0.14 * group;
      return { ...line, ...paths(chunks), uid: `recent-${group}`, opacity, line: { color: palette.prediction, width: 1.25 } };
    });
    const traces = [
      { ...line, ...UNIT, uid: "unit", line: { color: palette.target, width: 1.5, dash: "5px,4px" } },
      ...fading,
      { ...line, ...paths(newest), uid: "newest", line: { color: palette.prediction, width: 2.25 } },
    ];
    const ticks = { range: [-1.35, 1.35], tickvals: [-1, 0, 1], constrain: "domain" };
    const shape = layout(palette, {
      margin: { l: 24, r: 8, t: 8, b: 32 },
      dragmode: false,
      hovermode: false,
      uirevision: 0,
      xaxis: axis(palette, ticks),
      yaxis: axis(palette, { ...ticks, scaleanchor: "x", scaleratio: 1 }),
    });
    Plotly.react(this.element, traces, shape, STILL);
  }
}

function paths(chunks) {
  const path = { x: [], y: [] };
  for (const chunk of chunks) {
    for (let stream = 0; stream < chunk.streamIds.length; stream += 1) {
      path.x.push(...chunk.input[stream], null);
      path.y.push(...chunk.prediction[stream], null);
    }
  }
  return path;
}
