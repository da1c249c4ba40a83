import { make, setText } from "../page/element.js";
import { grouped } from "../page/words.js";
import { save } from "./download.js";
import { stemOf } from "./file.js";
import { Replay } from "./replay.js";

/**
 * The receipt of a run: written by the server from a checkpoint, shown with its hash, saved, and verified by making the
 * run again. A receipt from a file is verified the same way.
 */

const PATIENCE = 30_000; // ms for a receipt

/** @typedef {{unrolled_receipt: number, recipe: Record<string, any>, changes: object[], updates: number,
 *   losses_sha256: string, versions: Record<string, string>, earlier?: object[]}} ReceiptFile */

export class Receipt {
  #words;
  #checkpoint;
  #hashOfSeen;
  #redraw;
  #replay;
  #at;
  /** @type {ReceiptFile|null} */
  #receipt = null;
  /** The file that it came in, if it did. @type {string|null} */
  #name = null;
  /** Whether the losses that the page drew have its hash; null where the page did not see them all. @type {boolean|null} */
  #seen = null;
  #busy = false;
  /** The store's number of the run that it speaks of. */
  #run = 0;
  /** @type {{sentence: () => string, tone?: string}|null} */
  #says = null;

  /**
   * @param {object} page
   * @param {import("../page/words.js").Words} page.words
   * @param {string} page.url of /ws/verify
   * @param {() => Promise<ArrayBuffer>} page.checkpoint of the run as it stands
   * @param {(updates: number) => Promise<string|null>} page.hashOfSeen of the losses that the page drew, where it drew all
   * @param {() => void} page.pick asks the reader for a file
   * @param {() => void} page.redraw asks for a frame
   */
  constructor({ words, url, checkpoint, hashOfSeen, pick, redraw }) {
    this.#words = words;
    this.#checkpoint = checkpoint;
    this.#hashOfSeen = hashOfSeen;
    this.#redraw = redraw;
    this.#replay = new Replay(url, redraw);
    const at = (id) => document.getElementById(id);
    this.#at = { save: at("receipt-save"), replay: at("receipt-replay"), says: at("receipt-says"), ...build(at("receipt")) };
    this.#at.save.addEventListener("click", () => this.#save());
    this.#at.replay.addEventListener("click", () => this.#replayOwn());
    this.#at.cancel.addEventListener("click", () => this.#cancel());
    at("receipt-file").addEventListener("click", () => pick());
  }

