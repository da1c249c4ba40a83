import { setText } from "../page/element.js";
import { article } from "./article.js";
import { GraphsChart } from "./chart.js";
import { GraphsLive } from "./socket.js";
import { UNDER_WAY, apply, initialState, shownRows } from "./state.js";
import { GraphTable } from "./table.js";

/** The graph lab's panel: what was recorded, what runs here, and what follows from it. */

const NAMES = { torch: "PyTorch", tensorflow: "TensorFlow", onnxruntime: "ONNX Runtime" };

/** @param {{words: import("../page/words.js").Words, socket: (path: string) => string, redraw: () => void}} page */
export const build = ({ words, socket, redraw }) => new Graphs(words, socket("ws/graphs"), redraw);

export class Graphs {
  #words;
  #redraw;
  #live;
  #table;
  #chart;
  #at;
  #state = initialState();
  #drawn = null;
  /** @type {import("./state.js").Shown[]} */
  #shown = [];
  #language = "";

  /**
   * @param {import("../page/words.js").Words} words
   * @param {string} socketUrl of /ws/graphs
   * @param {() => void} redraw asks for a frame
   */
  constructor(words, socketUrl, redraw) {
    this.#words = words;
    this.#redraw = redraw;
    const at = (id) => document.getElementById(`graphs-${id}`);
    const ids = ["made", "run", "cancel", "view", "says", "article", "table", "chart"];
    this.#at = Object.fromEntries(ids.map((id) => [id, at(id)]));
    const dispatch = (message) => this.#dispatch(message);
    this.#live = new GraphsLive(socketUrl, dispatch);
    this.#table = new GraphTable(this.#at.table, words, dispatch);
    this.#chart = new GraphsChart(this.#at.chart, words, (kind) => dispatch({ type: "point", kind }));
    this.#at.run.addEventListener("click", () => this.#live.run(() => this.#state.asked));
    this.#at.cancel.addEventListener("click", () => this.#live.cancel());
    this.#at.view.addEventListener("click", () => {
      dispatch({ type: "view", view: this.#state.view === "live" ? "recording" : "live" });
    });
    new ResizeObserver(redraw).observe(this.#at.chart);
    this.#fetch();
  }

  async #fetch() {
    try {
      const answer = await fetch(new URL("static/graphs.json", document.baseURI));
      if (!answer.ok) throw new Error(String(answer.status));
      this.#dispatch({ type: "recorded", recording: await answer.json() });
    } catch {
      this.#dispatch({ type: "missing" });
    }
  }

  #dispatch(message) {
    const before = this.#state;
    this.#state = apply(before, message);
    if (this.#state !== before) this.#redraw();
  }

  /** @param {unknown} _ the run is none of its matter @param {{plotly: any, palette: import("../page/palette.js").Palette}} drawing */
  draw(_, drawing) {
    const state = this.#state;
    const spoken = this.#words.language !== this.#language;
    if (state !== this.#drawn || spoken) {
      if (spoken || state.recording !== this.#drawn?.recording) this.#write(state.recording);
      this.#language = this.#words.language;
      this.#drawn = state;
      this.#say(state);
      this.#shown = shownRows(state);
      this.#table.draw(this.#shown, state);
    }
    if (drawing.plotly) this.#chart.draw(drawing.plotly, drawing.palette, this.#shown, state);
  }

  #say(state) {
    const { run, cancel, view, says } = this.#at;
    const say = (key, values) => this.#words.say(`graphs.${key}`, values);
    const busy = UNDER_WAY.includes(state.stage);
    const held = [run, cancel].includes(document.activeElement);
    run.hidden = busy;
    cancel.hidden = !busy;
    if (held) (busy ? cancel : run).focus(); // the one that took the other's place
    view.hidden = busy || Object.keys(state.live).length === 0 || !state.recording;
    run.textContent = say(Object.keys(state.live).length > 0 ? "run.again" : "run");
    cancel.textContent = say("cancel");
    view.textContent = say(state.view === "live" ? "view.recording" : "view.live");
    const sentence = this.#sentence(state);
    setText(says, sentence);
    says.classList.toggle("error", ["lost", "refused"].includes(state.stage) || state.missing);
  }

  #sentence({ stage, ahead, problem, asked, live, recording, missing }) {
    const say = (key, values) => this.#words.say(`graphs.${key}`, values);
    const begun = Object.values(live);
    if (stage === "running") {
      const kind = say(`kind.${begun[begun.length - 1].kind}`);
      return say("stage.running", { number: begun.length, count: asked.length, kind });
    }
    if (stage === "done") return say("stage.done", { count: begun.length });
    const detail = problem && this.#words.refusal(problem);
    if (stage !== "off") return say(`stage.${stage}`, { ahead, detail });
    if (missing) return say("missing");
    return recording ? say("stage.off") : say("loading");
  }

  /** Its name is a name; how many cores it has is a word of the page. @param {string} text such as AMD EPYC, 2 cores */
  #processor(text) {
    const [, name, count] = text.match(/^(.+), (\d+) cores$/) ?? [];
    return name ? this.#words.say("graphs.cores", { name, count }) : text;
  }

  /** The line that says when, where and with what; and the article. */
  #write(recording) {
    if (!recording) return;
    const { made, processor, versions } = recording;
    const named = Object.entries(NAMES).filter(([name]) => versions[name]);
    this.#at.made.textContent = this.#words.say("graphs.made", {
      date: dated(made, this.#words.language),
      processor: this.#processor(processor),
      versions: named.map(([name, as]) => `${as} ${versions[name].split("+")[0]}`).join(this.#words.say("graphs.and")),
    });
    const parts = article(recording, this.#words).map(({ heading, paragraphs }) => {
      const section = document.createElement("section");
      const title = document.createElement("h3");
      title.textContent = heading;
      const texts = paragraphs.map((text) => Object.assign(document.createElement("p"), { textContent: text }));
      section.append(title, ...texts);
      return section;
    });
    this.#at.article.replaceChildren(...parts);
  }
}

/** @param {string} day such as 2026-11-24 @param {string} language */
function dated(day, language) {
  /** @type {Intl.DateTimeFormatOptions} */
  const format = { dateStyle: "long", timeZone: "UTC" };
  const locale = language === "zh" ? "zh-CN" : "en-GB";
  return new Intl.DateTimeFormat(locale, format).format(new Date(`${day.slice(0, 10)}T12:00:00Z`));
}
