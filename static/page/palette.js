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
  /** @type {Palette} */
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
 * Light, dark, or what the system says until the reader chose. What a link asks for comes before what was chosen in an
 * earlier visit, and is not kept.
 * @param {HTMLButtonElement} button
 * @param {() => void} onChange
 * @param {string|null} asked by the link
 * @returns {{asked: string|null, set: (asked: string|null) => void}} `asked` by a link or chosen in this visit
 */
export function themed(button, onChange, asked) {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const theme = {
    asked,
    /** @param {string|null} asked */
    set(asked) {
      theme.asked = asked;
      wear();
      show();
      onChange();
    },
  };
  const wear = () => {
    const worn = theme.asked ?? localStorage.getItem(STORED);
    if (worn === "light" || worn === "dark") root.dataset.theme = worn;
    else delete root.dataset.theme;
  };
  wear();
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const show = () => button.setAttribute("aria-pressed", String(isDark()));
  show();
  system.addEventListener("change", () => {
    show();
    onChange();
  });
  button.addEventListener("click", () => {
    const chosen = isDark() ? "light" : "dark";
    localStorage.setItem(STORED, chosen);
    theme.set(chosen);
  });
  return theme;
}
