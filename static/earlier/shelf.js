import { throttled } from "../page/throttle.js";
import { isLink, readLink } from "../run/link.js";
import { rest } from "../run/state.js";
import { Claims } from "./claims.js";
import { FORMAT, all, blocksOf, find, isWhole, put, ready, remove, renamed, withRows, withoutRows } from "./runs.js";
import { carried, carry, remember, remembered } from "./tab.js";

/** Keeps this tab's run where a reload finds it again. */

const KEEP_EVERY = 5000; // ms at most; a tab that is hidden or left keeps at once
/** A run that was given up before this update is not worth one of the places. */
const WORTH_KEEPING = 20;
/** Blocks of rows that a tab's own memory has room for, and that are kept at the most where the browser gives no more room. */
const FEW = 4;

/** @typedef {import("./runs.js").EarlierRun} EarlierRun */

export class Shelf {
  #claims = new Claims();
  #page = null;
  #keep = throttled(KEEP_EVERY, () => this.#put());
  /** The store's number of the run that has this tab's id. */
  #run = 0;
  #newest = 0;
  /** While store, ledger and socket are not yet of one run. */
  #isShowing = false;
  /** The blocks of this run that are kept as they are. @type {WeakSet<import("../run/rows.js").Block>} */
  #kept = new WeakSet();
  /** Blocks that are kept at the most. */
  #most = Infinity;

  /** @param {import("../run/store.js").Store} store heard before all others: they forget a run as soon as another begins */
  constructor(store) {
    store.hears((_, before, after) => {
      if (!this.#page || this.#isShowing) return;
      if (before.run !== after.run) {
        this.#put(before);
        this.#another(after.run);
      } else if (before.connection.status === "live" && after.connection.status !== "live") {
        this.#put(); // another run may be asked for while there is none, and the checkpoint given up with this one
      }
      const changed = ["update", "changes", "playing", "pace"].some((name) => before[name] !== after[name]);
      if (!changed || after.update === 0) return;
      if (this.#newest > 0) this.#keep();
      else this.#put(); // whatever was written last was another run
    });
  }

  /**
   * @param {string} hash the address's fragment: where it asks for another run, that one is opened
   * @returns {Promise<EarlierRun|null>} the run that this tab had before it was reloaded, if no other tab has it
   */
  async ofThisTab(hash) {
    const { id, hash: before } = remembered();
    if (!id || (await this.#claims.isTaken(id))) return null;
    const found = await this.#find(id);
    const left = carried();
    const wasLate = left !== null && left.run.id === id && isWhole(left.run) && !(found?.saved >= left.run.saved);
    if (wasLate) put(left.run, left.fresh); // which the page before could not any more
    const kept = wasLate ? withRows(renamed(left.run), [...left.fresh, ...blocksOf(found)]) : found;
    return kept && (hash === before || isOf(kept, hash)) ? kept : null;
  }

  /** @param {string} id @returns {Promise<EarlierRun|null>} */
  async #find(id) {
    const found = await find(id);
    for (const block of blocksOf(found)) this.#kept.add(block);
    return found;
  }

  /**
   * @param {object} page
   * @param {import("../run/store.js").Store} page.store
   * @param {import("../socket/live.js").Live} page.live
   * @param {import("../link/address.js").AddressBar} page.bar
   * @param {import("../run/ledger.js").Ledger} page.ledger
   * @param {import("../controls/twin.js").Twin} page.twin
   */
  serve(page) {
    this.#page = page;
    const { bar } = page;
    ready();
    addEventListener("pagehide", () => {
      const left = this.#put();
      carry(left && { run: withoutRows(left.run), fresh: left.fresh.slice(-FEW) });
      if (this.#run > 0) remember(this.#claims.id, bar.refusal ? null : location.hash);
    });
    document.addEventListener("visibilitychange", () => document.hidden && this.#put());
  }

  /** @returns {Promise<EarlierRun[]>} the latest runs of this browser but this tab's own */
  async earlier() {
    return (await all()).filter(({ id }) => id !== this.#claims.id);
  }

  /** @param {EarlierRun} kept @returns {Promise<boolean>} false where another tab has it */
  async goOn(kept) {
    if (await this.#claims.isTaken(kept.id)) return false;
    this.show((await this.#find(kept.id)) ?? withRows(kept, []));
    return true;
  }

  /** @param {EarlierRun} kept */
  forget({ id }) {
    return remove(id);
  }

  /** Shows a kept run as it was; `live` goes on with it from the next connection on. @param {EarlierRun} kept */
  show(kept) {
    const { store, live, ledger, twin } = this.#page;
    this.#put();
    this.#isShowing = true;
    store.dispatch({ type: "kept", shown: kept.shown });
    ledger.restore(kept.ledger);
    live.takeUp(kept.checkpoint);
    if (kept.twin) twin.takeUp(kept.twin);
    else twin.choose("");
    this.#claims.id = kept.id;
    this.#run = store.state.run;
    this.#newest = kept.shown.update;
    this.#most = Infinity;
    this.#isShowing = false;
    remember(kept.id);
  }

  /** @returns {import("./tab.js").Left|null} what is to be kept of the run, where there is something to keep */
  #put(state = this.#page.store.state) {
    const { live, bar, ledger, twin } = this.#page;
    const { held: checkpoint } = live;
    if (state.update === 0 || !checkpoint || bar.refusal) return null;
    this.#newest = state.update;
    const seen = ledger.snapshot();
    const blocks = seen.blocks.slice(-this.#most);
    const run = {
      format: FORMAT,
      id: this.#claims.id,
      saved: Date.now(),
      link: bar.fragmentOf(state),
      checkpoint,
      shown: rest(state),
      ledger: { ...seen, blocks },
      twin: twin.kept,
    };
    const fresh = blocks.filter((block) => !this.#kept.has(block));
    this.#follow(put(run, fresh), fresh, state);
    return { run, fresh };
  }

  /** What came of a writing decides what the next one has in it. */
  async #follow(writing, fresh, { run, update }) {
    const { outcome, hasAll } = await writing;
    if (outcome === "kept") for (const block of fresh) this.#kept.add(block);
    if (outcome === "kept" && !hasAll) this.#kept = new WeakSet();
    const { store } = this.#page;
    if (outcome !== "full" || this.#most === FEW || run !== store.state.run) return;
    this.#most = FEW;
    store.dispatch({ type: "news", notice: { kind: "unkept", update } });
    this.#put();
  }

  /** The run before stays among the latest. */
  #another(run) {
    if (this.#run > 0 && this.#newest < WORTH_KEEPING) remove(this.#claims.id);
    if (this.#run > 0) this.#claims.renew();
    this.#run = run;
    this.#newest = 0;
    this.#most = Infinity;
    remember(this.#claims.id);
  }
}

/** @param {EarlierRun} kept @param {string} hash */
function isOf({ link }, hash) {
  const asked = (text) => {
    const { recipe, changes, wrong } = readLink(text);
    return JSON.stringify([recipe, changes, wrong]);
  };
  return !isLink(hash) || asked(link) === asked(hash);
}
