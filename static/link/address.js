import { excerpt } from "../page/refusal.js";
import { throttled } from "../page/throttle.js";
import { DEFAULT_PACE } from "../run/limits.js";
import { isLink, readLink, writeLink } from "../run/link.js";

/**
 * The page's address: what a link in it asks for is opened, and it is kept a link to what the page shows. A link that
 * is refused stays in it, beside a sentence that says why, until the visitor has chosen what to see instead.
 */

const WRITE_EVERY = 500; // ms: browsers stop those who write much oftener

/**
 * @typedef {object} Page what an address may ask of it
 * @property {import("../socket/live.js").Live} live
 * @property {import("../controls/twin.js").Twin} twin
 * @property {{asked: string|null, set: (theme: string|null) => void}} theme
 * @property {() => void} language speaks what the address asks for
 * @property {(station: number) => void} tour
 */

/** @typedef {import("../run/link.js").Wrong | {complaint: import("../run/state.js").Complaint}} Reason */

export class AddressBar {
  #store;
  #hiding;
  /** @type {Page|null} */
  #page = null;
  #defaults = null;
  /** A link whose run has not been opened yet, which of all asked for that is, and what there was before: run 0 is none. */
  #pending = null;
  #isHeld = false;
  /** The link of what the page shows, as it was last in the address. @type {string|null} */
  #written = location.hash;
  /** The hash that was last read or written: while the address has another, news of it is still on its way. */
  #known = location.hash;
  #told = [];
  /** Who must know that another run was asked for by its link, or in place of one. @type {(() => void)[]} */
  #heard = [];
  #write = throttled(WRITE_EVERY, () => this.#replace());
  /** Why the link in the address was refused; null when it was not. @type {Reason|null} */
  refusal = null;
  /** The run that there was at the refusal, and its link; null where the default run rests in its place. */
  #rest = null;
  /** @type {import("../run/link.js").Link} */
  #link;
  /** Of this visit; null while it is only the browser's own. @type {string|null} */
  language;
  /** Whether the link that is handed on begins the tour. @type {number|null} */
  tour;

