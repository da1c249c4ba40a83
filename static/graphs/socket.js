/** The socket on which a server runs the quick kinds of graph: opened when asked for, closed when they are done. */

const OVER = ["done", "cancelled", "error"];

export class GraphsLive {
  #socket = null;
  #url;
  #dispatch;

  /** @param {string} url of /ws/graphs @param {(message: Record<string, any>) => void} dispatch */
  constructor(url, dispatch) {
    this.#url = url;
    this.#dispatch = dispatch;
  }

  /** @param {() => string[]} kinds which to run, known once the server has sent its plan */
  run(kinds) {
    this.#socket?.close();
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#dispatch({ type: "ask" });
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      const message = JSON.parse(data);
      try {
        this.#dispatch(message);
      } catch (error) {
        return this.#end({ type: "error", detail: error.message });
      }
      if (message.type === "plan") socket.send(JSON.stringify({ type: "run", kinds: kinds() }));
      if (OVER.includes(message.type)) this.#end(null);
      return undefined;
    };
    socket.onclose = ({ reason }) => {
      if (socket === this.#socket) this.#end(reason ? { type: "error", detail: reason } : { type: "lost" });
    };
  }

  /** The server answers `cancelled`; if it cannot be reached there is nothing left to cancel. */
  cancel() {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ type: "cancel" }));
    else this.#end({ type: "cancelled" });
  }

  #end(message) {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    if (message) this.#dispatch(message);
  }
}
