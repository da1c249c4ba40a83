import { onceLoaded } from "../page/element.js";

/** What every chart shares: when Plotly is there, how axes look, and at most one drawing a frame. */

/** @typedef {import("../page/palette.js").Palette} Palette */

const CONFIG = {
  displaylogo: false,
  displayModeBar: "hover",
  responsive: true,
  doubleClick: false,
  modeBarButtons: [["zoomIn2d", "zoomOut2d", "toImage"]],
};

/** A chart that is panned and zoomed; Plotly asks for its mode bar's words by its own English ones. */
export function config(words) {
  if (words.language === "en") return CONFIG;
  const dictionary = {
    "Zoom in": words.say("chart.zoom_in"),
    "Zoom out": words.say("chart.zoom_out"),
    "Download plot as a PNG": words.say("chart.save"),
  };
  return { ...CONFIG, locale: words.language, locales: { [words.language]: { dictionary, format: {} } } };
}

/** A second run's line; its colour alone would not tell it. */
export const TWIN_DASH = "9px,3px,2px,3px";
/** Room in px around what is drawn along the wave's axis, which the lanes share. */
export const MARGIN = { l: 36, r: 16, t: 4, b: 32 };

/** A chart that only shows: the page scrolls through it. */
export const STILL = { displayModeBar: false, responsive: true, doubleClick: false };

/** @param {Palette} palette */
export function layout(palette, more) {
  return {
    autosize: true,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: palette.font, size: 12, color: palette.quiet },
    showlegend: false,
    dragmode: "pan",
    hoverlabel: {
      bgcolor: palette.ink,
      bordercolor: palette.ink,
      align: "left",
      font: { family: palette.font, size: 12, color: palette.paper },
    },
    modebar: { bgcolor: "rgba(0,0,0,0)" },
    ...more,
  };
}

/** @param {Palette} palette */
export function axis(palette, more) {
  return {
    color: palette.quiet,
    gridcolor: palette.rule,
    zerolinecolor: palette.rule,
    zeroline: false,
    showline: false,
    ticks: "",
    fixedrange: true,
    ticklabeloverflow: "allow", // measuring every label is a tenth of a drawing
    ...more,
  };
}

/** The range, and a label for each power of ten in it; fewer where there are many. @param {number[]} range */
export function powers([low, high]) {
  const apart = Math.max(1, Math.ceil((high - low) / 5));
  const exponents = [];
  for (let exponent = Math.floor(high); exponent >= low; exponent -= apart) exponents.push(exponent);
  return {
    range: [low, high],
    tickvals: exponents.map((exponent) => 10 ** exponent),
    ticktext: exponents.map(power),
  };
}

function power(exponent) {
  if (exponent < -3) return `1e−${-exponent}`;
  return exponent > 3 ? `1e${exponent}` : String(10 ** exponent);
}

/** A chart beside the wave is drawn this often at most: a drawing costs as much as a quarter of a frame or more. */
const BESIDE_EVERY = 500; // ms

/**
 * The charts beside the wave: each in a frame of its own, none while it is out of sight.
 * @typedef {{element: HTMLElement, draw: (Plotly: any, state: any, palette: Palette, twin: any) => void}} Beside
 */
export class BesideCharts {
  #entries;
  #twin;
  #redraw;
  #timer = 0;

  /** @param {Beside[]} charts @param {() => any} twin the other run's state, or null @param {() => void} redraw asks for a frame */
  constructor(charts, twin, redraw) {
    this.#entries = charts.map((chart) => ({ chart, shown: [], at: 0, inSight: false }));
    this.#twin = twin;
    this.#redraw = redraw;
    const sight = new IntersectionObserver((changes) => {
      for (const { target, isIntersecting } of changes) {
        this.#entries.find(({ chart }) => chart.element === target).inSight = isIntersecting;
      }
      redraw();
    });
    for (const chart of charts) sight.observe(chart.element);
  }

  /** The one that has waited longest of those that are in sight and stale. */
  #next(state) {
    const newest = this.#newest(state);
    const stale = this.#entries.filter(({ shown, inSight }) => inSight && newest.some((chunks, i) => chunks !== shown[i]));
    return stale.length ? stale.reduce((one, other) => (other.at < one.at ? other : one)) : null;
  }

  /** What there is to be drawn of the run, and of its twin. */
  #newest(state) {
    return [state.chunks, this.#twin()?.chunks ?? null];
  }

  /** @returns {boolean} whether one of them should have a frame now */
  isDue(state) {
    const next = this.#next(state);
    return next !== null && performance.now() - next.at >= BESIDE_EVERY;
  }

  /** This frame is another's: a later one is asked for. @param {boolean} restyled all of them are to be drawn anew */
  wait(state, restyled) {
    if (restyled) for (const entry of this.#entries) Object.assign(entry, { shown: [], at: 0 });
    this.#ask(state);
  }

  /** Draws at most one of them. */
  draw(Plotly, state, palette) {
    if (this.isDue(state)) {
      const next = this.#next(state);
      next.chart.draw(Plotly, state, palette, this.#twin());
      Object.assign(next, { shown: this.#newest(state), at: performance.now() });
    }
    this.#ask(state);
  }

  #ask(state) {
    clearTimeout(this.#timer);
    const next = this.#next(state);
    if (next) this.#timer = setTimeout(this.#redraw, Math.max(0, next.at + BESIDE_EVERY - performance.now()));
  }
}

/** @returns {Promise<any>} Plotly, or a rejection when its file does not come or does not run */
export function plotlyLoaded() {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  return new Promise((resolve, reject) => {
    const settle = () => (window.Plotly ? resolve(window.Plotly) : reject(new Error("Plotly did not load")));
    const script = document.getElementById("plotly");
    script.addEventListener("load", settle);
    script.addEventListener("error", settle);
    onceLoaded(settle); // the script may have failed before this module ran
  });
}
