/** What every chart shares: when Plotly is there, how axes look, and at most one drawing a frame. */

/** @typedef {import("./palette.js").Palette} Palette */

export const CONFIG = {
  displaylogo: false,
  displayModeBar: "hover",
  responsive: true,
  doubleClick: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "resetScale2d", "zoom2d", "pan2d"],
};

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
    ...more,
  };
}

/** @returns {Promise<any>} Plotly, or a rejection when its file does not come */
export function plotlyLoaded() {
  const script = document.getElementById("plotly");
  if (window.Plotly) return Promise.resolve(window.Plotly);
  return new Promise((resolve, reject) => {
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => reject(new Error("Plotly did not load")));
    window.addEventListener("load", () =>
      window.Plotly ? resolve(window.Plotly) : reject(new Error("Plotly did not load")),
    );
  });
}
