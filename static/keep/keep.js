import { setText } from "../page/element.js";
import { grouped } from "../page/words.js";
import { runOf } from "../run/checkpoint.js";
import { playerOf } from "./animation.js";
import { save } from "./download.js";
import { made, nameOf } from "./export.js";
import { FileProblem, openedFile, stemOf } from "./file.js";
import { Receipt } from "./receipt.js";

/**
 * Your run: saved as a file, loaded from one, used in the predict panel, exported as what was seen, and its receipt.
 * Whatever comes of a button is said under it, in the language of the moment.
 */

const PATIENCE = 15_000; // ms for a checkpoint, and for the answer to an upload

/** @typedef {{sentence: () => string, failed?: boolean}} Outcome */

/** @param {ConstructorParameters<typeof Keep>[0] & {socket: (path: string) => string}} page */
export const build = (page) => new Keep(page, page.socket("ws/verify"));

export class Keep {
  #words;
  #live;
  #ledger;
  #store;
  #predict;
  #receipt;
  #at;
  /** What came of the buttons last, by the part of the panel. @type {Record<string, Outcome>} */
  /** What the next chosen file is for. @type {"go on"|"verify"} */
  #purpose = "go on";
  #outcomes = {};
  #busy = false;
  /** The animation's page, which is asked for while there is a server: what was seen can be had without one. */
  #template = "";
  /** A file that is on its way to being opened. @type {{name: string, update: number, run: number}|null} */
  #loading = null;

