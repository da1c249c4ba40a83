/** Which tab has which run: the tabs of one browser ask each other, so that no two go on with the same one. */

const PATIENCE = 200; // ms that another tab, busy drawing, may take to answer

export class Claims {
  #channel = new BroadcastChannel("unrolled");
  /** The run of this tab. */
  id = newId();

  constructor() {
    this.#channel.addEventListener("message", ({ data }) => {
      if (data.asks === this.id) this.#channel.postMessage({ has: this.id });
    });
  }

  /** @param {string} id @returns {Promise<boolean>} whether another tab has this run */
  isTaken(id) {
    return new Promise((resolve) => {
      const told = ({ data }) => data.has === id && done(true);
      const done = (taken) => {
        clearTimeout(timer);
        this.#channel.removeEventListener("message", told);
        resolve(taken);
      };
      const timer = setTimeout(done, PATIENCE, false);
      this.#channel.addEventListener("message", told);
      this.#channel.postMessage({ asks: id });
    });
  }

  /** Another run has begun in this tab. */
  renew() {
    this.id = newId();
  }
}

function newId() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("-");
}
