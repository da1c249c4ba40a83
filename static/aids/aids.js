import { About } from "./about.js";
import { openHelp } from "./help.js";
import { Summary } from "./summary.js";
import { Tables } from "./table.js";
import { thumbed } from "./thumb.js";

/** Wiring of what helps to read the page: ⓘ, help, the tour, tables, the spoken summary, charts under a thumb. */

const THUMBED = ["wave", "loss-chart", "microscope-chart", "predict-chart", "graphs-chart"];

/**
 * @param {object} page
 * @param {import("../run/store.js").Store} page.store
 * @param {import("../socket/live.js").Live} page.live
 * @param {import("../page/words.js").Words} page.words
 * @param {import("../controls/twin.js").Twin} page.twin
 * @param {import("../link/address.js").AddressBar} page.bar
 * @returns {{tour: (station?: number) => Promise<void>}} begins the tour at a station, from 1
 */
export function build({ store, live, words, twin, bar }) {
  const at = (id) => document.getElementById(id);
  const about = new About(words);
  const tables = new Tables(store, words);
  const summary = new Summary(at("summary"), words);
  for (const id of THUMBED) if (at(id)) thumbed(at(id));

  const transport = at("transport"); // on a phone what opens stands over it
  const measure = () => document.documentElement.style.setProperty("--transport", `${transport.offsetHeight}px`);
  new ResizeObserver(measure).observe(transport);

  /** @type {import("./tour.js").Tour|null} */
  let tour = null;
  const goOnTour = async (station = 1) => {
    const { Tour } = await import("./tour.js");
    tour ??= new Tour({ store, live, words, twin, bar });
    tour.start(station);
  };
  at("tour").addEventListener("click", () => goOnTour());
  const help = () => openHelp(words, about, store.state.connectionName);
  at("help").addEventListener("click", help);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.defaultPrevented) return;
    if (document.querySelector("dialog:modal")) return;
    if (/** @type {Element} */ (event.target).closest("input, textarea, select, [contenteditable]")) return;
    if (event.key === "?") help();
    else if (event.key.toLowerCase() === "t") goOnTour();
    else return;
    event.preventDefault();
  });

  let spoken = null;
  store.draws((state) => {
    if (!words.ready) return;
    if (spoken !== words.language) {
      spoken = words.language;
      for (const part of [about, tables, tour]) part?.relabel();
    }
    summary.draw(state);
    tour?.draw(state);
  });

  return { tour: goOnTour };
}