  /**
   * @param {object} page
   * @param {import("../page/words.js").Words} page.words
   * @param {import("../run/store.js").Store} page.store
   * @param {import("../socket/live.js").Live} page.live
   * @param {import("../run/ledger.js").Ledger} page.ledger
   * @param {import("../predict/predict.js").Predict} page.predict
   * @param {string} verifyUrl of /ws/verify
   */
  constructor({ words, store, live, ledger, predict }, verifyUrl) {
    this.#words = words;
    this.#store = store;
    this.#live = live;
    this.#ledger = ledger;
    this.#predict = predict;
    const ids = ["save", "load", "use", "csv", "json", "animation", "file", "seen", "file-says", "export-says"];
    this.#at = Object.fromEntries(ids.map((id) => [id, document.getElementById(`keep-${id}`)]));
    this.#receipt = new Receipt({
      words,
      url: verifyUrl,
      checkpoint: () => this.#checkpoint(),
      hashOfSeen: (updates) => hashOf(ledger, updates),
      pick: () => this.#pick(".json,.safetensors", "verify"),
      redraw: () => store.redraw(),
    });
    const { csv, json, animation, file } = this.#at;
    this.#player().catch(() => {}); // it is asked for again when it is needed
    this.#at.save.addEventListener("click", () => this.#acts("file", () => this.#save()));
    this.#at.use.addEventListener("click", () => this.#acts("file", () => this.#use()));
    this.#at.load.addEventListener("click", () => this.#pick(".safetensors", "go on"));
    file.addEventListener("change", () => {
      const [chosen] = file.files;
      file.value = ""; // the same file may be chosen again
      if (chosen) this.take(chosen, this.#purpose);
    });
    for (const [button, kind] of [[csv, "csv"], [json, "json"], [animation, "animation"]]) {
      button.addEventListener("click", () => this.#acts("export", () => this.#export(kind)));
    }
  }

  async #player() {
    this.#template ||= await playerOf();
    return this.#template;
  }

  /** @param {import("../run/state.js").State} state */
  draw(state) {
    const { at, words, receipt } = { at: this.#at, words: this.#words, receipt: this.#receipt };
    const ready = state.connection.status === "live" && state.opening === null;
    at.save.disabled = !ready && this.#live.held === null;
    at.use.disabled = !ready;
    for (const name of ["csv", "json", "animation"]) at[name].disabled = this.#ledger.rows.count === 0;
    setText(at.seen, this.#seen());
    this.#followLoading(state);
    for (const part of ["file", "export"]) {
      const says = at[`${part}-says`];
      const outcome = this.#outcomes[part];
      setText(says, outcome?.sentence() ?? "");
      says.classList.toggle("error", outcome?.failed === true);
    }
    receipt.draw(ready, words.language, state.run);
  }

  /**
   * A file that was chosen or dropped: a run's goes on, unless it is to be verified; a receipt is verified.
   * @param {File} file @param {"go on"|"verify"} purpose @returns {Promise<Outcome|null>} why it was not taken, or null
   */
  async take(file, purpose = "go on") {
    const { name } = file;
    try {
      const { receipt, bytes, update } = await openedFile(file);
      if (receipt) {
        this.#receipt.replay(receipt, name);
        return null;
      }
      if (purpose === "verify") {
        this.#receipt.replayFile(bytes, name);
        return null;
      }
      const { run } = this.#store.state;
      this.#loading = { name, update, run };
      this.#tell("file", { sentence: () => this.#words.say("keep.opening", { name }) });
      this.#live.load(bytes);
      return null;
    } catch (problem) {
      if (!(problem instanceof FileProblem)) throw problem;
      const why = () => this.#words.say(problem.key, problem.values);
      const sentence = () => this.#words.say("keep.refused", { name, why: why() });
      if (purpose === "verify") this.#receipt.refuse(sentence);
      else this.#tell("file", { sentence, failed: true });
      return { sentence, failed: true };
    }
  }

  /** What came of a file is told by the store: another run, or a complaint. */
  #followLoading({ run, opening, complaint, connection }) {
    const loading = this.#loading;
    if (!loading || opening || connection.status !== "live") return;
    this.#loading = null;
    const { name, update } = loading;
    const went = run !== loading.run;
    if (!went && !complaint) return;
    const count = () => grouped(update, this.#words.language);
    this.#outcomes.file = went
      ? { sentence: () => this.#words.say("keep.loaded", { name, update: count() }) }
      : { sentence: () => this.#words.say("keep.refused", { name, why: this.#words.refusal(complaint) }), failed: true };
  }

  #seen() {
    const { rows, chunks } = this.#ledger;
    if (rows.count === 0) return this.#words.say("keep.seen.none");
    const number = (value) => grouped(value, this.#words.language);
    const [from, to] = [number(rows.first), number(rows.last)];
    return this.#words.say("keep.seen", { from, to, chunks: number(chunks.length) });
  }

  #pick(accept, purpose) {
    this.#purpose = purpose;
    this.#at.file.accept = accept;
    this.#at.file.click();
  }

  /** One thing at a time: a second press while the first is under way does nothing. */
  async #acts(part, act) {
    if (this.#busy) return;
    this.#busy = true;
    if (part === "file") this.#tell(part, { sentence: () => this.#words.say("keep.busy") });
    try {
      this.#tell(part, await act());
    } catch (trouble) {
      const sentence = () => (trouble.problem ? this.#words.refusal(trouble.problem) : this.#words.say("predict.unreachable"));
      this.#tell(part, { sentence, failed: true });
    } finally {
      this.#busy = false;
    }
  }

  /** @param {Outcome} outcome */
  #tell(part, outcome) {
    this.#outcomes[part] = outcome;
    this.#store.redraw();
    return outcome;
  }

  /** @returns {Promise<ArrayBuffer>} of the run as it stands */
  #checkpoint() {
    const tooLate = new Promise((_, reject) => setTimeout(reject, PATIENCE, new Error("no checkpoint came")));
    return Promise.race([this.#live.checkpoint(), tooLate]);
  }

  async #save() {
    const isLive = this.#store.state.connection.status === "live";
    const bytes = isLive ? await this.#checkpoint() : this.#live.held.bytes; // without a server the newest that it handed over
    const { recipe, update } = runOf(bytes);
    const name = `${stemOf(recipe, update)}.safetensors`;
    save(new Blob([bytes], { type: "application/octet-stream" }), name);
    return { sentence: () => this.#words.say("keep.saved", { name }) };
  }

  async #use() {
    const body = await this.#checkpoint();
    const answer = await fetch(new URL("models", document.baseURI), {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream" },
      body,
      signal: AbortSignal.timeout(PATIENCE),
    });
    const said = await answer.json();
    if (!answer.ok) throw Object.assign(new Error("refused"), { problem: said });
    this.#predict.use(said);
    const panel = document.getElementById("predict");
    panel.scrollIntoView({ behavior: "smooth", block: "start" });
    document.getElementById("predict-model").focus({ preventScroll: true });
    return { sentence: () => this.#words.say("keep.used", { id: said.id }) };
  }

  async #export(kind) {
    const template = kind === "animation" ? await this.#player() : "";
    const name = nameOf(kind, this.#ledger.rows, this.#store.state);
    let percent = 0;
    const told = (share) => {
      const now = 10 * Math.floor(10 * share); // a screen reader says each
      if (now > percent) this.#tell("export", { sentence: () => this.#words.say("keep.writing", { name, percent: now }) });
      percent = now;
    };
    const blob = await made(kind, this.#ledger, this.#store.state, this.#words, template, told);
    save(blob, name);
    const size = Math.ceil(blob.size / 1000);
    return { sentence: () => this.#words.say("keep.exported", { name, size: grouped(size, this.#words.language) }) };
  }
}

/**
 * As a receipt hashes them: little-endian float32, one behind the other.
 * @returns {Promise<string|null>} null where the ledger does not hold them all, or the browser keeps its hashes to https
 */
async function hashOf({ rows }, updates) {
  const { blocks } = rows;
  const follows = ({ from }, i) => from === (i === 0 ? 1 : blocks[i - 1].from + blocks[i - 1].count);
  if (rows.count < updates || !blocks.every(follows) || !crypto.subtle) return null;
  const bytes = new DataView(new ArrayBuffer(4 * updates));
  for (const { from, columns } of blocks) {
    columns.loss.subarray(0, Math.max(0, updates + 1 - from)).forEach((loss, i) => bytes.setFloat32(4 * (from - 1 + i), loss, true));
  }
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
