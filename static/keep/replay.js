/** A run made again on the server, to hold its losses against a receipt: one socket for one replay. */

const CLOSE_FULL = 1013;

/** @typedef {"idle"|"running"|"done"|"refused"|"full"|"lost"} Stage */

export class Replay {
  /** @type {WebSocket|null} */
  #socket = null;
  #url;
  #redraw;
  /** @type {Stage} */
  stage = "idle";
  /** How far it is. */
  update = 0;
  /** @type {{equal: boolean, losses_sha256: string, versions: Record<string, string>}|null} */
  verdict = null;
  /** @type {{code: string, field: string|null, detail: string}|null} */
  problem = null;

  /** @param {string} url of /ws/verify @param {() => void} redraw asks for a frame */
  constructor(url, redraw) {
    this.#url = url;
    this.#redraw = redraw;
  }

  /** @param {object} receipt */
  start(receipt) {
    this.cancel();
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.update = 0;
    this.stage = "running";
    socket.onopen = () => socket.send(JSON.stringify({ type: "verify", receipt }));
    socket.onmessage = ({ data }) => socket === this.#socket && this.#hear(JSON.parse(data));
    socket.onclose = ({ code, reason }) => {
      if (socket !== this.#socket) return;
      if (code !== CLOSE_FULL && reason) this.problem = { code: "other", field: null, detail: reason };
      this.#end(code === CLOSE_FULL ? "full" : reason ? "refused" : "lost");
    };
    this.#redraw();
  }

  /** The server stops when nobody listens. */
  cancel() {
    this.#end("idle");
  }

  #hear(message) {
    switch (message.type) {
      case "progress":
        this.update = message.update;
        return this.#redraw();
      case "verdict":
        this.verdict = message;
        return this.#end("done");
      case "error":
        this.problem = message;
        return this.#end("refused");
      default:
        this.problem = { code: "other", field: null, detail: `unknown message type: ${String(message.type)}` };
        return this.#end("refused");
    }
  }

  #end(stage) {
    const socket = this.#socket;
    this.#socket = null;
    this.stage = stage;
    socket?.close();
    this.#redraw();
  }
}
