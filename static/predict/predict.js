import { STILL, axis, layout } from "../charts/plotly.js";
import { copyText } from "../page/clipboard.js";
import { grouped } from "../page/words.js";
import { bodyOf, curlOf, pasted, sine } from "./request.js";

/** The predict panel: ask the trained network over HTTP, see its answer, take the curl along. */

const COPIED = 1600; // ms that the button says so
/** The model that answers where none is named. */
const SHIPPED = "sine";

/** @typedef {{id: string, cell: string, hidden_size: number, update: number}} Model */

export class Predict {
  #words;
  #redraw;
  #at;
  #question = null;
  #answer = null;
  #state = null;
  /** Where a generated sine goes on when the state is carried, in units of π. */
  #next = 0;
  #url = new URL("predict", document.baseURI).href;
  /** Models that can answer, the one that ships with the project first. @type {Model[]} */
  #models = [];
  /** The ids of those that were uploaded from this page. */
  #own = new Set();
  #dirty = true;

  /**
   * @param {import("../page/words.js").Words} words
   * @param {() => void} redraw asks for a frame
   */
  constructor(words, redraw) {
    this.#words = words;
    this.#redraw = redraw;
    const ids = [
      ..."predict-form generate paste samples interval phase samples-value interval-value phase-value".split(" "),
      ..."numbers carry carry-caption predict-go predict-error predict-mse predict-chart".split(" "),
      ..."predict-warnings predict-model curl copy copy-word".split(" "),
    ];
    this.#at = Object.fromEntries(ids.map((id) => [id, document.getElementById(id)]));
    const form = this.#at["predict-form"];
    form.addEventListener("input", () => this.#asked());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    for (const control of [this.#at.carry, this.#at["predict-model"]]) {
      control.addEventListener("change", () => {
        this.#state = null; // it belongs to its network
        this.#asked();
      });
    }
    this.#at.copy.addEventListener("click", () => this.#copy());
    this.#asked();
  }

  /** @param {Model[]} models as GET /models lists them */
  offer(models) {
    const listed = models.map(({ id }) => id);
    this.#models = [...models, ...this.#models.filter(({ id }) => !listed.includes(id))];
    this.#listModels();
  }

