/** Messages that a checkpoint comes right behind; any other was asked for. */
const WITH_CHECKPOINT = ["opened", "changed", "diverged", "checkpoint"];

/**
 * The dialogue in which a run is opened: what was asked last, what goes with it, and which of the server's messages
 * speak of it. Several may be asked for before the first is answered.
 */
export class Opening {
  /** Counts what was asked to be opened: of several that are under way only the answer to the newest is heard. */
  #tag = 0;
  /** Whether the server is at a run that something newer has been asked for in place of. */
  #isStale = false;
  /** Whether the last message said that a checkpoint comes behind it. */
  #announced = false;
  /** A run from a file that is on its way to being opened. @type {ArrayBuffer|null} */
  file = null;
  /** Live fields to set as soon as the run is open again. @type {Record<string, any>|null} */
  remedy = null;

  get isStale() {
    return this.#isStale;
  }

  /** A server that was never asked is at no run. */
  connects() {
    this.#isStale = false;
  }

  /** What the server had announced will not come any more. */
  drops() {
    this.#announced = false;
  }

  /** Something is asked for anew. @returns {number} the tag by which its answer is known */
  asks() {
    this.#tag += 1;
    return this.#tag;
  }

  /** Something else is to be opened than what was on its way. */
  forget() {
    this.file = this.remedy = null;
  }

  /**
   * @param {import("../run/messages.js").FromServer} message
   * @returns {boolean} whether it is to be heard: not what speaks of a run, or answers an `open`, that something newer was
   *   asked for in place of
   */
  hears(message) {
    this.#announced = WITH_CHECKPOINT.includes(message.type);
    const tag = "tag" in message ? message.tag : null;
    const isOld = tag != null && tag !== this.#tag;
    if (message.type === "opened") this.#isStale = isOld;
    if (message.type === "error" && tag === this.#tag && this.#isStale) {
      this.#isStale = false; // the newest was refused: back to what the page shows
      return true;
    }
    return !isOld && (!this.#isStale || message.type === "pong");
  }

  /** A checkpoint has come. @returns {boolean} whether it was announced; otherwise somebody had asked for it */
  receives() {
    const was = this.#announced;
    this.#announced = false;
    return was;
  }

  /** @returns {Record<string, any>|null} the live fields that are due, once */
  takeRemedy() {
    const { remedy } = this;
    this.remedy = null;
    return remedy;
  }
}
