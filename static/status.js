import { setText } from "./element.js";
import { stopped } from "./state.js";

/** How things stand, always with a word; where something is to be done, a sentence and one button. */

const BUSY = ["waiting", "full", "offline", "refused", "reload"];

export class Status {
  #words;
  #on;
  #at;
  #act = null;

  /**
   * @param {import("./words.js").Words} words
   * @param {Record<"default"|"play"|"rewind"|"retry"|"reload"|"dismiss", () => void>} on
   */
  constructor(words, on) {
    this.#words = words;
    this.#on = on;
    const at = (id) => document.getElementById(id);
    this.#at = {
      word: at("status-word"),
      notice: at("notice"),
      text: at("notice-text"),
      action: at("notice-action"),
      toast: at("toast"),
      toastText: at("toast-text"),
    };
    this.#at.action.addEventListener("click", () => this.#act?.());
    at("toast-close").addEventListener("click", () => on.dismiss());
  }

  /**
   * @param {import("./state.js").State} state
   * @param {boolean} atField the complaint is shown at its field already
   * @param {import("./address.js").Reason|null} refusal why the link in the address was refused
   */
  draw(state, atField, refusal) {
    const { status } = state.connection;
    const { dataset } = document.body;
    dataset.connection = status;
    dataset.notice = state.notice?.kind ?? "";
    const word = status === "live" ? (stopped(state) ?? (state.playing ? "live" : "paused")) : status;
    setText(this.#at.word, this.#words.say(`status.${word}`));
    this.#notice(this.#sentence(state, refusal));
    const complaint = atField || refusal ? null : state.complaint;
    this.#at.toast.hidden = !complaint;
    if (complaint) setText(this.#at.toastText, this.#words.say("page.complaint", { detail: this.#words.refusal(complaint) }));
  }

  /** @returns {{text: string, action?: string, act?: () => void}|null} */
  #sentence({ connection, notice, opening }, refusal) {
    const { status, seconds, detail } = connection;
    if (BUSY.includes(status)) {
      const acts = { refused: null, reload: "reload" };
      const act = status in acts ? acts[status] : "retry";
      return { text: this.#words.say(`notice.${status}`, { seconds, detail }), act };
    }
    if (refusal) {
      const { complaint, key, values } = refusal;
      const why = complaint ? this.#words.refusal(complaint) : this.#words.say(key, values);
      return { text: this.#words.say("link.refused", { why }), act: "default" };
    }
    if (opening?.slow) return { text: this.#words.say("notice.slow") };
    if (!notice) return null;
    const act = { finished: "play", diverged: "rewind", restarted: "dismiss", loaded: "dismiss", rewound: "dismiss" }[notice.kind];
    return { text: this.#words.say(`notice.${notice.kind}`, notice), act };
  }

  #notice(sentence) {
    this.#at.notice.hidden = !sentence;
    if (!sentence) return;
    setText(this.#at.text, sentence.text);
    this.#at.action.hidden = !sentence.act;
    if (!sentence.act) return;
    setText(this.#at.action, this.#words.say(`notice.act.${sentence.act}`));
    this.#act = this.#on[sentence.act];
  }
}
