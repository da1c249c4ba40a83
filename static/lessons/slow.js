import { lastOf } from "../charts/columns.js";
import { setText } from "../page/element.js";
import { short } from "../page/words.js";
import { figure, linesOf } from "./slow_lines.js";

/**
 * Slow motion: one update in six stages, each with the lines of the tutorial that do it and this chunk's own numbers.
 * The stage stands on <body>, where the style sheet dims whatever has no part in it.
 */

export const STAGES = ["length", "forward", "loss", "backward", "optimizer", "detach"];
const EACH = 1300; // ms that a stage lasts by itself

/** Where letters are letters, where an arrow moves something, and where space does. */
const TYPED = "input:not([type=checkbox], [type=radio], [type=range]), textarea, select, [contenteditable]";
const MOVED = `input:not([type=checkbox]), ${TYPED}`;
const PRESSED = `input, ${TYPED}`;
/** Where Enter that is held is one press. */
const PRESSED_ONCE = "#slow-start, #slow-torch, #slow-hold, #slow-leave";

/** What has a part in each stage: the first that the page shows is brought into sight. */
const PARTS = {
  length: ["#wave-panel .stage", "[data-field=shortest]"],
  forward: ["#lane-state", "#wave-panel .stage"],
  loss: ["#wave-panel .stage", "#loss-panel"],
  backward: ["#lane-gradient", "#odometer"],
  optimizer: ["#odometer", "[data-field=learning_rate]"],
  detach: ["#lanes:has(.lane:not([hidden]))", "#detach"],
};

/** What an update must show for it: `graph` is spoken of, the others are for lanes that a link may leave out. */
const VIEWS = { hidden: "#lane-state", gradient: "#lane-gradient" };

/** A stage is not to be had from a server that the page has left for good. */
const OVER = ["refused", "reload"];

/** @param {string} selector @returns {boolean} whether the page shows it, in sight or not */
function isSeen(selector) {
  return document.querySelector(selector)?.checkVisibility() ?? false;
}

/**
 * @param {object} page
 * @param {import("../run/store.js").Store} page.store
 * @param {import("../socket/live.js").Live} page.live
 * @param {import("../page/words.js").Words} page.words
 * @param {import("../charts/drawing.js").Drawing} page.drawing
 */
export const build = ({ store, live, words, drawing }) => new Slow(store, live, words, (stage) => drawing.showStage(stage));

export class Slow {
  #store;
  #live;
  #words;
  #onStage;
  #at;
  #stages;
  /**
   * `index` is −1 until the update has come, which is the one after `from`; `recipe` is the one that was opened last
   * when it was asked for.
   * @type {{from: number, run: number, recipe: object, played: boolean, index: number, byItself: boolean}|null}
   */
  #motion = null;
  #lit = null;
  #timer = 0;
  #drawn = "";
  #still = matchMedia("(prefers-reduced-motion: reduce)");

