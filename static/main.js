import { Drawing } from "./charts/drawing.js";
import { Controls } from "./controls/controls.js";
import { Status } from "./controls/status.js";
import { Transport } from "./controls/transport.js";
import { Twin } from "./controls/twin.js";
import { Keeper } from "./earlier/shelf.js";
import { Download } from "./keep/download.js";
import { Presets } from "./lessons/presets.js";
import { Printed } from "./lessons/printed.js";
import { AddressBar } from "./link/address.js";
import { Hiding } from "./link/hiding.js";
import { elements, onceLoaded } from "./page/element.js";
import { themed } from "./page/palette.js";
import { Words, preferredLanguage, rememberLanguage } from "./page/words.js";
import { Predict } from "./predict/predict.js";
import { asRate } from "./run/choices.js";
import { Ledger } from "./run/ledger.js";
import { Recording } from "./run/recording.js";
import { Store } from "./run/store.js";
import { Live } from "./socket/live.js";

/** Wiring only. The socket opens first: the network learns while words, schema and Plotly are on their way. */

const TRY_AGAIN = 2000; // ms

const at = (id) => document.getElementById(id);
const address = (path) => new URL(path, document.baseURI);

const socketAddress = (path) => address(path).href.replace(/^http/, "ws");

const store = new Store();
new Recording(store);
const keeper = new Keeper(store);
/** The run that this tab had before it was reloaded. */
const before = await keeper.ofThisTab(location.hash);
const ledger = new Ledger(store);
const hiding = new Hiding(() => requestAnimationFrame(() => drawing.laidOut()));
const bar = new AddressBar(store, hiding);
const live = new Live(socketAddress("ws/train"), store, ...bar.run);
live.views("lanes", ["hidden", "gradient"]); // until it is known which of them is in sight
if (!bar.isHeld && !before) live.connect();

