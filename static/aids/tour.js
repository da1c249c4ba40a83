import { made } from "../page/element.js";
import { drawPicture } from "./tour_picture.js";
import { STATIONS } from "./tour_stations.js";

/**
 * The guided tour: a card beside the page. Each station sets up a run, points at one thing, and asks one question
 * before it tells the answer. At the end the reader's own run begins again, and its twin; unless another link was opened
 * on the way: then that is the run.
 */

const MARGIN = 16; // px between the card and the window's edge
const TALLEST = 640; // px of a card with its answer
const PADDING = 8; // px under the last words

export class Tour {
  #store;
  #live;
  #words;
  #twin;
  #bar;
  #card = null;
  #at = {};
  #number = 0;
  #chosen = new Map();
  #pointed = null;
  #before = null;
  #mine = null;
  /** The reader's twin, until their run is back. @type {{twin: string, recipe: Record<string, any>, run: number}|null} */
  #owed = null;
  #theme;

  /**
   * @param {object} page
   * @param {import("../run/store.js").Store} page.store
   * @param {import("../socket/live.js").Live} page.live
   * @param {import("../page/words.js").Words} page.words
   * @param {import("../controls/twin.js").Twin} page.twin
   * @param {import("../link/address.js").AddressBar} page.bar
   */
  constructor({ store, live, words, twin, bar }) {
    this.#store = store;
    this.#live = live;
    this.#words = words;
    this.#twin = twin;
    this.#bar = bar;
    bar.onOther(() => this.#leave());
    document.addEventListener("keydown", (event) => {
      const elsewhere = document.querySelector("dialog[open], :popover-open");
      if (event.key === "Escape" && this.#card && !elsewhere && !event.defaultPrevented) this.close();
    });
    addEventListener("resize", () => this.#place());
  }

  /** @param {number} station from 1 */
  start(station = 1) {
    if (!this.#card) {
      const { recipe, changes, pace, playing } = this.#store.state;
      this.#mine = { recipe, changes, pace, playing, twin: this.#owed?.twin ?? this.#twin.id };
      this.#owed = null;
      const element = document.activeElement ?? document.body;
      this.#before = { element, isWalkedTo: element.matches(":focus-visible") };
      this.#chosen.clear();
      this.#build();
      document.body.classList.add("on-tour");
    }
    const number = Math.min(STATIONS.length, Math.max(1, Math.trunc(station) || 1));
    this.#go(this.#isShown(number) ? number : this.#beyond(number, 1) || this.#beyond(number, -1) || number);
  }

  /** @param {boolean} byPointer */
  close(byPointer = false) {
    if (!this.#card) return;
    this.#leave(byPointer);
    if (!this.#bar.isOpening) this.#giveBack();
  }

  /** Focus goes back to where it was: where that was nowhere, or a pointer both came and left, the keys are the run's. */
  #leave(byPointer = false) {
    this.#owed = null;
    if (!this.#card) return;
    this.#point(null);
    this.#card.remove();
    this.#card = null;
    document.body.classList.remove("on-tour");
    const { element, isWalkedTo } = this.#before;
    if (element !== document.body && (isWalkedTo || !byPointer)) element.focus();
  }

  relabel() {
    if (this.#card) this.#write();
  }

  /** The reader's recipe is known once the first run is open: it may come after a tour that the address asked for. */
  draw(state) {
    const { theme } = document.documentElement.dataset;
    if (this.#card && theme !== this.#theme) this.#write();
    this.#theme = theme;
    if (this.#owed) this.#bringTwin(state);
    if (!this.#card || this.#mine.recipe || !state.recipe) return;
    this.#mine = { ...this.#mine, recipe: state.recipe, changes: state.changes };
    this.#set(STATIONS[this.#number - 1]);
  }

  /** The station's run may come first, if it had been asked for just before. */
  #bringTwin({ run, recipe }) {
    const { twin, recipe: wanted, run: before } = this.#owed;
    const isBack = run > before && JSON.stringify(recipe) === JSON.stringify(wanted);
    if (isBack || run > before + 1) this.#owed = null;
    if (!isBack) return;
    this.#twin.id = twin;
    this.#store.redraw();
  }

  #build() {
    const button = (name, act) => {
      const element = made("button");
      element.type = "button";
      element.dataset.testid = `tour-${name}`;
      element.addEventListener("click", act);
      return element;
    };
    const at = {
      body: made("div"),
      count: made("span"),
      close: button("close", ({ detail }) => this.close(detail > 0)),
      title: made("h2"),
      picture: made("div"),
      text: made("p"),
      ask: made("p"),
      choices: made("div"),
      answer: made("p"),
      back: button("back", () => this.#go(this.#beyond(this.#number, -1) || this.#number)),
      next: button("next", ({ detail }) => {
        const next = this.#beyond(this.#number, 1);
        if (next) this.#go(next);
        else this.close(detail > 0);
      }),
    };
    this.#at = at;
    this.#card = made("div");
    this.#card.className = "tour";
    this.#card.dataset.testid = "tour-card";
    this.#card.setAttribute("role", "dialog");
    this.#card.setAttribute("aria-labelledby", "tour-title");
    at.title.id = "tour-title";
    at.title.tabIndex = -1;
    at.ask.id = "tour-ask";
    at.ask.className = "ask";
    at.count.className = "caption";
    at.count.dataset.testid = "tour-count";
    at.close.className = "ghost small";
    at.picture.className = "picture";
    at.picture.setAttribute("role", "img");
    at.choices.className = "choices";
    at.choices.setAttribute("role", "group");
    at.choices.setAttribute("aria-labelledby", at.ask.id);
    at.answer.className = "answer";
    at.answer.dataset.testid = "tour-answer";
    at.answer.setAttribute("aria-live", "polite");
    at.back.className = "ghost";
    at.next.className = "primary";
    const head = made("div", at.title, at.close);
    head.className = "head";
    at.body.append(at.picture, at.text, at.ask, at.choices, at.answer);
    at.body.className = "body";
    at.body.addEventListener("scroll", () => this.#hint(), { passive: true });
    new ResizeObserver(() => this.#hint()).observe(at.body);
    const foot = made("div", at.back, at.count, at.next);
    foot.className = "foot";
    this.#card.append(head, at.body, foot);
    document.body.append(this.#card);
  }

  /** The next station on this way, 1 or -1, of those that this page can show; 0 where there is none. */
  #beyond(number, way) {
    const next = number + way;
    if (next < 1 || next > STATIONS.length) return 0;
    return this.#isShown(next) ? next : this.#beyond(next, way);
  }

  /** Whether its panel is not hidden, and has something to show on this server. */
  #isShown(number) {
    const { at, torchOnly } = STATIONS[number - 1];
    const hasTorch = this.#words.lacking("torch") === "";
    return document.querySelector(at).checkVisibility() && (hasTorch || !torchOnly);
  }

  #go(number) {
    this.#number = number;
    const station = STATIONS[number - 1];
    this.#chosen.delete(number);
    this.#write();
    if (this.#mine.recipe) this.#set(station);
    this.#point(document.querySelector(station.at));
    this.#at.body.scrollTop = 0;
    this.#at.title.focus({ preventScroll: true });
  }

  /** Starts the station's run: what its recipe leaves out is as the recipe's defaults have it. */
  #set({ recipe, pace }) {
    const { framework, ...rest } = recipe;
    const engine = framework && !this.#words.lacking(framework) ? { framework } : {};
    this.#twin.choose("");
    this.#store.dispatch({ type: "pace", pace });
    this.#store.dispatch({ type: "play" });
    this.#live.start({ seed: 1, ...rest, ...engine });
  }

  #giveBack() {
    const { recipe, changes, pace, playing, twin } = this.#mine;
    if (!recipe) return;
    this.#twin.choose("");
    if (twin) this.#owed = { twin, recipe, run: this.#store.state.run };
    this.#store.dispatch({ type: "pace", pace });
    this.#store.dispatch({ type: playing ? "play" : "pause" });
    this.#live.start(recipe, changes);
  }

  #write() {
    const { name, right, picture } = STATIONS[this.#number - 1];
    const say = (key, values) => this.#words.say(`tour.${key}`, values);
    const chosen = this.#chosen.get(this.#number);
    const { count, close, title, text, ask, choices, answer, back, next } = this.#at;
    this.#card.dataset.station = name;
    count.textContent = say("count", { number: this.#number, count: STATIONS.length });
    close.textContent = say("close");
    title.textContent = say(`${name}.title`);
    text.textContent = say(`${name}.text`);
    ask.textContent = say(`${name}.ask`);
    back.textContent = say("back");
    back.disabled = !this.#beyond(this.#number, -1);
    next.textContent = say(this.#beyond(this.#number, 1) ? "next" : "end");
    this.#at.picture.hidden = !picture;
    if (picture) {
      this.#at.picture.setAttribute("aria-label", say("picture"));
      drawPicture(this.#at.picture, this.#words);
    }
    if (choices.childElementCount === 0) choices.append(...[1, 2, 3].map((choice) => this.#choice(choice)));
    for (const [i, button] of [...choices.children].entries()) {
      button.textContent = say(`${name}.${i + 1}`);
      button.setAttribute("aria-pressed", String(chosen === i + 1));
      button.classList.toggle("right", Boolean(chosen) && right === i + 1);
    }
    answer.replaceChildren();
    this.#hint();
    if (!chosen) return;
    const verdict = made("strong", say(chosen === right ? "right" : "wrong"));
    verdict.className = chosen === right ? "right" : "wrong";
    answer.append(verdict, " ", say(`${name}.why`));
    this.#hint();
  }

  /** Where the card is too short for its words, it shows that they go on. */
  #hint() {
    const { scrollTop, clientHeight, scrollHeight } = this.#at.body;
    this.#card?.toggleAttribute("data-more", scrollHeight - scrollTop - clientHeight > PADDING);
  }

  #choice(choice) {
    const button = made("button");
    button.type = "button";
    button.dataset.testid = `tour-choice-${choice}`;
    button.addEventListener("click", () => {
      const first = !this.#chosen.has(this.#number);
      this.#chosen.set(this.#number, choice);
      this.#write();
      this.#at.answer.scrollIntoView({ block: "nearest" });
      const { then } = STATIONS[this.#number - 1];
      if (first && then) this.#live.send({ type: "change", ...then });
    });
    return button;
  }

  #point(target) {
    this.#pointed?.removeAttribute("data-pointed");
    this.#pointed = target;
    if (!target) return;
    target.setAttribute("data-pointed", "");
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    target.scrollIntoView({ block: "start", behavior: still ? "auto" : "smooth" });
    this.#place();
  }

  /** In the corner where it covers least of what it points at; on a narrow screen the stylesheet places it. */
  #place() {
    if (!this.#card || !this.#pointed) return;
    const bar = document.getElementById("transport").offsetHeight;
    const [card, target] = [this.#card, this.#pointed].map((element) => element.getBoundingClientRect());
    const reach = Math.min(target.height, innerHeight);
    const top = bar + MARGIN; // where the target will stand once the page has scrolled to it
    const free = { left: target.left, right: innerWidth - target.right };
    const under = innerHeight - top - reach > TALLEST;
    this.#card.dataset.corner = !under && free.left > free.right ? "left" : "right";
    if (!under && Math.max(free.left, free.right) < card.width / 2) this.#card.dataset.corner = "right";
  }
}
