import { setText } from "../page/element.js";

/** The network as a file for other programs: a checkpoint of the run as it stands, which the server turns into ONNX. */

const PATIENCE = 15_000; // ms for each of the two answers
const KEPT = 60_000; // ms: the browser may still be asking its reader where to put the file

export class Download {
  #words;
  #live;
  #redraw;
  #at;
  #busy = false;
  /** What came of it last, and in which run. @type {{sentence: () => string, failed: boolean, run: number}|null} */
  #outcome = null;
  #run = 0;

  /**
   * @param {import("../page/words.js").Words} words
   * @param {import("../socket/live.js").Live} live
   * @param {() => void} redraw asks for a frame
   */
  constructor(words, live, redraw) {
    this.#words = words;
    this.#live = live;
    this.#redraw = redraw;
    const at = (id) => document.getElementById(id);
    this.#at = { button: at("onnx"), says: at("onnx-says") };
    this.#at.button.addEventListener("click", () => this.#start());
  }

  /** @param {import("../run/state.js").State} state */
  draw(state) {
    const { button, says } = this.#at;
    this.#run = state.run;
    button.disabled = state.connection.status !== "live" || state.opening !== null;
    button.setAttribute("aria-busy", String(this.#busy)); // not disabled: it would lose the focus
    const outcome = this.#outcome?.run === state.run ? this.#outcome : null;
    const sentence = this.#busy
      ? this.#words.say("network.onnx.busy")
      : (outcome?.sentence() ?? this.#words.say("network.onnx.about"));
    setText(says, sentence);
    says.classList.toggle("error", !this.#busy && outcome?.failed === true);
  }

  async #start() {
    if (this.#busy) return;
    const run = this.#run;
    this.#busy = true;
    this.#redraw();
    const { sentence, failed = false } = await this.#fetch();
    this.#busy = false;
    this.#outcome = { sentence, failed, run };
    this.#redraw();
  }

  /** @returns {Promise<{sentence: () => string, failed?: boolean}>} a sentence in the language of the moment */
  async #fetch() {
    try {
      const body = await Promise.race([this.#live.checkpoint(), tooLate()]);
      const headers = { "Content-Type": "application/octet-stream" };
      const signal = AbortSignal.timeout(PATIENCE);
      const url = new URL("onnx", document.baseURI);
      const answer = await fetch(url, { method: "POST", headers, body, signal });
      if (!answer.ok) {
        const problem = await answer.json();
        return { sentence: () => this.#words.refusal(problem), failed: true };
      }
      const name = nameOf(answer) ?? "unrolled.onnx";
      save(await answer.blob(), name);
      return { sentence: () => this.#words.say("network.onnx.done", { name }) };
    } catch {
      return { sentence: () => this.#words.say("predict.unreachable"), failed: true };
    }
  }
}

function tooLate() {
  return new Promise((_, reject) => setTimeout(reject, PATIENCE, new Error("no checkpoint came")));
}

/** @param {Response} answer @returns {string|undefined} the file's name that the server suggests */
export function nameOf(answer) {
  return /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition"))?.[1];
}

/** @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT);
}
