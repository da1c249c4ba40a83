import { LabChart } from "./lab_chart.js";
import { LabSocket } from "./lab_socket.js";
import { applyLab, duration, emptyLab, figures, isBusy, summary } from "./lab_state.js";
import { Strip, places } from "./lab_strip.js";

/** The panel "Static or dynamic": nine kinds of graph, the same chunks, what each made of them. */

/** What a reader would type to get each kind. */
const CODE = {
  eager_steps: "for t in range(T): outs.append(out(h[:, t]))",
  eager: "out(h)",
  compile_static: "torch.compile(rnn, dynamic=False)",
  compile_dynamic: "torch.compile(rnn, dynamic=True)",
  export_onnx: "torch.export → onnxruntime",
  tensorflow_v1: "tf.placeholder(tf.float32, [None, 1])",
  tf_function: "@tf.function",
  tf_function_signature: "@tf.function(input_signature=[None, None, 1])",
  padded: "mask * (prediction - target) ** 2",
};

const ARTICLE = ["then", "now", "wins"];

export class Lab {
  #at;
  #words;
  #socket;
  #chart;
  #redraw;
  #state = emptyLab();
  #recording = null;
  #rows = new Map();
  #chosen = null;
  #wanted = false;
  #drawn = null;

  /**
   * @param {HTMLElement} panel
   * @param {import("./words.js").Words} words
   * @param {{recording: string, socket: string}} urls
   * @param {() => void} redraw asks for a frame
   */
  constructor(panel, words, urls, redraw) {
    this.#at = (name) => panel.querySelector(`[data-lab="${name}"]`);
    this.#words = words;
    this.#redraw = redraw;
    this.#chart = new LabChart(this.#at("chart"), words);
    this.#socket = new LabSocket(urls.socket, (message) => this.#hear(message));
    this.#at("run").addEventListener("click", () => this.#run());
    this.#at("cancel").addEventListener("click", () => this.#socket.cancel());
    this.#at("recorded").addEventListener("click", () => this.#show(this.#recording));
    const sight = new IntersectionObserver(
      ([{ isIntersecting }]) => {
        if (!isIntersecting) return;
        sight.disconnect();
        this.#wanted = true;
        this.#load(urls.recording);
      },
      { rootMargin: "200px" },
    );
    sight.observe(panel);
  }

  relabel() {
    this.#drawn = null;
    for (const part of this.#rows.values()) part.named = false;
  }

  async #load(url) {
    try {
      const answer = await fetch(url);
      if (!answer.ok) throw new Error(String(answer.status));
      this.#recording = await answer.json();
    } catch {
      this.#at("status").textContent = this.#words.say("lab.no_recording");
      return;
    }
    this.#show(this.#recording);
  }

