import { lastOf } from "../charts/columns.js";
import { without } from "../run/changes.js";
import { choices } from "../run/choices.js";
import { windowAt } from "../run/limits.js";
import { rest, stopped } from "../run/state.js";
import { Store } from "../run/store.js";
import { Live } from "../socket/live.js";

/**
 * A second run of the same seed with one switch changed, on a socket of its own. Both go in step, the twin a moment
 * behind: what is changed on the way can then be changed in both after the same update.
 */

/** How far the first run may get ahead of its twin at pace max, where the server may be more ahead than the page keeps. */
const LEAD = 48;

export class Twin {
  #words;
  #url;
  #redraw;
  #restart;
  #at;
  /** @type {string} the choice, or "" */
  id = "";
  #choice = null;
  #store = null;
  #live = null;
  #run = 0;
  /** The first run's changes that the twin was told of. */
  #given = [];
  /** What the page shows of the other engine's updates. @type {string[]} */
  #views = [];
  #told = { playing: true, pace: 20, steps: 0 };
  #offered = null;
  /** The checkpoint of a kept run's twin, until the first run is there to be followed. @type {import("../socket/live.js").Held|null} */
  #resting = null;

  /**
   * @param {import("../page/words.js").Words} words
   * @param {string} url of /ws/train
   * @param {() => void} redraw asks for a frame
   * @param {() => void} restart begins the first run anew, so that both begin together
   */
  constructor(words, url, redraw, restart) {
    this.#words = words;
    this.#url = url;
    this.#redraw = redraw;
    this.#restart = restart;
    const at = (id) => document.getElementById(id);
    this.#at = { select: at("twin"), keys: document.querySelectorAll("[data-twin]"), name: at("twin-name") };
    this.#at.select.addEventListener("change", () => this.choose(this.#at.select.value));
  }

  /** @param {string} id of a choice; empty for none */
  choose(id) {
    if (id === this.id) return;
    this.id = id;
    if (!id) this.#leave();
    else this.#restart(); // the new run is seen in `draw`, and the twin begins with it
    this.#redraw();
  }