  /**
   * @param {import("../run/store.js").Store} store
   * @param {import("../socket/live.js").Live} live
   * @param {import("../page/words.js").Words} words
   * @param {(stage: string|null) => void} onStage
   */
  constructor(store, live, words, onStage) {
    this.#store = store;
    this.#live = live;
    this.#words = words;
    this.#onStage = onStage;
    const ids = ["start", "torch", "back", "hold", "on", "leave", "stages", "says", "code", "place", "panel"];
    this.#at = Object.fromEntries(ids.map((id) => [id, document.getElementById(`slow-${id}`)]));
    const { start, torch, back, hold, on, leave, stages } = this.#at;
    start.addEventListener("click", () => this.start());
    torch.addEventListener("click", () => this.#beginWithTorch());
    back.addEventListener("click", () => this.#go(-1));
    on.addEventListener("click", () => this.#go(1));
    hold.addEventListener("click", () => this.#hold());
    leave.addEventListener("click", () => this.leave());
    this.#stages = STAGES.map((stage, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.stage = stage;
      button.append(document.createElement("span"));
      button.addEventListener("click", () => this.#show(index, false));
      const item = document.createElement("li");
      item.append(button);
      stages.append(item);
      return button;
    });
    document.addEventListener("keydown", (event) => this.#key(event), true);
  }

  /** Makes one update and walks through it; from within slow motion, the next one. */
  start() {
    const { state } = this.#store;
    if (!isSeen("#slow-place") || this.#motion?.index === -1) return;
    if (isSeen("#slow-torch")) return this.#at.torch.focus(); // another run is the visitor's to choose
    if (!this.#may(state)) return;
    const played = this.#motion?.played ?? state.playing;
    this.#live.views("slow", ["graph", ...Object.keys(VIEWS).filter((view) => isSeen(VIEWS[view]))]);
    if (state.playing) {
      this.#store.dispatch({ type: "pause" });
      this.#live.send({ type: "pause" });
    }
    if (!this.#motion) this.#raise();
    const pressed = document.activeElement === this.#at.start;
    this.#motion = { from: Infinity, run: state.run, recipe: null, played, index: -1, byItself: true };
    this.#ask(this.#motion);
    this.#draw(this.#store.state);
    if (pressed) this.#at.hold.focus(); // which stands where it stood
    this.#store.redraw();
  }

  /** Back to how it was: playing, if it was. */
  leave({ resume = true } = {}) {
    if (!this.#motion) return;
    const { played } = this.#motion;
    const { panel, place, start } = this.#at;
    const held = panel.contains(document.activeElement);
    clearTimeout(this.#timer);
    this.#motion = null;
    panel.classList.remove("raised");
    place.style.minHeight = "";
    document.documentElement.style.scrollPaddingBottom = "";
    this.#live.views("slow", []);
    this.#light(null);
    if (resume && played) {
      this.#store.dispatch({ type: "play" });
      this.#live.send({ type: "play" });
    }
    this.#draw(this.#store.state);
    if (held) start.focus();
    this.#store.redraw();
  }

  /** @param {import("../run/state.js").State} state */
  draw(state) {
    if (this.#motion && (state.playing || state.run !== this.#motion.run)) this.leave({ resume: !state.playing });
    if (this.#motion?.index === -1) this.#await(state);
    this.#draw(this.#store.state);
  }

  /** Updates that were under way are not the one: a checkpoint comes behind them. */
  async #ask(motion) {
    Object.assign(motion, { from: Infinity, recipe: this.#store.state.recipe });
    try {
      await this.#live.checkpoint();
    } catch {
      return; // the connection was lost
    }
    if (motion !== this.#motion) return;
    motion.from = this.#store.state.update;
    this.#live.send({ type: "step" });
  }

  /** The update may never come: where it diverges, or where the connection was lost with what was asked for. */
  #await(state) {
    const { from, recipe, byItself } = this.#motion;
    if (state.update > from) this.#show(0, byItself);
    else if (state.notice?.kind === "diverged" || OVER.includes(state.connection.status)) this.leave({ resume: false });
    else if (state.connection.status !== "live") this.#light(null); // then the page says more than slow motion does
    else if (state.recipe !== recipe && this.#may(state)) this.#ask(this.#motion); // opened anew since then
  }

  /** The same recipe and changes from the start, made by what slow motion shows. */
  #beginWithTorch() {
    const { recipe, changes } = this.#store.state;
    this.#store.dispatch({ type: "play" });
    this.#live.start({ ...recipe, framework: "torch" }, changes);
  }

  /** The panel stands above everything, at the lower edge, with its place on the page kept free. */
  #raise() {
    const { panel, place } = this.#at;
    place.style.minHeight = `${place.offsetHeight}px`;
    panel.style.setProperty("--below", `${this.#below()}px`);
    panel.classList.add("raised");
  }

  /** The height of a transport that is fixed to the lower edge, as on a phone. */
  #below() {
    const transport = document.getElementById("transport");
    return getComputedStyle(transport).position === "fixed" ? transport.offsetHeight : 0;
  }

  #may({ current, connection, opening, notice }) {
    return (
      current?.framework === "torch" && connection.status === "live" && !opening && notice?.kind !== "diverged"
    );
  }

  #go(by) {
    if (!this.#motion || this.#motion.index < 0) return;
    this.#show(Math.min(STAGES.length - 1, Math.max(0, this.#motion.index + by)), false);
  }

  #hold() {
    const { index, byItself } = this.#motion;
    if (index < 0) return;
    if (index === STAGES.length - 1) this.start();
    else this.#show(index, !byItself);
  }

  #show(index, byItself) {
    if (!this.#motion) return;
    clearTimeout(this.#timer);
    const moved = index !== this.#motion.index;
    Object.assign(this.#motion, { index, byItself: byItself && index < STAGES.length - 1 });
    if (this.#motion.byItself) this.#timer = setTimeout(() => this.#show(index + 1, true), EACH);
    if (moved) this.#light(STAGES[index]);
    this.#draw(this.#store.state);
    if (moved) this.#bringIntoSight(STAGES[index]);
  }

  /** What has no part in a stage steps back, unless the page shows nothing that has. @param {string|null} stage */
  #light(stage) {
    if (stage === this.#lit) return;
    this.#lit = stage;
    if (stage && PARTS[stage].some(isSeen)) document.body.dataset.stage = stage;
    else delete document.body.dataset.stage;
    this.#onStage(stage);
  }

  #bringIntoSight(stage) {
    const { panel } = this.#at;
    document.documentElement.style.scrollPaddingBottom = `${panel.offsetHeight + this.#below() + 16}px`;
    const part = PARTS[stage].find(isSeen);
    const behavior = this.#still.matches ? "auto" : "smooth";
    if (part) document.querySelector(part).scrollIntoView({ block: "nearest", behavior });
  }

  #draw(state) {
    const { current, network } = state;
    const chunk = this.#motion && this.#motion.index >= 0 ? lastOf(state.chunks) : null;
    const may = this.#may(state);
    const { index = -2, byItself = false } = this.#motion ?? {};
    const isLive = state.connection.status === "live";
    const language = this.#words.language;
    const lacking = this.#words.lacking("torch");
    const seen = [lacking, state.isRecording, index, byItself, may, isLive, chunk?.update, current?.framework, language, network?.parameters];
    const recipe = [current?.learning_rate, current?.cell, current?.hidden_size, current?.samples];
    const key = JSON.stringify([seen, recipe, current?.shortest, current?.longest]);
    if (key === this.#drawn) return;
    this.#drawn = key;
    this.#buttons(index, byItself, may);
    this.#offerTorch(current?.framework === "compiled" && !lacking && !state.isRecording);
    this.#write(this.#sentence(state, chunk, index));
    this.#code(linesOf(current, chunk), STAGES[index]);
  }

  #buttons(index, byItself, may) {
    const { start, back, hold, on, leave } = this.#at;
    const say = (key) => this.#words.say(`slow.${key}`);
    const raised = index > -2;
    const ends = index === STAGES.length - 1;
    start.hidden = raised;
    start.disabled = !may;
    for (const button of [back, hold, on, leave]) button.hidden = !raised;
    // never `disabled`: that takes the focus away from whoever walks by keyboard
    back.setAttribute("aria-disabled", String(index < 1));
    on.setAttribute("aria-disabled", String(index < 0 || ends));
    hold.setAttribute("aria-disabled", String(index < 0 || (ends && !may)));
    hold.querySelector("span").textContent = say(ends ? "next" : byItself ? "hold" : "play");
    this.#stages.forEach((button, at) => {
      setText(button.firstChild, say(`stage.${STAGES[at]}`));
      button.disabled = index < 0;
      button.classList.toggle("passed", at < index);
      if (at === index) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
    });
  }

  /** In place of the button that begins slow motion. @param {boolean} offered */
  #offerTorch(offered) {
    const { start, torch } = this.#at;
    const held = document.activeElement === torch;
    torch.hidden = !offered;
    start.hidden ||= offered;
    if (held && !offered) start.focus();
  }

  #sentence({ current, network, connection }, chunk, index) {
    const say = (key, values) => this.#words.say(`slow.${key}`, values);
    if (current?.framework === "compiled") return `${say("compiled")} ${this.#words.lacking("torch") || say("compiled.offer")}`;
    if (current?.framework === "tensorflow") return say("tensorflow");
    if (index === -2) return say("about");
    if (!chunk) return say(connection.status === "live" ? "waiting" : "lost");
    const { length, milliseconds } = chunk;
    const values = {
      length,
      update: chunk.update,
      half: length / current.samples,
      shortest: current.shortest,
      longest: current.longest,
      loss: short(chunk.loss),
      nodes: chunk.nodes ?? "–",
      rate: current.learning_rate,
      rule: current.optimizer === "adam" ? "Adam" : "SGD",
      weights: network?.parameters.toLocaleString(this.#words.language) ?? "–",
      units: current.hidden_size,
      backward: figure(milliseconds.backward),
      optimizer: figure(milliseconds.optimizer),
    };
    const stage = STAGES[index];
    const otherwise = {
      length: current.shortest === current.longest && "fixed",
      forward: !chunk.carried && "zeros",
      backward: !current.train && "not",
      optimizer: !current.train && "not",
      detach: !current.carry_state && "not",
    }[stage];
    return say(otherwise ? `says.${stage}.${otherwise}` : `says.${stage}`, values);
  }

  #write(sentence) {
    setText(this.#at.says, sentence);
  }

  #code(lines, active) {
    const rows = lines.map(({ stage, code, comment }) => {
      const row = document.createElement("span");
      row.className = "line";
      row.append(code);
      if (comment) {
        const aside = document.createElement("i");
        aside.textContent = `${code ? "  " : ""}# ${comment}`;
        row.append(aside);
      }
      if (stage === active) row.setAttribute("aria-current", "step");
      return row;
    });
    this.#at.code.replaceChildren(...rows);
  }

  #key(event) {
    const { target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector("dialog:modal")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.repeat && key === "Enter" && target.closest?.(PRESSED_ONCE)) event.preventDefault();
    const elsewhere = { ArrowLeft: MOVED, ArrowRight: MOVED, " ": PRESSED }[key] ?? TYPED;
    if (target.closest?.(elsewhere)) return;
    const within = {
      ArrowRight: () => this.#go(1),
      ArrowLeft: () => this.#go(-1),
      Escape: () => this.leave(),
      " ": () => this.#hold(),
    };
    const act = key === "s" ? () => this.start() : this.#motion && within[key];
    if (!act) return;
    event.stopPropagation(); // → must not step the run too, nor space play it
    if (key === " " && target.closest?.("button, summary, a")) return; // its own click
    event.preventDefault();
    if (event.repeat && !key.startsWith("Arrow")) return; // a key that is held walks, and does nothing else
    act();
  }
}
