import { readPalette } from "../page/palette.js";
import { Circle } from "./circle.js";
import { Lanes } from "./lanes.js";
import { Loss } from "./loss.js";
import { Microscope } from "./microscope.js";
import { Odometer } from "./odometer.js";
import { BesideCharts, plotlyLoaded } from "./plotly.js";
import { Wave } from "./wave.js";

/**
 * Who draws in which frame. The wave and the charts beside it never share one: a drawing takes a quarter of a frame
 * or more. Where every frame has a new chunk they take turns.
 */

/** The first frames are the wave's alone: what is beside it may come a moment later. */
const FIRST_WAVE = 100; // ms

export class Drawing {
  #store;
  #words;
  #twin;
  #predict;
  #wave;
  #lanes;
  #beside;
  #panel = document.getElementById("wave-panel");
  #jump = document.getElementById("jump");
  /** @type {any} */
  #plotly = null;
  #failed = false;
  #palette = null;
  #restyled = true;
  #restIsOn = false;
  #restTimer = 0;
  #waveWaits = false;
  #waveWent = false;
  #twinDrawn = null;

  /**
   * @param {import("../run/store.js").Store} store
   * @param {import("../socket/live.js").Live} live
   * @param {import("../page/words.js").Words} words
   * @param {import("../controls/twin.js").Twin} twin
   * @param {import("../predict/predict.js").Predict} predict
   */
  constructor(store, live, words, twin, predict) {
    this.#store = store;
    this.#words = words;
    this.#twin = twin;
    this.#predict = predict;
    const at = (id) => document.getElementById(id);
    this.#lanes = new Lanes(words, (views) => live.views("lanes", views));
    this.#wave = new Wave(
      at("wave"),
      words,
      (following) => (this.#jump.hidden = following),
      () => this.restyle(),
      () => this.#lanes.draw(this.#wave.view, store.state, this.palette),
    );
    this.#beside = new BesideCharts(
      [
        new Loss(at("loss-chart"), words),
        new Circle(at("circle-chart")),
        new Microscope(at("microscope-chart"), words),
        new Odometer(words, (views) => {
          live.views("odometer", views);
          twin.views(views);
        }),
      ],
      () => twin.state,
      () => store.redraw(),
    );
    this.#jump.addEventListener("click", () => {
      this.#wave.follow();
      this.restyle();
    });
    at("show-input").addEventListener("change", ({ target }) => {
      this.#wave.showInput = /** @type {HTMLInputElement} */ (target).checked;
      this.restyle();
    });
    plotlyLoaded()
      .then((loaded) => (this.#plotly = loaded))
      .catch(() => this.#goWithout())
      .finally(() => this.restyle());
  }

  #goWithout() {
    this.#failed = true;
    document.getElementById("wave-empty").dataset.say = "wave.no_charts";
    this.#words.relabel(document);
  }

  /** Plotly, once it is there. */
  get plotly() {
    return this.#plotly;
  }

  /** The theme's colours. */
  get palette() {
    return (this.#palette ??= readPalette());
  }

  /** Everything is to be drawn anew. @param {{colours?: boolean}} what whether the theme is another */
  restyle({ colours = false } = {}) {
    if (colours) this.#palette = null;
    this.#restyled = true;
    this.#store.redraw();
  }

  /** A stage of slow motion: what wave and lanes show of the newest chunk. @param {string|null} stage */
  showStage(stage) {
    if (stage === "length") this.#wave.follow();
    this.#wave.stage = this.#lanes.stage = stage;
    this.restyle();
  }

  /** Panels went or came back: charts take the width that there is now. */
  laidOut() {
    dispatchEvent(new Event("resize"));
    this.restyle();
  }

  /** @returns {boolean} whether what is there is drawn; otherwise another frame has been asked for */
  draw(state, drawn) {
    if (!this.#plotly) return this.#failed;
    this.#look(state, drawn);
    const restyled = this.#restyled;
    const besideIsDue = this.#restIsOn && this.#waveWent && !restyled && this.#beside.isDue(state);
    if (this.#waveWaits && !besideIsDue) {
      this.#drawWave(state, restyled);
    } else if (this.#restIsOn) {
      this.#beside.draw(this.#plotly, state, this.palette);
      this.#waveWent = false;
      if (this.#waveWaits) {
        this.#store.redraw();
        return false;
      }
    }
    if (this.#restIsOn) this.#predict.draw(this.#plotly, this.palette, restyled);
    else if (state.chunks.length > 0) this.#showTheRest();
    this.#restyled = false;
    return true;
  }

  /** Whether there is something new for the wave. */
  #look(state, drawn) {
    const moved = ["chunks", "run", "playing"].some((name) => state[name] !== drawn?.[name]);
    this.#waveWaits ||= this.#restyled || moved || (this.#twin.state?.chunks ?? null) !== this.#twinDrawn;
    if (!this.#panel.hidden) return;
    if (this.#restyled) this.#beside.wait(state, true);
    this.#waveWaits = false;
  }

  #drawWave(state, restyled) {
    const others = this.#twin.chunksBeside(state.chunks);
    if (this.#wave.draw(this.#plotly, state, this.palette, restyled, others)) {
      this.#lanes.draw(this.#wave.view, state, this.palette);
    }
    if (this.#restIsOn) this.#beside.wait(state, restyled);
    this.#waveWaits = false;
    this.#waveWent = true;
    this.#twinDrawn = this.#twin.state?.chunks ?? null;
  }

  #showTheRest() {
    this.#restTimer ||= setTimeout(() => {
      this.#restIsOn = true;
      this.restyle();
    }, FIRST_WAVE);
  }
}
