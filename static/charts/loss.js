import { setText } from "../page/element.js";
import { grouped } from "../page/words.js";
import { STILL, TWIN_DASH, axis, layout, powers } from "./plotly.js";

/** The loss of every chunk and the mean of the last 50, on a log scale; the whole run in a bounded number of points. */

/** The higher one first; what joining streams cost is paid by every network, so nothing is said of getting below it. */
const FLOORS = ["memoryless", "no_carry", "joining"];
const REACHABLE = FLOORS.slice(0, 2);
/** A run on its way out of all bounds leaves the chart at the top: floors and curve before that stay readable. */
const HIGHEST = 100;

export class Loss {
  /** @readonly */ element;
  #words;
  #floors = document.getElementById("loss-floors");

  /** @param {HTMLElement} element @param {import("../page/words.js").Words} words */
  constructor(element, words) {
    this.element = element;
    this.#words = words;
  }

  draw(Plotly, state, palette, twin) {
    const { points } = state.losses;
    const other = twin?.losses.points ?? [];
    const x = points.map((point) => point.update);
    const say = (key) => this.#words.say(key);
    const traces = [
      {
        type: "scatter",
        uid: "each",
        x,
        y: points.map((point) => point.loss),
        mode: "lines",
        line: { color: palette.input, width: 1 },
        hovertemplate: `${say("loss.each")} %{y:.3g}<extra></extra>`,
      },
      {
        type: "scatter",
        uid: "mean",
        x,
        y: points.map((point) => point.recentMean),
        mode: "lines",
        line: { color: palette.ink, width: 2 },
        hovertemplate: `${say("loss.mean")} %{y:.3g}<extra></extra>`,
      },
      {
        type: "scatter",
        uid: "twin",
        x: other.map((point) => point.update),
        y: other.map((point) => point.recentMean),
        mode: "lines",
        visible: other.length > 0,
        line: { color: palette.twin, width: 2, dash: TWIN_DASH },
        hovertemplate: `${say("twin.mean")} %{y:.3g}<extra></extra>`,
      },
    ];
    Plotly.react(this.element, traces, this.#layout(points.concat(other), palette, state.floors), STILL);
    this.#tell(state);
  }

  /** When the run has got under a floor, and whether it is there still, in words. */
  #tell(state) {
    const { key, update } = standing(state);
    const since = update === undefined ? {} : { update: grouped(update, this.#words.language) };
    setText(this.#floors, this.#words.say(`floor.${key}`, since));
  }

  #layout(points, palette, floors) {
    const known = FLOORS.filter((name) => floors[name]);
    return layout(palette, {
      margin: { l: 44, r: 8, t: 16, b: 32 },
      hovermode: "x unified",
      dragmode: false,
      uirevision: 0,
      xaxis: axis(palette, { range: [0, rightEdge(points)], showgrid: false, tickformat: ",d", nticks: 6 }),
      yaxis: axis(palette, { type: "log", ...powers(decades(points)) }),
      shapes: known.map((name) => ({
        type: "line",
        xref: "paper",
        x0: 0,
        x1: 1,
        y0: floors[name],
        y1: floors[name],
        line: { color: palette.target, width: 1.25, dash: "6px,4px" },
      })),
      annotations: known.map((name) => ({
        xref: "paper",
        x: 1,
        xanchor: "right",
        y: Math.log10(floors[name]),
        yanchor: "bottom",
        showarrow: false,
        text: this.#words.say(`floor.${name}`, { loss: floors[name].toPrecision(3) }),
        font: { size: 12, color: palette.ink },
        bgcolor: palette.paper.replace("rgb(", "rgba(").replace(")", ", 0.7)"),
        borderpad: 0,
      })),
    });
  }
}

/**
 * Where the mean of the last chunks stands to the floors.
 * @param {import("../run/state.js").State} state
 * @returns {{key: string, update?: number}} a sentence, and since when it holds
 */
function standing({ floors, reached, current }) {
  if (!REACHABLE.some((name) => floors[name])) return { key: "none" };
  const { memoryless, no_carry: noCarry } = reached;
  if (noCarry?.under) return { key: "no_carry.reached", update: noCarry.since };
  if (memoryless?.under) {
    const key = !current.carry_state ? "memoryless.reset" : noCarry ? "no_carry.left" : "memoryless.reached";
    return { key, update: memoryless.since };
  }
  return { key: memoryless || noCarry ? "left" : "not_yet" };
}

/** The axis grows in leaps, so that the curve and not the scale is what moves. */
function rightEdge(points) {
  const newest = points.length ? points[points.length - 1].update : 0;
  let edge = 60;
  while (edge < newest) edge *= 2;
  return edge;
}

function decades(points) {
  let [low, high] = [0.03, 1]; // the floors are in view from the start
  for (const { loss } of points) {
    if (loss > 0 && loss < low) low = loss;
    if (loss > high) high = Math.min(loss, HIGHEST);
  }
  return [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high) * 2) / 2 + 0.02];
}
