/**
 * Charts under a thumb. A tap or a drag across reads values at that place; a drag up or down scrolls the page, since
 * the stylesheet leaves that direction to the browser.
 */

const DRAG = 8; // px across before a touch is a reading
const LINGER = 4000; // ms that a label stays after the thumb has left

/** @param {HTMLElement & {on?: (event: string, call: () => void) => void}} chart one that Plotly draws, with hover labels */
export function thumbed(chart) {
  let from = null; // where the touch began
  let at = null; // where the label is
  let asked = false;
  let timer = 0;
  let listening = null;

  const show = () => {
    asked = false;
    const box = chart.querySelector(".nsewdrag")?.getBoundingClientRect();
    if (!at || !box || !window.Plotly) return;
    const within = (value, length) => Math.max(0, Math.min(length, value));
    window.Plotly.Fx.hover(chart, { xpx: within(at.x - box.left, box.width), ypx: within(at.y - box.top, box.height) });
  };
  const ask = () => {
    if (!asked) requestAnimationFrame(show);
    asked = true;
  };
  const read = ({ clientX, clientY }) => {
    clearTimeout(timer);
    at = { x: clientX, y: clientY };
    if (chart.on && listening !== chart.on) {
      listening = chart.on;
      chart.on("plotly_afterplot", () => at && ask()); // the wave moves on under a label
    }
    ask();
  };
  const leave = () => {
    clearTimeout(timer);
    if (at && window.Plotly) window.Plotly.Fx.unhover(chart);
    at = null;
  };

  chart.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "touch" || !event.isPrimary) return;
    from = { x: event.clientX, y: event.clientY, reads: false };
  });
  chart.addEventListener("pointermove", (event) => {
    if (!from || event.pointerType !== "touch") return;
    const [across, along] = [Math.abs(event.clientX - from.x), Math.abs(event.clientY - from.y)];
    from.reads ||= across > DRAG && across > along;
    if (from.reads) read(event);
  });
  chart.addEventListener("pointerup", (event) => {
    if (!from) return;
    const still = Math.hypot(event.clientX - from.x, event.clientY - from.y) <= DRAG;
    if (from.reads || still) {
      read(event);
      timer = setTimeout(leave, LINGER);
    }
    from = null;
  });
  chart.addEventListener("pointercancel", () => {
    from = null; // the browser scrolls now
    leave();
  });
  document.addEventListener("pointerdown", ({ target }) => at && !chart.contains(/** @type {Node} */ (target)) && leave());
}
