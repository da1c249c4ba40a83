/** The stylesheet's colours as Plotly wants them: one source, resolved for the theme in force. */

const NAMES = [
  ...["paper", "ink", "quiet", "rule", "edge", "target", "prediction", "input", "band", "twin"],
  ...["state-low", "state-mid", "state-high", "gradient-low", "gradient-high"],
];
const STORED = "unrolled.theme";

/** @typedef {Record<string, string>} Palette NAMES as rgb(…), and `font` */

/** @returns {Palette} */
export function readPalette() {
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const style = getComputedStyle(probe);
  const palette = {};
  for (const name of NAMES) {
    probe.style.color = `var(--${name})`;
    palette[name] = style.color;
  }
  palette.font = getComputedStyle(document.body).fontFamily;
  probe.remove();
  return palette;
}

/**
 * Light, dark, or what the system says until the reader chose.
 * @param {HTMLButtonElement} button
 * @param {() => void} onChange
 */
export function themed(button, onChange) {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = localStorage.getItem(STORED);
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const show = () => button.setAttribute("aria-pressed", String(isDark()));
  show();
  system.addEventListener("change", () => {
    show();
    onChange();
  });
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    localStorage.setItem(STORED, root.dataset.theme);
    show();
    onChange();
  });
}