  #show(recording) {
    this.#hear({ type: "recorded", recording });
  }

  #hear(message) {
    this.#state = applyLab(this.#state, message);
    this.#redraw();
  }

  #run() {
    this.#socket.run((kinds) => kinds.filter(({ cheap, installed }) => cheap && installed).map(({ kind }) => kind));
  }

  #choose(kind) {
    if (this.#chosen === kind) return;
    this.#chosen = kind;
    this.#drawn = null;
    this.#redraw();
  }

  /** @param {any} Plotly @param {import("./palette.js").Palette} palette */
  draw(Plotly, palette, restyled) {
    if (!this.#wanted || !this.#words.ready || this.#state.rows.length === 0) return;
    if (this.#drawn === this.#state && !restyled) return;
    this.#drawn = this.#state;
    if (this.#rows.size === 0) this.#build();
    for (const row of this.#state.rows) this.#drawRow(row);
    this.#drawStatus();
    this.#drawArticle();
    this.#chart.draw(Plotly, this.#state, palette, this.#chosen);
  }

  #build() {
    const { chunks, rows } = this.#state;
    const { starts, width } = places(chunks);
    this.#at("phases").querySelectorAll("span").forEach((label, i) => {
      label.style.left = `${(100 * starts[i]) / width}%`;
    });
    for (const { kind } of rows) {
      const details = document.createElement("details");
      details.dataset.kind = kind;
      const summaryElement = document.createElement("summary");
      const name = element("span", "lab-name", element("b"), element("code", "", CODE[kind]));
      const strip = new Strip(chunks);
      const numbers = ["graphs", "median", "slowest", "total", "wasted"].map((of) => {
        const cell = element("span", "lab-number", element("i"), element("span"));
        cell.dataset.of = of;
        return cell;
      });
      summaryElement.append(name, strip.element, ...numbers);
      const more = element("div", "lab-more");
      details.append(summaryElement, more);
      details.addEventListener("pointerenter", () => this.#choose(kind));
      details.addEventListener("focusin", () => this.#choose(kind));
      this.#at("rows").append(details);
      this.#rows.set(kind, { details, name, strip, numbers, more, named: false, row: null });
    }
  }

  #drawRow(row) {
    const part = this.#rows.get(row.kind);
    const say = (key, values) => this.#words.say(key, values);
    if (part.row === row && part.named) return;
    const figures = summary(row, this.#state.chunks);
    part.name.querySelector("b").textContent = say(`lab.kind.${row.kind}`);
    part.details.dataset.status = row.status;
    part.details.classList.toggle("live", Boolean(row.live));
    part.strip.draw(row, figures.built);
    const shown = {
      graphs: String(figures.graphs),
      median: duration(figures.median.all),
      slowest: duration(figures.slowest),
      total: duration(row.seconds.length > 0 ? figures.total : null),
      wasted: `${Math.round(100 * figures.wasted)} %`,
    };
    for (const cell of part.numbers) {
      cell.firstChild.textContent = say(`lab.${cell.dataset.of}`);
      cell.lastChild.textContent = shown[cell.dataset.of];
    }
    const lines = [element("p", "", say(`lab.about.${row.kind}`))];
    if (row.status === "absent") {
      const { install } = this.#state.kinds.find(({ kind }) => kind === row.kind) ?? {};
      lines.push(element("p", "wait", say("lab.absent", { install: install ?? "" })));
    }
    if (figures.failed > 0) {
      lines.push(element("p", "", say("lab.failed", { failed: figures.failed, all: row.seconds.length })));
    }
    for (const { chunks, text } of row.errors.slice(0, 3)) {
      const where = chunks.length > 0 ? say("lab.at_chunk", { chunk: chunks[0] + 1 }) : say("lab.at_setup");
      lines.push(element("p", "caption", where), element("pre", "", text));
    }
    for (const note of row.notes) lines.push(element("pre", "note", note));
    const times = { setup: duration(row.setup_seconds), imported: duration(row.import_seconds) };
    if (row.status !== "absent") lines.push(element("p", "caption", say("lab.times", times)));
    part.more.replaceChildren(...lines);
    Object.assign(part, { row, named: true });
  }

  #drawStatus() {
    const { phase, about, wanted, kind, ahead, detail } = this.#state;
    const busy = isBusy(this.#state);
    const values = {
      made: about.made,
      processor: about.processor,
      versions: Object.entries(about.versions)
        .map(([name, version]) => `${name} ${version.split("+")[0]}`)
        .join(", "),
      ahead,
      detail,
      number: wanted.indexOf(kind) + 1,
      all: wanted.length,
      name: kind ? this.#words.say(`lab.kind.${kind}`) : "",
    };
    this.#at("status").textContent = this.#words.say(`lab.phase.${phase}`, values);
    this.#at("run").hidden = busy;
    this.#at("cancel").hidden = !busy;
    this.#at("recorded").hidden = busy || !this.#state.rows.some(({ live }) => live);
  }

  #drawArticle() {
    const values = figures({ ...this.#state, rows: this.#recording.rows, chunks: this.#recording.chunks });
    for (const part of ARTICLE) {
      this.#at(`article-${part}`).textContent = this.#words.say(`lab.article.${part}`, values);
    }
  }
}

function element(tag, className = "", ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}
