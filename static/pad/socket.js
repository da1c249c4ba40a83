/** The pad's socket: samples go out as they come, in larger pieces where the network is slow. */

const MOST_UNANSWERED = 2; // messages: one on its way there while the other's answer is on its way back
const MOST_WAITING = 100; // samples that wait to be sent; four seconds of them are no longer an answer to a hand

const CLOSE_REFUSED = 1008;
const CLOSE_FULL = 1013;

export class PadSocket {
  /** @type {WebSocket|null} */
  #socket = null;
  #opened = false;
  #unanswered = 0;
  /** @type {number[]} */
  #waiting = [];
  #url;
  #dispatch;

  /** @param {string} url of /ws/predict @param {(message: Record<string, any>) => void} dispatch */
  constructor(url, dispatch) {
    this.#url = url;
    this.#dispatch = dispatch;
  }

  get isThere() {
    return this.#socket !== null;
  }

  open() {
    this.#drop();
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#dispatch({ type: "connecting" });
    socket.onopen = () => socket.send(JSON.stringify({ type: "open", model: "sine" }));
    socket.onmessage = ({ data }) => socket === this.#socket && this.#hear(JSON.parse(data));
    socket.onclose = ({ code, reason }) => {
      if (socket !== this.#socket) return;
      if (code === CLOSE_FULL) this.#end("full");
      else if (code === CLOSE_REFUSED) this.#end("refused", { code: "", field: "", detail: reason });
      else this.#end("lost");
    };
  }

  /** @param {number[]} x the samples that follow */
  send(x) {
    this.#waiting.push(...x);
    this.#flush();
    if (this.#waiting.length > MOST_WAITING) this.#end("lost");
  }

  /** The network forgets what it heard. */
  forget() {
    this.#waiting = [];
    if (this.#opened) this.#socket.send(JSON.stringify({ type: "reset" }));
  }

  /** Nobody draws any more. */
  close() {
    if (this.#socket) this.#end("off");
  }

  #hear(message) {
    if (message.type === "error") return this.#end("refused", message);
    if (message.type === "opened") this.#opened = true;
    if (message.type === "prediction") this.#unanswered -= 1;
    try {
      this.#dispatch(message);
    } catch (error) {
      return this.#end("refused", { code: "", field: "", detail: error.message });
    }
    return this.#flush();
  }

  #flush() {
    if (!this.#opened || this.#waiting.length === 0 || this.#unanswered >= MOST_UNANSWERED) return;
    this.#socket.send(JSON.stringify({ type: "sample", x: this.#waiting }));
    this.#waiting = [];
    this.#unanswered += 1;
  }

  /** @param {string} stage @param {{code: string, field: string, detail: string}|null} problem */
  #end(stage, problem = null) {
    this.#drop();
    this.#dispatch({ type: "ended", stage, problem });
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#opened = false;
    this.#unanswered = 0;
    this.#waiting = [];
    socket?.close();
  }
}
