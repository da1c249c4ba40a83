import { STILL, axis, layout } from "../charts/plotly.js";
import { cumulative, duration, round } from "./figures.js";

/** How long each kind of graph took in all, chunk by chunk: one line each, named where it ends. */

const APART = 16; // px between two names
const ROUNDS = 100;
const RESTING = "eager_steps"; // the tutorial's own way is what the others are held against
const MARGIN = { l: 52, t: 8, b: 40 };

export class GraphsChart {
  #element;
  #words;
  #drawn = [];
  #listening = false;
  #kinds = [];
  #onPoint;

  /**
   * @param {HTMLElement} element @param {import("../page/words.js").Words} words
   * @param {(kind: string|null) => void} onPoint a line is under the pointer, or none
   */
  constructor(element, words, onPoint) {
    this.#element = element;
    this.#words = words;
    this.#onPoint = onPoint;
  }

  /**
   * @param {any} Plotly @param {import("../page/palette.js").Palette} palette
   * @param {import("./state.js").Shown[]} shown @param {import("./state.js").State} state
   */
  draw(Plotly, palette, shown, { open, pointed }) {
    const drawable = shown.filter(({ row }) => row && row.status !== "running" && row.seconds.length > 0);
    const width = this.#element.clientWidth;
    const now = [palette, this.#words.language, open, pointed, width, ...drawable.map(({ row }) => row)];
    if (now.length === this.#drawn.length && now.every((value, i) => value === this.#drawn[i])) return;
    this.#drawn = now;
    this.#kinds = shown.map(({ kind }) => kind);
    const lines = drawable.map(({ kind, row }) => ({ kind, y: cumulative(row) }));
    const chosen = pointed ? [pointed] : open.length > 0 ? open : [RESTING];
    const narrow = width < 480;
    const traces = this.#kinds.map((kind) => this.#trace(kind, lines, chosen.includes(kind), palette));
    Plotly.react(this.#element, traces, this.#layout(lines, chosen, palette, narrow), STILL);
    if (this.#listening) return;
    this.#listening = true;
    this.#element.on("plotly_hover", ({ points }) => this.#onPoint(this.#kinds[points[0].curveNumber]));
    this.#element.on("plotly_unhover", () => this.#onPoint(null));
  }

  #trace(kind, lines, isChosen, palette) {
    const y = lines.find((line) => line.kind === kind)?.y ?? [];
    const name = this.#words.say(`graphs.kind.${kind}`);
    const hover = this.#words.say("graphs.chart.hover", { chunk: "%{x}", time: "%{text}" });
    return {
      type: "scatter",
      mode: "lines",
      uid: kind,
      x: y.map((_, i) => i),
      y,
      text: y.map((seconds) => duration(seconds)),
      line: { shape: "hv", color: isChosen ? palette.ink : palette.input, width: isChosen ? 2.5 : 1.25 },
      zorder: isChosen ? 1 : 0,
      hovertemplate: `${name}<br>${hover}<extra></extra>`,
    };
  }

  #layout(lines, chosen, palette, narrow) {
    const [low, high] = powers(lines);
    const height = this.#element.clientHeight - MARGIN.t - MARGIN.b;
    const longest = Math.max(0, ...lines.map(({ y }) => y.length - 1));
    const ticks = Array.from({ length: high - low + 1 }, (_, i) => low + i);
    const margin = { ...MARGIN, r: narrow ? 160 : 200 };
    const names = spread(lines.map(ending), height / (high - low));
    return layout(palette, {
      margin,
      hovermode: "closest",
      hoverdistance: 12,
      dragmode: false,
      xaxis: axis(palette, { range: [0, longest], showgrid: false, nticks: 7, title: this.#title("chunks", palette) }),
      yaxis: axis(palette, {
        type: "log",
        range: [low, high],
        tickvals: ticks.map((power) => 10 ** power),
        ticktext: ticks.map((power) => round(10 ** power)),
      }),
      annotations: names.map(({ kind, power, seconds }) => this.#name(kind, power, seconds, chosen, palette, narrow)),
    });
  }

  #title(key, palette) {
    const font = { size: 12, color: palette.quiet };
    return { text: this.#words.say(`graphs.chart.${key}`), font, standoff: 8 };
  }

  #name(kind, power, seconds, chosen, palette, narrow) {
    const isChosen = chosen.includes(kind);
    const text = `${this.#words.say(`graphs.kind.${kind}`)}${narrow ? "" : `  ${duration(seconds)}`}`;
    return {
      x: 1,
      xref: "paper",
      y: power,
      yref: "y",
      xanchor: "left",
      xshift: 8,
      showarrow: false,
      text: isChosen ? `<b>${text}</b>` : text,
      font: { size: 12, color: isChosen ? palette.ink : palette.quiet },
    };
  }
}

/** Where a line is at its last chunk that did not fail. */
function ending({ kind, y }) {
  const seconds = y.findLast((value) => value !== null);
  return { kind, seconds, power: Math.log10(seconds) };
}

/** Moves names apart that would stand on each other: neighbours give way to each other by halves. */
function spread(names, perPower) {
  const sorted = names.toSorted((a, b) => a.power - b.power);
  const apart = APART / perPower;
  for (let round = 0; round < ROUNDS; round += 1) {
    for (let i = 1; i < sorted.length; i += 1) {
      const lacking = apart - (sorted[i].power - sorted[i - 1].power);
      if (lacking <= 0) continue;
      sorted[i].power += lacking / 2;
      sorted[i - 1].power -= lacking / 2;
    }
  }
  return sorted;
}

function powers(lines) {
  const values = lines.flatMap(({ y }) => y.filter((value) => value > 0));
  if (values.length === 0) return [-2, 2];
  return [Math.floor(Math.log10(Math.min(...values))), Math.ceil(Math.log10(Math.max(...values)))];
}