  /** @param {Model} model a run that was just uploaded: it answers from now on */
  use(model) {
    this.#own.add(model.id);
    this.offer([...this.#models.filter(({ id }) => id !== model.id), model]);
    this.#at["predict-model"].value = model.id;
    this.#state = null;
    this.#asked();
  }

  #listModels() {
    const select = this.#at["predict-model"];
    const { value } = select;
    const options = this.#models.map((model) => new Option(this.#nameOf(model), model.id));
    if (options.length === 0) return;
    select.replaceChildren(...options);
    select.value = value;
  }

  #nameOf({ id, cell, hidden_size, update }) {
    if (id === SHIPPED) return this.#words.say("predict.model.sine");
    const values = { cell: cell.toUpperCase(), hidden_size, update: grouped(update, this.#words.language), id: id.slice(0, 6) };
    return this.#words.say(this.#own.has(id) ? "predict.model.own" : "predict.model.other", values);
  }

  relabel() {
    this.#listModels();
    this.#show();
    this.#at["copy-word"].textContent = this.#words.say("predict.copy");
  }

  /** @param {boolean} restyled the theme, the language or the size is another */
  draw(Plotly, palette, restyled) {
    if (!this.#dirty && !restyled) return;
    this.#dirty = false;
    const { x = [], sequence = [], target = null, over = "phase" } = this.#question ?? {};
    const line = { type: "scatter", mode: "lines", x };
    const says = (key) => `${this.#words.say(key)} %{y:.3f}<extra></extra>`;
    const answer = this.#answer?.prediction ?? [];
    /** @type {Record<string, any>[]} */
    const traces = [
      { ...line, y: sequence, uid: "input", line: { color: palette.input, width: 1.25, dash: "1px,3px" } },
      { ...line, y: target ?? [], uid: "target", line: { color: palette.target, width: 2, dash: "6px,4px" } },
      { ...line, y: answer, uid: "prediction", line: { color: palette.prediction, width: 2.25 } },
    ];
    ["wave.input", "predict.truth", "wave.prediction"].forEach((key, i) => (traces[i].hovertemplate = says(key)));
    const shape = layout(palette, {
      margin: { l: 36, r: 8, t: 8, b: 32 },
      dragmode: false,
      hovermode: "x unified",
      xaxis: axis(palette, { showgrid: false, ticksuffix: over === "phase" ? "π" : "", nticks: 8 }),
      yaxis: axis(palette, { range: this.#height(sequence), nticks: 5 }),
    });
    Plotly.react(this.#at["predict-chart"], traces, shape, STILL);
  }

  #height(sequence) {
    const size = Math.max(1.15, ...[...sequence, ...(this.#answer?.prediction ?? [])].map(Math.abs));
    return [-size * 1.05, size * 1.05];
  }

  /** What would be sent has changed: an answer to something else is taken off the chart. */
  #asked() {
    const { samples, interval, phase, numbers, generate, paste } = this.#at;
    const making = this.#at["predict-form"].elements.source.value === "generate";
    generate.hidden = !making;
    paste.hidden = making;
    this.#answer = null;
    this.#complain("");
    try {
      this.#question = making
        ? sine(Number(samples.value), Number(interval.value), this.#state ? this.#next : Number(phase.value))
        : pasted(numbers.value);
    } catch (error) {
      this.#question = null;
      const key = error.message ? "predict.not_a_number" : "predict.no_numbers";
      this.#complain(this.#words.say(key, { word: error.message.slice(0, 40) }));
    }
    this.#show();
  }

  #show() {
    const { samples, interval, phase } = this.#at;
    this.#at["samples-value"].textContent = samples.value;
    this.#at["interval-value"].textContent = `${Number(interval.value).toFixed(3)}π`;
    this.#at["phase-value"].textContent = `${Number(phase.value).toFixed(2)}π`;
    this.#at["predict-go"].disabled = !this.#question;
    this.#at.curl.textContent = this.#question ? curlOf(this.#url, this.#body()) : "";
    const carried = this.#at.carry.checked && (this.#state ? "predict.carried" : "predict.will_carry");
    this.#at["carry-caption"].textContent = carried ? this.#words.say(carried) : "";
    const mse = this.#answer?.mse;
    this.#at["predict-mse"].textContent =
      mse == null ? "" : this.#words.say("predict.mse", { mse: mse.toExponential(1) });
    const { warnings = [], warning_codes: codes } = this.#answer ?? {};
    const sentences = warnings.map((detail, i) => this.#words.say(`warning.${codes[i]}`, { detail }));
    this.#at["predict-warnings"].hidden = warnings.length === 0;
    this.#at["predict-warnings"].textContent = sentences.join("\n");
    this.#dirty = true;
    this.#redraw();
  }

  #body() {
    const model = this.#at["predict-model"].value;
    return bodyOf(this.#question, this.#at.carry.checked ? this.#state : null, model === SHIPPED ? null : model);
  }

  #complain(sentence) {
    this.#at["predict-error"].textContent = sentence;
    this.#at["predict-error"].hidden = !sentence;
  }

  async #send() {
    if (this.#state) this.#asked();
    const asked = this.#question;
    const answer = await this.#post(this.#body());
    if (!answer || asked !== this.#question) return;
    this.#answer = answer;
    this.#show();
    if (!this.#at.carry.checked) return;
    this.#state = answer.state;
    const { samples, interval } = this.#at;
    if (asked.over === "phase") this.#next = asked.x[0] + Number(samples.value) * Number(interval.value);
    this.#at["carry-caption"].textContent = this.#words.say("predict.carried");
  }

  async #post(body) {
    this.#complain("");
    const headers = { "Content-Type": "application/json" };
    try {
      const response = await fetch(this.#url, { method: "POST", headers, body });
      const answer = await response.json();
      if (response.ok) return answer;
      this.#complain(this.#words.refusal(answer));
    } catch {
      this.#complain(this.#words.say("predict.unreachable"));
    }
    return null;
  }

  async #copy() {
    await copyText(this.#at.curl);
    this.#at["copy-word"].textContent = this.#words.say("predict.copied");
    setTimeout(() => (this.#at["copy-word"].textContent = this.#words.say("predict.copy")), COPIED);
  }
}
