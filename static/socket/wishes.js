/** Live fields that the reader has set and the server has not: they outlive a lost connection. */
export class Wishes {
  /** Asked for on this connection, and not answered yet. @type {Record<string, any>} */
  #asked = {};
  /** To be asked for when the run is open again. @type {Record<string, any>} */
  #unsaid = {};

  /**
   * @param {Record<string, any>} fields as the reader has them now
   * @param {Record<string, any>|null} current as the run has them
   * @returns {Record<string, any>|null} those that are news; null where none is
   */
  fresh(fields, current) {
    const known = { ...current, ...this.#unsaid, ...this.#asked };
    const fresh = Object.entries(fields).filter(([name, value]) => value !== known[name]);
    if (fresh.length === 0) return null;
    this.#asked = { ...this.#asked, ...Object.fromEntries(fresh) };
    return Object.fromEntries(fresh);
  }

  /** @param {Record<string, any>} changed what the server says it has set */
  granted(changed) {
    this.#asked = Object.fromEntries(Object.entries(this.#asked).filter(([name, value]) => changed[name] !== value));
  }

  refused() {
    this.#asked = {};
  }

  /** The run is taken up on another connection: what was not answered was not set. */
  carryOver() {
    this.#unsaid = { ...this.#unsaid, ...this.#asked };
    this.#asked = {};
  }

  /** @returns {Record<string, any>} what is to be asked for now that the run is open; what was asked since counts more */
  due() {
    const due = Object.fromEntries(Object.entries(this.#unsaid).filter(([name]) => !(name in this.#asked)));
    this.#unsaid = {};
    return due;
  }

  /** They were another run's. */
  forget() {
    this.#asked = this.#unsaid = {};
  }
}
