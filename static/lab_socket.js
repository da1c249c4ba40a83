/** One run of the graph lab: a socket that opens for it and closes after it. */

const ENDS = new Set(["done", "cancelled", "error"]);

export class LabSocket {
  #url;
  #hear;
  #socket = null;

  /** @param {string} url of /ws/graphs @param {(message: Record<string, any>) => void} hear */
  constructor(url, hear) {
    this.#url = url;
    this.#hear = hear;
  }

  /** @param {(kinds: {kind: string, cheap: boolean, installed: boolean}[]) => string[]} choose from what is there */
  run(choose) {
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#hear({ type: "connecting" });
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      this.#hear(message);
      if (message.type === "plan") {
        const kinds = choose(message.kinds);
        this.#hear({ type: "asked", kinds });
        socket.send(JSON.stringify({ type: "run", kinds }));
      }
      if (ENDS.has(message.type)) this.#end();
    };
    socket.onclose = () => {
      if (socket === this.#socket) this.#hear({ type: "broken" });
    };
  }

  cancel() {
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify({ type: "cancel" }));
    } else {
      this.#end();
      this.#hear({ type: "cancelled" });
    }
  }

  #end() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }
}