  #leave() {
    this.#live?.close();
    this.#live = this.#store = this.#choice = this.#resting = null;
  }

  /** @returns {import("../run/state.js").State|null} the other run, once it is there */
  get state() {
    return this.#store?.state.run ? this.#store.state : null;
  }

  /** @returns {import("../run/state.js").State|null} the other run where it keeps up: connected, and not about to begin anew */
  get inStep() {
    const other = this.state;
    return other && other.connection.status === "live" && !other.opening ? other : null;
  }

  /** @param {Record<string, any>} recipe @returns {import("../run/choices.js").Choice[]} what a twin of it may have otherwise on this server */
  choices(recipe) {
    return choices(recipe, (framework) => this.#words.lacking(framework) === "");
  }

  /** How far both have come, where the twin keeps up. @param {number} update the first run's */
  together(update) {
    const other = this.inStep;
    if (!other || stopped(other) === "diverged") return update;
    const lead = Math.min(LEAD, other.chunks.length >> 1); // of long chunks fewer are kept to be compared
    return Math.min(update, other.pace === "max" ? other.update + lead - windowAt("max") : other.update);
  }

  /** The twin's chunks up to the first run's newest, at its place: cos is the same a whole period on. */
  chunksBeside(chunks) {
    if (!chunks.length) return [];
    const { update } = lastOf(chunks);
    const others = (this.state?.chunks ?? []).filter((chunk) => chunk.update <= update);
    if (!others.length) return [];
    const apart = lastOf(lastOf(chunks).phase[0]) - lastOf(lastOf(others).phase[0]);
    const shift = this.#choice?.differs.longest ? 2 * Math.round(apart / 2) : 0;
    if (shift === 0) return others;
    return others.map((chunk) => ({ ...chunk, phase: chunk.phase.map((row) => row.map((phase) => phase + shift)) }));
  }

  /** What the page would show of updates that another engine makes. @param {string[]} views of the protocol's */
  views(views) {
    this.#views = views;
    this.#show();
  }

  #show() {
    this.#live?.views("engine", this.#choice?.differs.framework ? this.#views : []);
  }

  relabel() {
    this.#offered = null;
  }

  /** What it takes to show the twin again and to go on with it; null where there is none. */
  get kept() {
    const { state } = this;
    const checkpoint = this.#live?.held ?? this.#resting;
    return state && checkpoint && !state.opening ? { id: this.id, checkpoint, shown: rest(state) } : null;
  }

  /** Shows the twin of a kept run, which goes on as soon as that does. @param {import("../earlier/runs.js").EarlierRun["twin"]} kept */
  takeUp({ id, checkpoint, shown }) {
    this.#leave();
    this.id = id;
    this.#store = this.#newStore();
    this.#store.dispatch({ type: "kept", shown });
    this.#resting = checkpoint;
  }

  #newStore() {
    return new Store((callback) => {
      callback();
      this.#redraw();
    });
  }

  /** Keeps the twin in step. @param {import("../run/state.js").State} state of the first run */
  draw(state) {
    if (!state.recipe || state.opening) return;
    this.#offer(state.recipe);
    if (!this.id || state.connection.status === "kept") return;
    if (state.run !== this.#run) this.#begin(state);
    this.#follow(state);
    this.#live?.seen(Math.min(this.#store.state.update, state.update - windowAt(state.pace)));
  }

  #begin(state) {
    this.#choice = this.choices(state.recipe).find(({ id }) => id === this.id) ?? null;
    if (!this.#choice) {
      this.id = "";
      this.#offered = null;
      return this.#leave();
    }
    const recipe = { ...state.recipe, ...this.#choice.differs };
    const changes = this.#withoutSwitch(state.changes);
    this.#told = { playing: state.playing, pace: state.pace, steps: 0 };
    this.#given = state.changes;
    const resting = this.#resting;
    this.#resting = null;
    if (this.#live) {
      this.#store.dispatch({ type: state.playing ? "play" : "pause" });
      this.#show();
      this.#live.start(recipe, changes);
    } else {
      if (!resting) this.#store = this.#newStore();
      this.#store.dispatch({ type: "pace", pace: state.pace });
      if (!state.playing) this.#store.dispatch({ type: "pause" });
      this.#live = new Live(this.#url, this.#store, recipe, changes);
      this.#show();
      if (resting) this.#live.takeUp(resting);
      this.#live.connect();
    }
    this.#run = state.run;
    return undefined;
  }

  /** Live changes without what the twin has otherwise. */
  #withoutSwitch(changes) {
    return without(changes, Object.keys(this.#choice.differs));
  }

  #follow(state) {
    const other = this.state;
    if (!this.#live || !other || other.opening) return;
    const missed = other.complaint?.field === "after_update";
    const fresh = state.changes.filter((change) => !this.#given.includes(change));
    if (missed || fresh.some((change) => change.after_update < other.update)) {
      this.#begin(state); // it had been further: from its start, then, with all changes in their places
      return;
    }
    this.#given = state.changes;
    for (const change of this.#withoutSwitch(fresh)) this.#live.send({ type: "change", ...change });
    if (state.pace !== this.#told.pace) {
      this.#store.dispatch({ type: "pace", pace: state.pace });
      this.#live.send({ type: "pace", pace: state.pace });
    }
    if (state.playing !== this.#told.playing) {
      const type = state.playing ? "play" : "pause";
      this.#store.dispatch({ type });
      this.#live.send({ type });
    }
    this.#told = { ...this.#told, playing: state.playing, pace: state.pace };
    if (state.playing) this.#told.steps = 0;
    while (!state.playing && Math.max(this.#told.steps, this.#store.state.update) < state.update) {
      this.#told.steps = Math.max(this.#told.steps, this.#store.state.update) + 1;
      this.#live.send({ type: "step" });
    }
  }

  #offer(recipe) {
    const { select, keys, name } = this.#at;
    const offered = this.choices(recipe);
    const wanted = `${this.#words.language} ${this.id} ${offered.map(({ id }) => id).join()}`;
    if (wanted !== this.#offered) {
      this.#offered = wanted;
      select.replaceChildren(
        ...["", ...offered.map(({ id }) => id)].map((id) => new Option(this.#words.say(`twin.${id || "none"}`), id)),
      );
      select.value = this.id;
      name.textContent = this.id && this.#words.say("twin.key", { name: this.#words.say(`twin.${this.id}`) });
    }
    for (const key of keys) key.hidden = !this.id;
    const other = this.#store?.state;
    const trouble = other && stopped(other) === "diverged" ? "diverged" : other?.connection.status === "full" ? "full" : "";
    if (name.dataset.trouble !== trouble) {
      name.dataset.trouble = trouble;
      const says = this.id && this.#words.say(`twin.${this.id}`);
      name.textContent = this.#words.say("twin.key", { name: trouble ? `${says}, ${this.#words.say(`status.${trouble}`)}` : says });
    }
  }
}