  /**
   * @param {boolean} ready whether the run can be asked for a checkpoint
   * @param {string} language
   * @param {number} run what was said of another run is taken back
   */
  draw(ready, language, run) {
    if (run !== this.#run && this.#name === null && !this.#busy) this.#forget();
    this.#run = run;
    const at = this.#at;
    const receipt = this.#receipt;
    const { stage, update } = this.#replay;
    at.save.disabled = !ready;
    at.replay.disabled = !ready;
    at.card.hidden = receipt === null || stage === "refused";
    if (receipt) {
      const values = { updates: grouped(receipt.updates, language), seed: String(receipt.recipe.seed), name: this.#name };
      setText(at.of, this.#words.say(this.#name ? "receipt.of.file" : "receipt.of", values));
      setText(at.label, this.#words.say("receipt.hash"));
      setText(at.hash, receipt.losses_sha256);
      setText(at.seen, this.#seen === null ? "" : this.#words.say(`receipt.seen.${this.#seen ? "same" : "other"}`));
      at.running.hidden = stage !== "running";
      at.progress.max = receipt.updates;
      at.progress.value = update;
      at.progress.setAttribute("aria-label", this.#words.say("receipt.progress.label"));
      const counts = { update: grouped(update, language), updates: values.updates };
      setText(at.count, this.#words.say("receipt.progress", counts));
      setText(at.cancel, this.#words.say("receipt.cancel"));
    }
    const { sentence, tone = "" } = this.#said(language);
    setText(at.says, sentence);
    at.says.dataset.tone = tone;
  }

  /**
   * Makes the run of a receipt again.
   * @param {ReceiptFile} receipt from the server, or from a file that nobody checked: the server does
   * @param {string|null} name of the file
   */
  replay(receipt, name = null) {
    const { updates, recipe, losses_sha256: hash } = receipt;
    const isWhole = Number.isSafeInteger(updates) && typeof recipe?.seed === "number" && typeof hash === "string";
    this.#receipt = isWhole ? receipt : null;
    this.#name = name;
    if (name !== null) this.#seen = null;
    this.#says = null;
    this.#replay.start(receipt);
    this.#at.says.scrollIntoView({ block: "center" });
  }

  /** Makes the run in a file again, by the receipt that the server writes of it. @param {ArrayBuffer} bytes @param {string} name */
  async replayFile(bytes, name) {
    const written = await this.#write(async () => bytes);
    if (written) this.replay(written.receipt, name);
  }

  /** A file was chosen that is none of the kind. @param {() => string} sentence */
  refuse(sentence) {
    this.#forget();
    this.#tell({ sentence, tone: "trouble" });
  }

  #forget() {
    this.#receipt = this.#name = this.#seen = this.#says = null;
    this.#replay.cancel();
  }

  /** @returns {{sentence: string, tone?: string}} what is to be said now */
  #said(language) {
    const { stage, verdict, problem } = this.#replay;
    if (this.#says) return { sentence: this.#says.sentence(), tone: this.#says.tone };
    if (stage === "running") return { sentence: this.#words.say("receipt.replaying") };
    if (stage === "refused") return { sentence: this.#words.refusal(ofTheRun(problem)), tone: "trouble" };
    if (stage === "full" || stage === "lost") return { sentence: this.#words.say(`receipt.${stage}`), tone: "trouble" };
    if (stage !== "done") return { sentence: "" };
    const { updates = 0, earlier = [] } = /** @type {Partial<ReceiptFile>} */ (this.#receipt ?? {});
    const list = this.#versions(verdict.versions);
    const why = [];
    if (list) why.push(this.#words.say("receipt.versions", { list }));
    if (earlier.length > 0) why.push(this.#words.say("receipt.earlier"));
    const told = (sentence, tone) => ({ sentence: [sentence, ...why].join(language === "zh" ? "" : " "), tone });
    if (verdict.equal) return told(this.#words.say("receipt.equal", { updates: grouped(updates, language) }), "equal");
    if (why.length === 0) why.push(this.#words.say("receipt.same"));
    const diverged = verdict.updates < updates;
    const values = { update: grouped(verdict.updates, language) };
    return told(this.#words.say(diverged ? "receipt.diverged" : "receipt.unequal", values), "trouble");
  }

  /** Which versions are others than when the receipt was written. */
  #versions(now) {
    const before = this.#receipt?.versions ?? {};
    const names = [...new Set([...Object.keys(before), ...Object.keys(now)])].filter((name) => before[name] !== now[name]);
    const none = this.#words.say("receipt.none");
    const said = (name) => ({ name, before: String(before[name] ?? none), after: String(now[name] ?? none) });
    return names.map((name) => this.#words.say("receipt.version", said(name))).join(this.#words.say("receipt.and"));
  }

  async #save() {
    const written = await this.#write();
    if (!written) return;
    const { recipe, updates } = written.receipt;
    const name = `${stemOf(recipe, updates)}-receipt.json`;
    save(new Blob([written.text], { type: "application/json" }), name);
    this.#tell({ sentence: () => this.#words.say("receipt.saved", { name }) });
  }

  async #replayOwn() {
    const written = await this.#write();
    if (written) this.replay(written.receipt);
  }

  #cancel() {
    this.#replay.cancel();
    this.#tell({ sentence: () => this.#words.say("receipt.cancelled") });
    this.#at.replay.focus(); // the button that was pressed is gone
  }

  /** @returns {Promise<{receipt: ReceiptFile, text: string}|null>} of the run as it stands; null where it was refused, which is told */
  async #write(checkpoint = this.#checkpoint) {
    if (this.#busy) return null;
    this.#busy = true;
    this.#replay.cancel();
    this.#tell({ sentence: () => this.#words.say("receipt.asking") });
    try {
      const answer = await fetch(new URL("receipt", document.baseURI), {
        method: "POST",
        headers: { "Content-Type": "application/octet-stream" },
        body: await checkpoint(),
        signal: AbortSignal.timeout(PATIENCE),
      });
      const text = await answer.text();
      const said = JSON.parse(text);
      if (!answer.ok) {
        this.#tell({ sentence: () => this.#words.refusal(said), tone: "trouble" });
        return null;
      }
      this.#receipt = said;
      this.#name = null;
      const hash = await this.#hashOfSeen(said.updates);
      this.#seen = hash && hash === said.losses_sha256;
      return { receipt: said, text };
    } catch {
      this.#tell({ sentence: () => this.#words.say("predict.unreachable"), tone: "trouble" });
      return null;
    } finally {
      this.#busy = false;
    }
  }

  #tell(says) {
    this.#says = says;
    this.#redraw();
  }
}

/** What is wrong with a receipt's recipe the page says as of any recipe. */
function ofTheRun({ code, field, detail }) {
  const within = (text) => text?.replace(/^receipt\./, "");
  return { code, field: within(field), detail: within(detail) };
}

/** @param {HTMLElement} card */
function build(card) {
  const of = make("p", { "data-testid": "receipt-of" });
  const label = make("span", { class: "caption" });
  const hash = make("code", { "data-testid": "receipt-hash" });
  const progress = make("progress", { "data-testid": "receipt-progress" });
  const count = make("span", { class: "caption", "data-testid": "receipt-count" });
  const cancel = make("button", { type: "button", class: "ghost small", id: "receipt-cancel", "data-testid": "receipt-cancel" });
  const running = make("div", { class: "receipt-running", hidden: "" }, progress, count, cancel);
  const seen = make("p", { class: "caption", "data-testid": "receipt-seen" });
  card.replaceChildren(of, make("p", {}, label, hash), seen, running);
  return { card, of, label, hash, seen, progress, count, cancel, running };
}
