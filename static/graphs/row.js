import { make } from "../page/element.js";
import { duration, figures, round, written } from "./figures.js";
import { LINES, Strip, height } from "./strip.js";

/** One kind of graph: its name and the line that makes it, its strip, its numbers; opened, what it said. */

/** @typedef {import("./state.js").Shown} Shown */

const CODE = {
  eager_steps: "[out(h[:, t]) for t in range(T)]",
  eager: "out(rnn(x, h)[0])",
  compile_static: "torch.compile(net, dynamic=False)",
  compile_dynamic: "torch.compile(net, dynamic=True)",
  export_onnx: "torch.onnx.export(net, dynamo=True)",
  tensorflow_v1: "tf.placeholder(tf.float32, [None, 1])",
  tf_function: "@tf.function",
  tf_function_signature: "@tf.function(input_signature=…)",
  padded: "(mask * (net(pad(x)) - y) ** 2).sum()",
};
const INSTALLS = { tensorflow: "pip install 'unrolled[tensorflow]'", onnxruntime: "pip install 'unrolled[onnx]'" };

export const COLUMNS = ["graphs", "setup", "median", "slowest", "total", "wasted"];

export class GraphRow {
  /** @readonly */ element = make("div", { role: "rowgroup", class: "kind" });
  #words;
  #at;
  #strip = new Strip();
  #drawn = [];

  /** @param {string} kind @param {import("../page/words.js").Words} words @param {() => void} toggle */
  constructor(kind, words, toggle) {
    this.#words = words;
    this.element.dataset.kind = kind;
    const id = `graph-${kind}`;
    const button = make("button", { type: "button", "aria-expanded": "false", "aria-controls": id });
    button.addEventListener("click", toggle);
    const name = make("span", { class: "name" });
    button.append(name);
    const head = make("div", { role: "rowheader" });
    const remarks = make("span", { class: "remarks" });
    head.append(button, make("code", {}, CODE[kind] ?? kind), remarks);
    const strip = make("div", { role: "cell", class: "strip" });
    const absent = make("p", { class: "absent" });
    const ticks = LINES.map((seconds) => make("span", { class: "tick", "aria-hidden": "true" }, round(seconds)));
    ticks.forEach((tick, i) => (tick.style.bottom = `${height(LINES[i]) - 8}px`));
    strip.append(this.#strip.element, ...ticks, absent);
    const numbers = COLUMNS.map((column) => make("div", { role: "cell", class: "number", "data-column": column }));
    for (const cell of numbers) cell.append(make("span", { class: "label", "aria-hidden": "true" }), make("b"));
    const row = make("div", { role: "row" });
    row.append(head, strip, ...numbers);
    const details = make("div", { role: "cell", "aria-colspan": "8" });
    const opened = make("div", { role: "row", class: "opened", id, hidden: "" });
    opened.append(details);
    this.element.append(row, opened);
    this.#at = { button, name, remarks, absent, numbers, opened, details };
  }

  /** Where the bars are. */
  get strip() {
    return this.#strip.element;
  }

  /** @param {Shown} shown @param {import("./state.js").State} state */
  draw(shown, { open, pointed, view }) {
    const { kind, row, source } = shown;
    const isOpen = open.includes(kind);
    this.element.classList.toggle("pointed", kind === pointed);
    const now = [row, source, shown.missing, isOpen, view, this.#words.language];
    if (now.every((value, i) => value === this.#drawn[i])) return;
    this.#drawn = now;
    const say = (key, values) => this.#words.say(`graphs.${key}`, values);
    const { button, name, numbers, opened, details, absent, remarks } = this.#at;
    name.textContent = say(`kind.${kind}`);
    const isAbsent = !row || row.status === "absent";
    this.element.className = this.element.className.replace(/ ?is-\w+/g, "");
    this.element.classList.add(`is-${row?.status ?? "absent"}`, `is-${source}`);
    absent.hidden = !isAbsent;
    this.element.classList.toggle("is-empty", isAbsent);
    this.#strip.element.toggleAttribute("hidden", isAbsent);
    if (isAbsent) absent.replaceChildren(...this.#install(shown, "absent.recorded"));
    const texts = written(shown);
    numbers.forEach((cell, i) => {
      cell.firstChild.textContent = say(`column.${COLUMNS[i]}`);
      cell.lastChild.textContent = texts[COLUMNS[i]] ?? "–";
    });
    this.#strip.draw(isAbsent ? null : row, shown.chunks, say("strip", { count: shown.chunks.length, ...texts }));
    remarks.replaceChildren(...this.#remarks(shown, view));
    button.setAttribute("aria-expanded", String(isOpen));
    opened.hidden = !isOpen;
    details.replaceChildren(...(isOpen ? this.#details(shown) : []));
  }

  #remarks({ row, chunks, source, missing }, view) {
    const say = (key, values) => this.#words.say(`graphs.${key}`, values);
    const remarks = [];
    const { failed } = row ? figures(row, chunks) : { failed: 0 };
    const trouble = failed > 0 ? say("failed", { failed, count: chunks.length }) : say("failed.all");
    if (failed > 0 || row?.status === "failed") remarks.push(make("span", { class: "trouble" }, trouble));
    if (row?.status === "cancelled") remarks.push(make("span", {}, say("cancelled.row")));
    const from = row?.status === "running" ? "running" : source;
    if (view === "live") remarks.push(make("span", { class: source }, say(`source.${from}`)));
    if (view === "live" && missing) remarks.push(make("span", {}, say("absent.here")));
    return remarks;
  }

  /** @returns {HTMLElement[]} a sentence, and the line that installs what is missing */
  #install({ row, missing }, key) {
    const line = missing ?? INSTALLS[row?.framework];
    const sentence = make("span", {}, this.#words.say(`graphs.${line ? key : "absent.unknown"}`));
    return line ? [sentence, make("code", {}, line)] : [sentence];
  }

  #details(shown) {
    const { row, chunks, missing } = shown;
    const say = (key, values) => this.#words.say(`graphs.${key}`, values);
    /** @type {HTMLElement[]} */
    const parts = [make("p", {}, say(`about.${shown.kind}`))];
    if (row && row.status !== "absent") {
      const times = { setup: duration(row.setup_seconds), imports: duration(row.import_seconds) };
      parts.push(make("p", { class: "caption" }, say("details.times", times)));
    }
    if (missing) {
      const line = make("p", { class: "absent" });
      line.append(...this.#install(shown, "absent.install"));
      parts.push(line);
    }
    const said = [
      ...(row?.errors ?? []).map(({ chunks: where, text }) => [this.#where(where, chunks), text, "trouble"]),
      ...(row?.notes ?? []).map((text) => [say("details.note"), text, "note"]),
    ];
    if (said.length > 0) parts.push(this.#said(said));
    return parts;
  }

  #where(failed, chunks) {
    if (failed.length === 0) return this.#words.say("graphs.details.at_setup");
    const { length, streams } = chunks[failed[0]];
    const values = { numbers: failed.map((index) => index + 1).join(", "), length, streams };
    return this.#words.say(failed.length > 1 ? "graphs.details.at_chunks" : "graphs.details.at_chunk", values);
  }

  #said(said) {
    const label = this.#words.say("graphs.details.said");
    const list = make("dl", { class: "said", tabindex: "0", role: "group", "aria-label": label });
    for (const [where, text, name] of said) {
      const words = make("dd");
      words.append(make("pre", {}, text));
      list.append(make("dt", { class: name }, where), words);
    }
    return list;
  }
}
