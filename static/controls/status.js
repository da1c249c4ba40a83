import { setText } from "../page/element.js";
import { grouped } from "../page/words.js";
import { stopped } from "../run/state.js";

/** How things stand, always with a word; where something is to be done, a sentence and a button or two. */

const BUSY = ["waiting", "full", "offline", "refused", "token", "reload", "kept"];

export class Status {
  #words;
  #at;

  /**
   * @param {import("../page/words.js").Words} words
   * @param {Record<"default"|"play"|"rewind"|"retry"|"reload"|"dismiss"|"continue"|"start-anew", () => void>} on
   */
  constructor(words, on) {
    this.#words = words;
    const at = (id) => document.getElementById(id);
    this.#at = {
      word: at("status-word"),
      notice: at("notice"),
      text: at("notice-text"),
      buttons: [at("notice-action"), at("notice-other")],
      recording: at("recording"),
      toast: at("toast"),
      toastText: at("toast-text"),
    };
    for (const button of this.#at.buttons) button.addEventListener("click", () => on[button.dataset.testid]());
    at("toast-close").addEventListener("click", () => on.dismiss());
  }

  /**
   * @param {import("../run/state.js").State} state
   * @param {boolean} atField the complaint is shown at its field already
   * @param {import("../link/address.js").Reason|null} refusal why the link in the address was refused
   */
  draw(state, atField, refusal) {
    const { status } = state.connection;
    const { dataset } = document.body;
    dataset.connection = status;
    dataset.notice = state.notice?.kind ?? "";
    const word = status === "live" ? (stopped(state) ?? (state.playing ? playing(state) : "paused")) : status;
    dataset.behind = String(word === "hall" || word === "heavy");
    setText(this.#at.word, this.#words.say(`status.${word}`, { rate: rateOf(state.behind?.rate ?? 0) }));
    const { connectionName: name } = state;
    this.#at.word.title = name ? this.#words.say("status.connection", { name }) : "";
    this.#at.recording.hidden = !state.isRecording;
    this.#notice(this.#sentence(state, refusal), this.#grouped(state.update));
    const complaint = atField || refusal ? null : state.complaint;
    this.#at.toast.hidden = !complaint;
    if (complaint) setText(this.#at.toastText, this.#words.say("page.complaint", { detail: this.#words.refusal(complaint) }));
  }

  /** @returns {{text: string, acts: string[]}|null} a sentence, and what can be done about it */
  #sentence({ connection, notice, opening, update, isRecording }, refusal) {
    const { status, seconds, detail } = connection;
    if (status === "full" && isRecording) return { text: this.#words.say("notice.recording", { seconds }), acts: ["retry"] };
    if (BUSY.includes(status)) {
      const acts = { refused: [], token: ["reload"], reload: ["reload"], kept: ["continue", "start-anew"] }[status] ?? ["retry"];
      return { text: this.#words.say(`notice.${status}`, { seconds, detail, update: this.#grouped(update) }), acts };
    }
    if (refusal) {
      const { complaint, key, values } = refusal;
      const why = complaint ? this.#words.refusal(complaint) : this.#words.say(key, values);
      return { text: this.#words.say("link.refused", { why }), acts: ["default"] };
    }
    if (opening?.slow) return { text: this.#words.say("notice.slow"), acts: [] };
    if (!notice) return null;
    const acts = [{ finished: "play", diverged: "rewind" }[notice.kind] ?? "dismiss"];
    const counts = { update: this.#grouped(notice.update), most: "most" in notice ? this.#grouped(notice.most) : "" };
    return { text: this.#words.say(`notice.${notice.kind}`, { ...notice, ...counts }), acts };
  }

  #grouped(update) {
    return grouped(update, this.#words.language);
  }

  #notice(sentence, update) {
    this.#at.notice.hidden = !sentence;
    if (!sentence) return;
    setText(this.#at.text, sentence.text);
    this.#at.buttons.forEach((button, i) => {
      const act = sentence.acts[i];
      button.hidden = !act;
      if (!act) return;
      button.dataset.testid = act;
      setText(button, this.#words.say(`notice.act.${act}`, { update }));
    });
  }
}

/** A page and its twin are no hall: then it is the recipe that asks too much of the machine. */
const ALONE = 2;

/** @param {import("../run/state.js").State} state of a run that plays @returns {"live"|"hall"|"heavy"} whether it keeps its pace */
function playing({ behind }) {
  if (!behind) return "live";
  return behind.viewers > ALONE ? "hall" : "heavy";
}

/** @param {number} perSecond @returns {string} with a digit behind the point only where that says something */
function rateOf(perSecond) {
  return perSecond < 2 ? String(Math.round(10 * perSecond) / 10) : String(Math.round(perSecond));
}
