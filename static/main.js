import { Drawing } from "./charts/drawing.js";
import { Controls } from "./controls/controls.js";
import { Engine } from "./controls/engine.js";
import { foldsWhenNarrow } from "./controls/fold.js";
import { Status } from "./controls/status.js";
import { Transport } from "./controls/transport.js";
import { Twin } from "./controls/twin.js";
import { Shelf } from "./earlier/shelf.js";
import { Download } from "./keep/download.js";
import { Presets } from "./lessons/presets.js";
import { Printed } from "./lessons/printed.js";
import { AddressBar } from "./link/address.js";
import { Hiding } from "./link/hiding.js";
import { Language } from "./page/language.js";
import { themed } from "./page/palette.js";
import { Panels } from "./page/panels.js";
import { json, persist } from "./page/persist.js";
import { Words, preferredLanguage } from "./page/words.js";
import { Predict } from "./predict/predict.js";
import { asRate } from "./run/choices.js";
import { Ledger } from "./run/ledger.js";
import { Recording } from "./run/recording.js";
import { Store } from "./run/store.js";
import { Live } from "./socket/live.js";

/** Wiring only. The socket opens first: the network learns while words, schema and Plotly are on their way. */

/** What is fetched later: near its place, at its button, or when all that is seen at first is there. */
const LAZY = {
  share: { load: () => import("./link/share.js"), button: "link" },
  slow: { load: () => import("./lessons/slow.js") }, // it begins with a key too, wherever on the page one is
  detach: { load: () => import("./lessons/detach.js"), near: "detach" },
  keep: { load: () => import("./keep/keep.js"), near: "keep" },
  earlier: { load: () => import("./earlier/earlier.js"), near: "keep" },
  drop: { load: () => import("./keep/drop.js") }, // a file may be dropped long before the panel comes near
  pad: { load: () => import("./pad/pad.js"), near: "pad" },
  graphs: { load: () => import("./graphs/graphs.js"), near: "graphs" },
  script: { load: () => import("./keep/script.js"), button: "script" },
  aids: { load: () => import("./aids/aids.js") }, // what explains the page: ⓘ, help, tables, the spoken summary and the tour
};

/** @template {HTMLElement} [E=HTMLElement] @param {string} id @returns {E} */
const at = (id) => /** @type {E} */ (document.getElementById(id));
const socket = (path) => new URL(path, document.baseURI).href.replace(/^http/, "ws");

const store = new Store();
const redraw = () => store.redraw();
new Recording(store);
const shelf = new Shelf(store);
/** The run that this tab had before it was reloaded. */
const before = await shelf.ofThisTab(location.hash);
const ledger = new Ledger(store);
const hiding = new Hiding(() => requestAnimationFrame(() => drawing.laidOut()));
const bar = new AddressBar(store, hiding);
const live = new Live(socket("ws/train"), store, ...bar.run);
live.views("lanes", ["hidden", "gradient"]); // until it is known which of them is in sight
if (!bar.isHeld && !before) live.connect();

const words = new Words();
const transport = new Transport(store, live, words);
const controls = new Controls(at("recipe-form"), words, {
  live: (fields) => live.change(fields),
  restart: (recipe) => transport.start(recipe),
});
const presets = new Presets(at("presets"), at("preset-caption"), words, (recipe) =>
  transport.start({ ...recipe, seed: store.state.current?.seed ?? 1 }),
);
const status = new Status(words, {
  default: () => bar.startDefault(),
  play: () => transport.play(),
  rewind: () => live.rewind({ learning_rate: asRate(store.state.current.learning_rate / 2) }),
  retry: () => live.retry(),
  reload: () => location.reload(),
  dismiss: () => store.dispatch({ type: "dismissed" }),
  continue: () => transport.goOn(),
  "start-anew": () => transport.start(...bar.run),
});
const printed = new Printed(words);
const download = new Download(words, live, redraw);
const predict = new Predict(words, redraw);
const twin = new Twin(words, socket("ws/train"), redraw, () => transport.reset());
const engine = new Engine(words, twin);
const drawing = new Drawing(store, live, words, twin, predict);
const panels = new Panels(LAZY, redraw);

shelf.serve({ store, live, bar, ledger, twin });
if (before) {
  store.dispatch({ type: "connection", status: "kept" });
  shelf.show(before);
}

store.draws((state, drawn) => {
  bar.draw(state, controls.defaults);
  if (words.ready) drawWords(state, drawn);
  twin.draw(state);
  if (words.ready) engine.draw(state);
  at("wave-empty").hidden = bar.refusal !== null || (state.chunks.length > 0 && drawing.plotly !== null);
  if (!drawing.draw(state, drawn)) return;
  live.seen(twin.together(state.update));
  document.body.dataset.update = String(state.update);
});

function drawWords(state, drawn) {
  transport.draw(state);
  controls.draw(state, drawn);
  presets.draw(state, controls.defaults);
  for (const id of ["recipe", "presets"]) at(id).inert = state.isRecording; // which has nobody's recipe
  status.draw(state, controls.has(state.complaint?.field), bar.refusal);
  printed.draw(state, drawn);
  download.draw(state);
  at("script").toggleAttribute("disabled", state.recipe === null);
  panels.draw(state, drawing);
}

const language = new Language(words, {
  chosen: (chosen) => (bar.language = chosen),
  spoken: () => {
    for (const part of [controls, presets, predict, twin, panels]) part.relabel();
    drawing.restyle();
    store.redraw({ all: true });
  },
});
const theme = themed(at("theme"), () => drawing.restyle({ colours: true }), bar.theme);
bar.serve({
  live,
  twin,
  theme,
  language: () => language.speak(preferredLanguage()),
  tour: (station) => panels.once("aids", (aids) => aids.tour(station)),
});

persist(() => language.speak(preferredLanguage()));
persist(async () => {
  const [schema, { models }] = await Promise.all([json("recipe/schema"), json("models")]);
  controls.build(schema, models);
  presets.offer();
  predict.offer(models);
  store.redraw({ all: true });
});

panels.serve({ store, live, words, twin, bar, hiding, ledger, predict, shelf, drawing, panels, socket, redraw });

at("keep-open").addEventListener("click", () => {
  at("keep").scrollIntoView({ behavior: "smooth" });
  at("keep").focus({ preventScroll: true });
});
foldsWhenNarrow(at("recipe"));

for (const turn of ["online", "offline"]) addEventListener(turn, () => live.check());
document.addEventListener("visibilitychange", () => document.hidden || live.check());
