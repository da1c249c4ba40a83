import { ahead, fieldsOf, inOrder } from "../run/changes.js";
import { lossesOf, runOf } from "../run/checkpoint.js";
import { MOST_AFTER } from "../run/limits.js";
import { PROTOCOL } from "../run/state.js";
import { Opening } from "./opening.js";
import { Pulse } from "./pulse.js";
import { waitAfter } from "./waits.js";
import { Wishes } from "./wishes.js";

/**
 * The websocket: messages in, messages out, and the way back after it dropped. The newest checkpoint
 * stays here, so that any server can take the run and go on.
 */

/** A loss above this is worse than an answer of −cos throughout: its weights are no place to go back to. */
const WORST_GOOD = 2;

const CLOSE_REFUSED = 1008;
const CLOSE_TOO_BIG = 1009;
const CLOSE_SILENT = 1006;

/** @typedef {{bytes: ArrayBuffer, update: number}} Held a checkpoint, and the update it is of */

export class Live {
  #socket = null;
  #attempts = 0;
  /** Whether a run was opened on this socket. */
  #isOpen = false;
  #timer = 0;
  #pulse = new Pulse({
    expects: () => this.#expectsNews(),
    ask: () => this.send({ type: "ping" }),
    lost: () => this.#lose(),
  });
  #seen = 0;
  #opening = new Opening();
  /** The newest. @type {Held|null} */
  #checkpoint = null;
  /** Who waits for a checkpoint, in the order of asking. @type {{resolve: Function, reject: Function}[]} */
  #waiting = [];
  /** The newest checkpoint of a run that was not yet on its way out of all bounds. */
  #good = null;
  /** What each part of the page wants to be shown of an update. @type {Map<string, string[]>} */
  #views = new Map();
  #wishes = new Wishes();
  /** Counts the runs that the page asked for in place of another: of the first it is 0. */
  asked = 0;
  #wanted;
  #store;
  #url;

  /**
   * @param {string} url of /ws/train
   * @param {import("../run/store.js").Store} store
   * @param {Record<string, any>} recipe of the first run; fields left out take the server's defaults
   * @param {import("../run/changes.js").Change[]} changes a change log for it to replay
   */
  constructor(url, store, recipe, changes = []) {
    this.#url = url;
    this.#store = store;
    this.#wanted = { recipe, changes };
  }

  connect() {
    clearTimeout(this.#timer);
    this.#store.dispatch({ type: "connection", status: "connecting" });
    const socket = new WebSocket(this.#url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#pulse.heard();
      this.#greet();
    };
    socket.onmessage = ({ data }) => {
      this.#pulse.heard();
      if (typeof data === "string") this.#hear(data);
      else this.#receive(data);
    };
    socket.onclose = ({ code, reason }) => this.#dropped(socket, code, reason);
    this.#socket = socket;
    this.#isOpen = false;
    this.#opening.connects();
    this.#pulse.begins();
  }

  /** Tries again at once if a wait for the next attempt is under way. */
  retry() {
    const { status } = this.#store.state.connection;
    if (["waiting", "full", "offline"].includes(status)) this.connect();
  }

  /** Asks whether the connection still is one, after the network or the page was away. */
  check() {
    if (this.#ready() && !this.#store.state.opening) this.#pulse.check();
    else this.retry();
  }

  /** The newest checkpoint, and the update it is of. @returns {Held|null} */
  get held() {
    return this.#checkpoint;
  }

  /** Goes on with the run that the store shows, from its checkpoint: at once, or when next connected. @param {Held} held */
  takeUp(held) {
    const { recipe, changes } = this.#store.state;
    this.#wanted = { recipe, changes };
    this.asked += 1;
    this.#opening.forget();
    this.#wishes.forget();
    this.#checkpoint = this.#good = held;
    if (this.#ready()) this.#resume();
  }

  /** Leaves for good. */
  close() {
    clearTimeout(this.#timer);
    this.#pulse.stops();
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#giveUpWaiting();
  }

  /**
   * Ends the run and starts another on the same socket.
   * @param {Record<string, any>} recipe
   * @param {import("../run/changes.js").Change[]} changes a change log to replay
   */
  start(recipe, changes = []) {
    this.#wanted = { recipe, changes };
    this.asked += 1;
    this.#wishes.forget();
    this.#opening.forget();
    this.#good = null;
    if (this.#ready()) {
      this.#open();
    } else {
      this.#checkpoint = null;
      this.#hurry();
    }
  }

  /**
   * Ends the run and goes on with one from a file, at its pace. A file that is refused leaves the run as it is.
   * @param {ArrayBuffer} bytes a checkpoint
   */
  load(bytes) {
    this.asked += 1;
    this.#opening.file = bytes;
    if (this.#ready()) this.#openFile();
    else this.#hurry();
  }

  /** @param {Record<string, any>} message one that needs no answer kept: play, pause, step, pace, change */
  send(message) {
    if (this.#ready()) this.#socket.send(JSON.stringify(message));
  }

  /**
   * Sets live fields of the run: at once, or when it is open again. What they are already is not said again.
   * @param {Record<string, any>} fields
   */
  change(fields) {
    const fresh = this.#wishes.fresh(fields, this.#store.state.current);
    if (fresh) this.send({ type: "change", ...fresh });
  }

  /**
   * After a divergence: back to the last good checkpoint, and on with other fields; what else was changed since stays
   * changed. Where the log sets these fields after that checkpoint, it is mended there, and the run begins anew.
   * @param {Record<string, any>} fields
   */
  rewind(fields) {
    const good = this.#good;
    if (!this.#ready() || !good) return;
    this.#wishes.forget();
    this.#opening.file = null;
    const { recipe, changes, made } = this.#store.state;
    const since = ahead(changes, good.update).filter(({ after_update: after }) => after <= made);
    const culprit = since.findLast((change) => Object.keys(fields).some((name) => name in change));
    if (good.update > 0 && !culprit) {
      this.#opening.remedy = Object.assign({}, ...since.map(fieldsOf), fields);
      this.#checkpoint = good;
      this.#resume({ from: good.update, rewound: fields });
      return;
    }
    const mended = { after_update: good.update, ...culprit, ...fields };
    this.#wanted = { recipe, changes: inOrder([...changes, mended]) };
    this.#good = null;
    this.#store.dispatch({ type: "play" });
    this.#open({ rewound: fields });
  }

  /**
   * What `owner` wants updates to show from now on. Nobody is sent what no part of the page shows.
   * @param {string} owner @param {string[]} views of the protocol's: hidden, gradient, graph
   */
  views(owner, views) {
    const before = this.#wantedViews().join();
    this.#views.set(owner, views);
    const wanted = this.#wantedViews();
    if (wanted.join() !== before) this.send({ type: "views", views: wanted });
  }

  /** @returns {Promise<ArrayBuffer>} a checkpoint of the run as it stands; fails if the connection does */
  checkpoint() {
    return new Promise((resolve, reject) => {
      if (!this.#ready()) return reject(new Error("not connected"));
      this.#waiting.push({ resolve, reject });
      this.send({ type: "checkpoint" });
      return undefined;
    });
  }

  /** @param {number} update the newest one drawn */
  seen(update) {
    if (update <= this.#seen || this.#store.state.opening || !this.#isOpen || !this.#ready()) return;
    this.#seen = update;
    this.#socket.send(JSON.stringify({ type: "seen", update }));
  }

  /** The visitor has asked for a run: also where they had been asked whether that of before should go on. */
  #hurry() {
    if (this.#store.state.connection.status === "kept") this.connect();
    else this.retry();
  }

  #ready() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Nothing is to come while it rests; a hidden page's timers are late; TensorFlow takes its time to open. */
  #expectsNews() {
    const { playing, opening } = this.#store.state;
    return !document.hidden && !opening?.slow && (playing || opening !== null);
  }

  /** It was cut without a word: whoever waits for the word waits for minutes. */
  #lose() {
    const socket = this.#socket;
    socket.close();
    this.#dropped(socket, CLOSE_SILENT, "");
  }

  #greet() {
    if (this.#opening.file) this.#openFile();
    else if (this.#checkpoint) this.#resume();
    else this.#open();
  }

  /** @param {Record<string, any>} why what the page is told of it */
  #open(why = {}) {
    const { pace, playing } = this.#store.state;
    this.#store.dispatch({ type: "opening", slow: this.#wanted.recipe.framework === "tensorflow", ...why });
    this.#ask({ ...this.#wanted, pace, play: playing });
  }

  #openFile() {
    const { file } = this.#opening;
    this.#store.dispatch({ type: "opening", file: { losses: lossesOf(file) } });
    this.#ask({ resume: true });
    this.#socket.send(file);
  }

  #ask(fields) {
    const tag = this.#opening.asks();
    this.#socket.send(JSON.stringify({ type: "open", tag, ...fields, views: this.#wantedViews() }));
  }

  /** The tutorial's TensorFlow program plots what is predicted after the update, its PyTorch program before it. */
  #wantedViews() {
    const after = this.#wanted.recipe.framework === "tensorflow" ? ["after"] : [];
    return [...new Set([...after, ...[...this.#views.values()].flat()])].sort();
  }

  /** @param {{from?: number, rewound?: Record<string, any>}} back the update to go on from, where it is not the newest held */
  #resume({ from, rewound } = {}) {
    const { pace, playing, update } = this.#store.state;
    const { bytes, update: made } = this.#checkpoint;
    const after = from ?? (update <= made + MOST_AFTER ? Math.max(update, made) : made);
    this.#wishes.carryOver();
    this.#store.dispatch({ type: "opening", after, rewound });
    this.#ask({ resume: true, after, pace, play: playing });
    this.#socket.send(bytes);
  }

  #hear(text) {
    const message = JSON.parse(text);
    const { opening } = this.#store.state;
    const wasStale = this.#opening.isStale;
    if (!this.#opening.hears(message)) return undefined;
    if (message.type === "opened") {
      if (message.protocol !== PROTOCOL) return this.#outdated(`protocol ${message.protocol}`);
      this.#takeOver(message, opening);
    }
    try {
      this.#store.dispatch(message);
    } catch (error) {
      return this.#outdated(error.message);
    }
    if (message.type === "opened") this.#goLive(opening);
    if (message.type === "changed") this.#wishes.granted(message);
    if (message.type === "error") {
      if (message.tag == null) this.#wishes.refused();
      else this.#isRefused(opening, wasStale, message);
    }
    return undefined;
  }

  /** The run is the server's answer: a recipe in full, and views that may depend on it. */
  #takeOver({ recipe, changes = [], update }, opening) {
    this.#attempts = 0;
    this.#isOpen = true;
    const views = this.#wantedViews().join();
    this.#wanted = { recipe, changes };
    this.#seen = opening?.after ?? update;
    if (this.#wantedViews().join() !== views) this.send({ type: "views", views: this.#wantedViews() });
  }

  /** The page knows of it: what was to be said to the run can be said. */
  #goLive(opening) {
    if (opening?.file) this.#opening.file = null;
    if (opening?.after == null) this.#wishes.forget();
    this.change(this.#wishes.due());
    this.#store.dispatch({ type: "connection", status: "live" });
    const remedy = this.#opening.takeRemedy();
    if (remedy) this.#mend(remedy);
  }

  /** An `open` was refused: the run that there was goes on, or the same recipe from its start. */
  #isRefused(opening, wasStale, { code, detail }) {
    if (opening?.file) {
      this.#opening.file = null;
      if (!this.#isOpen || wasStale) this.#greet(); // where this connection has none
    } else if (opening?.after != null && (code === "not_offered" || code === "not_installed")) {
      this.#store.dispatch({ type: "connection", status: "refused", detail }); // another server may go on from it
    } else if (opening?.after != null) {
      this.#checkpoint = null; // this server cannot go on from it
      this.#open({ lost: true });
    }
  }

  #mend(fields) {
    this.send({ type: "change", ...fields });
    this.#store.dispatch({ type: "play" });
    this.send({ type: "play" });
  }

  #receive(bytes) {
    if (!this.#opening.receives()) this.#waiting.shift()?.resolve(bytes);
    if (this.#store.state.opening || this.#opening.isStale) return; // of a run that is being left
    this.#checkpoint = { bytes, update: runOf(bytes).update };
    const { loss } = this.#store.state;
    if (loss === null || loss <= WORST_GOOD) this.#good = this.#checkpoint;
  }

  /** The checkpoint stays in memory: the reader decides when to reload. */
  #outdated(detail) {
    this.#pulse.stops();
    const socket = this.#socket;
    this.#socket = null;
    socket.close();
    this.#giveUpWaiting();
    this.#store.dispatch({ type: "connection", status: "reload", detail });
  }

  #dropped(socket, code, reason) {
    if (socket !== this.#socket) return;
    this.#pulse.stops();
    this.#socket = null;
    this.#giveUpWaiting();
    if (code === CLOSE_REFUSED || code === CLOSE_TOO_BIG) {
      const status = reason.startsWith("token_needed") ? "token" : "refused";
      this.#store.dispatch({ type: "connection", status, detail: reason });
      return;
    }
    const { status, milliseconds } = waitAfter(code, this.#attempts);
    this.#attempts += 1;
    this.#wait(status, milliseconds);
  }

  #giveUpWaiting() {
    for (const { reject } of this.#waiting.splice(0)) reject(new Error("the connection was lost"));
    this.#opening.drops();
  }

  #wait(status, milliseconds) {
    this.#store.dispatch({ type: "connection", status, seconds: Math.ceil(milliseconds / 1000) });
    const tick = Math.min(milliseconds, 1000);
    this.#timer = setTimeout(
      () => (milliseconds > 1000 ? this.#wait(status, milliseconds - tick) : this.connect()),
      tick,
    );
  }
}