  /**
   * @param {import("../run/store.js").Store} store
   * @param {import("./hiding.js").Hiding} hiding
   */
  constructor(store, hiding) {
    this.#store = store;
    this.#hiding = hiding;
    this.#link = readLink(location.hash);
    this.#adopt();
    const wrong = this.#wrong(this.#link);
    if (wrong) {
      this.#rests(wrong);
    } else {
      this.#pending = { link: this.#link, asked: 0, run: 0 };
      this.#isHeld = needsDefaults(this.#link);
      hiding.set(this.#link.hidden);
      if (this.#link.pace !== null) store.dispatch({ type: "pace", pace: this.#link.pace });
    }
    addEventListener("hashchange", () => this.#pasted());
    store.hears(() => this.#pending && queueMicrotask(() => this.#await())); // before the visitor can choose anything else
  }

  /** The run to begin with. @returns {[Record<string, any>, import("../run/changes.js").Change[]]} its recipe and its changes */
  get run() {
    return this.refusal ? [{}, []] : [this.#link.recipe, this.#link.changes];
  }

  /** Whether the first run must wait for the recipe's defaults, as without them it cannot be told if the link is right. */
  get isHeld() {
    return this.#isHeld;
  }

  /** Whether a link is on its way to being opened. */
  get isOpening() {
    return this.#pending !== null;
  }

  /** The theme to begin with. */
  get theme() {
    return this.#link.theme;
  }

  /** @param {Page} page */
  serve(page) {
    this.#page = page;
    if (this.#pending) this.#pending.asked = page.live.asked; // after a reload its run is there already
  }

  /** @param {() => void} listener another link has been opened in this tab, or the default run in place of one */
  onOther(listener) {
    this.#heard.push(listener);
  }

  /** @returns {string} the whole address of what the page shows */
  get url() {
    const { origin, pathname, search } = location;
    return origin + pathname + search + this.fragmentOf(this.#store.state);
  }

  /** @param {import("../run/state.js").State} state @returns {string} the link to this run, shown as the page is now */
  fragmentOf(state) {
    return this.#fragment(state) ?? "";
  }

  /** In place of a link that was refused, or of anything else. */
  startDefault() {
    this.#pending = null;
    this.#chose();
    this.#tellOthers();
    this.#hiding.set([]);
    this.#page.twin.choose("");
    this.#setPace(DEFAULT_PACE);
    this.#store.dispatch({ type: "play" });
    this.#page.live.start({}, []);
  }

  /** @param {import("../run/state.js").State} state @param {Record<string, any>|null} defaults of the recipe, once they are known */
  draw(state, defaults) {
    if (defaults && !this.#defaults) {
      this.#defaults = defaults;
      if (this.#isHeld) this.#letGo();
    }
    if (this.refusal && this.#hasChosen(this.#store.state)) this.#chose();
    if (this.refusal || this.#pending || !this.#page) return;
    const tells = [state.recipe, state.changes, state.pace, this.#defaults, this.#hiding.names];
    tells.push(this.#page.twin.id, this.#page.theme.asked, this.language, this.tour);
    if (tells.every((each, i) => each === this.#told[i])) return;
    this.#told = tells;
    this.#write();
  }

  /** @param {import("../run/link.js").Link} link @returns {Reason|null} what is wrong with it, as far as that can be told yet */
  #wrong(link) {
    const wrong = link.wrong ?? this.#hiding.wrong(link.hidden, this.#defaults !== null);
    if (wrong || !link.twin || !this.#defaults || !this.#page) return wrong;
    const offered = this.#page.twin.choices({ ...this.#defaults, ...link.recipe }).map(({ id }) => id);
    return offered.includes(link.twin) ? null : unknownTwin(link.twin, offered);
  }

  #letGo() {
    this.#isHeld = false;
    const { run } = this.#store.state;
    if (this.#pending) {
      const { link } = this.#pending;
      const wrong = this.#wrong(link);
      if (wrong) this.#refuse(wrong);
      else this.#start(link);
    }
    if (run === 0) this.#page.live.connect();
  }

  #start(link) {
    this.#setPace(link.pace ?? DEFAULT_PACE);
    this.#store.dispatch({ type: "play" });
    this.#page.live.start(link.recipe, link.changes);
    this.#pending.asked = this.#page.live.asked;
  }

  /** Shows or refuses the pending link, as soon as its run is there or was refused. */
  #await() {
    if (!this.#pending || !this.#page) return;
    const { link, asked, run } = this.#pending;
    const { state } = this.#store;
    if (asked !== this.#page.live.asked) {
      this.#pending = null; // the visitor has asked for another run in the meantime
      this.#store.redraw();
    } else if (state.run > run) {
      this.#pending = null;
      this.#show(link);
    } else if (state.complaint && !state.opening) {
      this.#refuse({ complaint: state.complaint });
    }
  }

  /** What a link asks for beside its run, once that is there. */
  #show(link) {
    const { twin, theme, language, tour } = this.#page;
    if (link !== this.#link) this.#tellOthers();
    this.#hiding.set(link.hidden);
    if (link.twin) twin.id = link.twin;
    else twin.choose("");
    if (link !== this.#link) {
      this.#link = link;
      this.#adopt();
      theme.set(link.theme);
      language();
    }
    if (link.tour) tour(link.tour);
  }

  #tellOthers() {
    for (const listener of this.#heard) listener();
  }

  #adopt() {
    this.language = this.#link.language;
    this.tour = this.#link.tour;
  }

  /** Someone wrote another address in this tab. */
  #pasted() {
    const { hash } = location;
    this.#known = hash;
    if (hash === this.#written) {
      if (this.refusal) this.#chose();
      return;
    }
    if (hash && !isLink(hash)) {
      this.#told = []; // a place on the page: it is shown, and the link comes back
      this.#store.redraw();
      return;
    }
    this.#written = null; // a link back to it is news from now on, even before the one of this is written
    const link = readLink(hash);
    const wrong = this.#wrong(link);
    const { run, pace, playing } = this.#store.state;
    this.refusal = null;
    this.#pending = { link, asked: this.#page.live.asked, run, pace, playing };
    if (wrong) {
      this.#refuse(wrong);
      return;
    }
    this.#store.dispatch({ type: "dismissed" });
    this.#isHeld ||= !this.#defaults && needsDefaults(link);
    if (!this.#isHeld) this.#start(link);
  }

  /** Where a run is in motion already it stays; otherwise the default run rests behind the sentence. */
  #refuse(reason) {
    const before = this.#pending;
    this.#pending = null;
    this.#store.dispatch({ type: "dismissed" });
    if (before && before.run > 0) {
      this.refusal = reason;
      this.#setPace(before.pace);
      if (!before.playing) this.#store.dispatch({ type: "pause" });
      this.#rest = { run: before.run, fragment: this.#chosen() };
      return;
    }
    this.#hiding.set([]);
    this.#setPace(DEFAULT_PACE);
    this.#rests(reason);
    this.#page.live.start({}, []);
  }

  #rests(reason) {
    this.refusal = reason;
    this.#rest = { run: this.#store.state.run, fragment: null };
    this.#written = null;
    this.#store.dispatch({ type: "pause" });
  }

  #hasChosen(state) {
    if (!this.#defaults || !state.recipe || state.opening) return false;
    const { run, fragment } = this.#rest;
    if (fragment !== null) return state.run !== run || this.#chosen() !== fragment;
    if (state.run === run) return false; // the default run is still on its way
    return state.playing || state.update > 0 || this.#chosen() !== "";
  }

  /** What is to be seen; language and theme are only how: who switches them may still be reading the sentence. */
  #chosen() {
    const view = { defaults: this.#defaults ?? {}, hidden: this.#hiding.names, twin: this.#page.twin.id };
    return writeLink(this.#store.state, view);
  }

  #chose() {
    this.refusal = this.#rest = null;
    this.tour = null;
    this.#told = [];
    this.#store.redraw();
  }

  #setPace(pace) {
    this.#store.dispatch({ type: "pace", pace });
    this.#page.live.send({ type: "pace", pace });
  }

  /** @returns {string|null} null while it cannot be told yet */
  #fragment(state = this.#store.state) {
    if (!this.#defaults || !state.recipe || !this.#page) return null;
    const { twin, theme } = this.#page;
    const view = { language: this.language, theme: theme.asked, tour: this.tour, twin: twin.id };
    return writeLink(state, { defaults: this.#defaults, hidden: this.#hiding.names, ...view });
  }

  #replace() {
    const fragment = this.refusal || this.#pending ? null : this.#fragment();
    if (fragment === null || location.hash !== this.#known) return;
    this.#written = fragment;
    if (fragment === location.hash) return;
    history.replaceState(history.state, "", location.pathname + location.search + fragment);
    this.#known = location.hash;
  }
}

function unknownTwin(text, offered) {
  return { key: "link.wrong.word", values: { name: "twin", text: excerpt(text), words: offered.join(", ") } };
}

/** @param {import("../run/link.js").Link} link */
function needsDefaults({ twin, hidden }) {
  return Boolean(twin) || hidden.some((name) => name.includes("."));
}