const words = new Words();
const transport = new Transport(store, live, words);
const controls = new Controls(/** @type {HTMLFormElement} */ (at("recipe-form")), words, {
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
const download = new Download(words, live, () => store.redraw());
const predict = new Predict(words, () => store.redraw());
/** @type {import("./link/share.js").Share|null} */
let share = null;
/** Begins the tour at a station, from 1; until its file is there, the station waits. */
let stationAsked = 0;
let goOnTour = (station) => void (stationAsked = station);
/** @type {import("./keep/keep.js").Keep|null} */
let keep = null;
/** @type {import("./earlier/earlier.js").Earlier|null} */
let earlier = null;
/** @type {import("./pad/pad.js").Pad|null} */
let pad = null;
/** @type {import("./lessons/slow.js").Slow|null} */
let slow = null;
/** @type {import("./lessons/detach.js").Detach|null} */
let detach = null;
/** @type {import("./graphs/graphs.js").Graphs|null} */
let graphs = null;

const twin = new Twin(words, socketAddress("ws/train"), () => store.redraw(), () => transport.reset());
const drawing = new Drawing(store, live, words, twin, predict);

function drawWords(state, drawn) {
  transport.draw(state);
  controls.draw(state, drawn);
  presets.draw(state, controls.defaults);
  for (const id of ["recipe", "presets"]) at(id).inert = state.isRecording; // which has nobody's recipe
  earlier?.draw(state);
  status.draw(state, controls.has(state.complaint?.field), bar.refusal);
  printed.draw(state, drawn);
  download.draw(state);
  /** @type {HTMLButtonElement} */ (at("script")).disabled = state.recipe === null;
  share?.draw();
  slow?.draw(state);
  detach?.draw(state);
  keep?.draw(state);
  pad?.draw(drawing.palette);
  graphs?.draw(drawing.plotly, drawing.plotly && drawing.palette);
}

keeper.serve({ store, live, bar, ledger, twin });
if (before) {
  store.dispatch({ type: "connection", status: "kept" });
  keeper.show(before);
}

store.draws((state, drawn) => {
  bar.draw(state, controls.defaults);
  if (words.ready) drawWords(state, drawn);
  twin.draw(state);
  at("wave-empty").hidden = bar.refusal !== null || (state.chunks.length > 0 && drawing.plotly !== null);
  if (!drawing.draw(state, drawn)) return;
  live.seen(twin.together(state.update));
  document.body.dataset.update = String(state.update);
});

const theme = themed(/** @type {HTMLButtonElement} */ (at("theme")), () => drawing.restyle({ colours: true }), bar.theme);
bar.serve({ live, twin, theme, language: () => speak(preferredLanguage()), tour: (station) => goOnTour(station) });

at("link").addEventListener("click", async () => {
  const { Share } = await import("./link/share.js");
  share ??= new Share(words, bar, hiding, () => store.redraw());
  share.open();
});

async function speak(language) {
  await words.load(language);
  for (const part of [controls, presets, predict, twin]) part.relabel();
  for (const button of elements("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  }
  earlier?.relabel();
  drawing.restyle();
  store.redraw({ all: true });
}

for (const button of elements("[data-language]")) {
  button.addEventListener("click", () => {
    rememberLanguage(button.dataset.language);
    bar.language = button.dataset.language;
    speak(button.dataset.language);
  });
}

async function buildControls() {
  const json = async (path) => {
    const answer = await fetch(address(path));
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.json();
  };
  const [schema, { models }] = await Promise.all([json("recipe/schema"), json("models")]);
  controls.build(schema, models);
  presets.offer(schema.properties.framework.missing);
  predict.offer(models);
  store.redraw({ all: true });
}

/** A server that is just restarting answers in a moment: what the page needs once is asked for until it comes. */
function persist(task) {
  task().catch(() => setTimeout(() => persist(task), TRY_AGAIN));
}

persist(() => speak(preferredLanguage()));
persist(buildControls);

/** What stands far below the wave: its files are fetched when it comes near. @param {() => Promise<void>} load */
function whenNear(element, load) {
  const near = new IntersectionObserver(
    async ([{ isIntersecting }]) => {
      if (!isIntersecting) return;
      near.disconnect();
      await load();
      element.dispatchEvent(new Event("built", { bubbles: true }));
      store.redraw();
    },
    { rootMargin: "200px" },
  );
  near.observe(element);
}

whenNear(at("pad"), async () => {
  const { Pad } = await import("./pad/pad.js");
  pad = new Pad(words, socketAddress("ws/predict"));
});
whenNear(at("detach"), async () => {
  const { Detach } = await import("./lessons/detach.js");
  detach = new Detach(store, words);
});
whenNear(at("graphs"), async () => {
  const { Graphs } = await import("./graphs/graphs.js");
  graphs = new Graphs(words, socketAddress("ws/graphs"), () => store.redraw());
});

/** What a run is kept as. A file may be dropped long before the panel comes near. */
async function kept() {
  const { Keep } = await import("./keep/keep.js");
  keep ??= new Keep({ words, store, live, ledger, predict }, socketAddress("ws/verify"));
  return keep;
}
whenNear(at("keep"), async () => {
  await kept();
  const { Earlier } = await import("./earlier/earlier.js");
  earlier = new Earlier(words, keeper);
});
at("keep-open").addEventListener("click", () => {
  at("keep").scrollIntoView({ behavior: "smooth" });
  at("keep").focus({ preventScroll: true });
});
onceLoaded(async () => {
  const { takesDrops } = await import("./keep/drop.js");
  takesDrops(words, async (file) => (await kept()).take(file));
});

/** Slow motion begins with a key too, wherever one is on the page: its file comes when all that is seen at first is there. */
onceLoaded(async () => {
  const { Slow } = await import("./lessons/slow.js");
  slow = new Slow(store, live, words, (stage) => drawing.showStage(stage));
  store.redraw();
});

/** What explains the page: ⓘ, help, tables, the spoken summary and the tour. */
onceLoaded(async () => {
  const { aid } = await import("./aids/aids.js");
  goOnTour = aid({ store, live, words, twin, bar }).tour;
  if (stationAsked) goOnTour(stationAsked);
});

at("script").addEventListener("click", async () => {
  const { openScript } = await import("./keep/script.js");
  openScript(words, store.state);
});

for (const turn of ["online", "offline"]) addEventListener(turn, () => live.check());
document.addEventListener("visibilitychange", () => document.hidden || live.check());

const narrow = matchMedia("(max-width: 860px)");
const fold = () => at("recipe").toggleAttribute("open", !narrow.matches);
fold();
narrow.addEventListener("change", fold);
at("recipe").querySelector("summary").addEventListener("click", (event) => {
  if (!narrow.matches) event.preventDefault(); // beside the wave there is nothing to make room for
});
