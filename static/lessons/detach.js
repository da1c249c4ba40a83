import { setText } from "../page/element.js";

/**
 * "The next step is important": the detach left out, on the server, in a sandbox. The graph grows chunk by chunk, then
 * PyTorch says why it will not go on.
 */

const BEAT = 600; // ms between two chunks
const READ = 2400; // ms for an error to be read
const ACTS = ["detached", "only_forward", "second_backward", "retain_graph", "without_step"];

/** The tutorial's loop as an act writes it: what is struck out, and what is added. */
const LOOP = [
  { code: "prediction, h_state = rnn(x, h_state)" },
  { code: "# !! next step is important !!" },
  { code: "h_state = h_state.detach()", only: "detach" },
  { code: "loss = loss_func(prediction, y)" },
  { code: "optimizer.zero_grad()", only: "backward" },
  { code: "loss.backward(", added: "retain_graph=True", end: ")", only: "backward" },
  { code: "optimizer.step()", only: "step" },
];

/** @param {{store: import("../run/store.js").Store, words: import("../page/words.js").Words}} page */
export const build = ({ store, words }) => new Detach(store, words);

export class Detach {
  #store;
  #words;
  #at;
  #cards;
  #answer = null;
  /** What the answer is to. */
  #asked = "";
  /** How many chunks of each act are shown. */
  #shown = ACTS.map(() => 0);
  #act = 0;
  #timer = 0;
  #trouble = "";
  #waiting = false;
  #drawn = "";
  #still = matchMedia("(prefers-reduced-motion: reduce)");

  /**
   * @param {import("../run/store.js").Store} store
   * @param {import("../page/words.js").Words} words
   */
  constructor(store, words) {
    this.#store = store;
    this.#words = words;
    const ids = ["switch", "replay", "code", "cards", "says"];
    this.#at = Object.fromEntries(ids.map((id) => [id, document.getElementById(`detach-${id}`)]));
    this.#cards = ACTS.map((name, at) => new Card(name, () => this.#look(at)));
    this.#at.cards.append(...this.#cards.map(({ element }) => element));
    this.#at.switch.addEventListener("change", () => this.#switched());
    this.#at.replay.addEventListener("click", () => this.#play());
  }

  /** @param {import("../run/state.js").State} state */
  draw(state) {
    const { framework } = state.current ?? {};
    const key = [framework, this.#words.language].join();
    if (key === this.#drawn) return;
    this.#drawn = key;
    this.#at.switch.disabled = !framework || framework === "tensorflow";
    this.#show();
  }

  get #off() {
    return !this.#at.switch.checked;
  }

  async #switched() {
    clearTimeout(this.#timer);
    this.#trouble = "";
    this.#act = 0;
    this.#shown = ACTS.map(() => 0);
    if (this.#off) await this.#ask();
    if (this.#off && this.#answer) this.#play();
    else if (this.#answer) this.#finish(0);
    this.#show();
  }

  async #ask() {
    const { current } = this.#store.state;
    const body = JSON.stringify({ recipe: { ...current, framework: "torch" } });
    if (this.#answer && body === this.#asked) return;
    this.#answer = null;
    this.#waiting = true;
    this.#show();
    const answer = await this.#post(body);
    this.#waiting = false;
    if (!answer) this.#at.switch.checked = true;
    this.#asked = body;
    this.#answer = answer;
  }

  async #post(body) {
    const headers = { "Content-Type": "application/json" };
    try {
      const response = await fetch(new URL("lessons/detach", document.baseURI), { method: "POST", headers, body });
      const answer = await response.json();
      if (response.ok) return answer;
      this.#trouble = this.#words.refusal(answer);
    } catch {
      this.#trouble = this.#words.say("detach.unreachable");
    }
    return null;
  }

  /** What the act with the detach makes is there at once; the others come chunk by chunk. */
  #play() {
    clearTimeout(this.#timer);
    this.#shown = ACTS.map(() => 0);
    this.#finish(0);
    if (this.#still.matches) {
      ACTS.forEach((_, at) => this.#finish(at));
      this.#act = 2;
      this.#show();
      return;
    }
    this.#act = 1;
    this.#show();
    this.#timer = setTimeout(() => this.#beat(), BEAT);
  }

  #beat() {
    const chunks = this.#chunksOf(this.#act);
    let wait = BEAT;
    if (this.#shown[this.#act] < chunks.length) this.#shown[this.#act] += 1;
    else if (this.#act < ACTS.length - 1) this.#act += 1;
    else return;
    const whole = this.#shown[this.#act] === chunks.length;
    if (whole) wait = chunks[chunks.length - 1].error ? READ : 2 * BEAT;
    this.#show();
    this.#timer = setTimeout(() => this.#beat(), wait);
  }

  /** An act that was chosen by hand is shown whole, and nothing goes on by itself. */
  #look(at) {
    if (!this.#answer || (!this.#off && at > 0)) return;
    clearTimeout(this.#timer);
    if (this.#off) ACTS.forEach((_, each) => this.#finish(each));
    this.#act = at;
    this.#show();
  }

  #finish(at) {
    this.#shown[at] = this.#chunksOf(at).length;
  }

  #chunksOf(at) {
    return this.#answer?.acts[at].chunks ?? [];
  }

  #show() {
    const { replay, says, code } = this.#at;
    const played = this.#off && this.#answer !== null;
    replay.hidden = !played;
    const sentence = this.#sentence(played);
    setText(says, sentence);
    says.classList.toggle("error", this.#trouble !== "");
    code.replaceChildren(...this.#lines());
    const most = Math.max(1, ...(this.#answer?.acts ?? []).flatMap(({ chunks }) => chunks.map(({ nodes }) => nodes)));
    this.#cards.forEach((card, at) => {
      const there = this.#answer !== null && (at === 0 || (this.#off && (this.#shown[at] > 0 || at <= this.#act)));
      card.show(this.#words, there ? this.#answer.acts : null, this.#shown[at], most, at === this.#act);
    });
  }

  #sentence(played) {
    const say = (key, values) => this.#words.say(`detach.${key}`, values);
    if (this.#store.state.current?.framework === "tensorflow") return say("tensorflow");
    if (this.#trouble) return this.#trouble;
    if (this.#waiting) return say("waiting");
    if (!played) return say("on");
    if (this.#shown.some((count, at) => count < this.#chunksOf(at).length)) return say("off");
    const { recipe, torch } = this.#answer;
    const { fewest_streams: fewest, most_streams: most } = JSON.parse(this.#asked).recipe;
    const ran = say(fewest === most ? "ran" : "ran.one", { cell: recipe.cell, units: recipe.hidden_size, torch });
    const aside = this.#store.state.current?.framework === "compiled" ? say("ran.aside") : "";
    return `${say("so")} ${ran} ${aside}`.trim();
  }

  #lines() {
    const act = this.#answer?.acts[this.#act] ?? null;
    const flags = act ?? { detach: !this.#off, backward: true, step: true, retain_graph: false };
    return LOOP.map(({ code, added, end = "", only }) => {
      const line = document.createElement("span");
      line.className = "line";
      const out = only && !flags[only];
      const inner = out ? document.createElement("del") : line;
      inner.append(code);
      if (added && flags.retain_graph) {
        const more = document.createElement("ins");
        more.textContent = added;
        inner.append(more);
      }
      inner.append(end);
      if (out) line.append(inner);
      return line;
    });
  }
}

/** One act: what is written, a bar for each chunk as tall as its graph, what follows, and PyTorch's words. */
class Card {
  #name;
  #button;
  #bars;
  #says;
  #error;

  constructor(name, onChosen) {
    this.#name = name;
    this.element = document.createElement("li");
    this.element.dataset.act = name;
    this.#button = document.createElement("button");
    this.#button.type = "button";
    this.#button.addEventListener("click", onChosen);
    this.#bars = document.createElement("div");
    this.#bars.className = "detach-bars";
    this.#bars.setAttribute("role", "img");
    this.#says = document.createElement("p");
    this.#says.className = "caption";
    this.#error = document.createElement("pre");
    this.#error.tabIndex = 0;
    this.#error.setAttribute("role", "group");
    this.#error.hidden = true;
    this.element.append(this.#button, this.#bars, this.#says, this.#error);
  }

  /**
   * @param {import("../page/words.js").Words} words
   * @param {Record<string, any>[]|null} acts null where this one is not to be seen yet
   * @param {number} count of its chunks that are shown
   * @param {number} most nodes that any act's graph has
   * @param {boolean} chosen
   */
  show(words, acts, count, most, chosen) {
    const say = (key, values) => words.say(`detach.${key}`, values);
    this.element.classList.toggle("chosen", chosen && acts !== null);
    this.element.classList.toggle("unseen", acts === null);
    this.#button.textContent = say(`act.${this.#name}`);
    this.#button.disabled = acts === null;
    this.#button.setAttribute("aria-pressed", String(chosen && acts !== null));
    const { chunks } = acts?.find(({ name }) => name === this.#name) ?? { chunks: [] };
    const shown = acts ? chunks.slice(0, count) : [];
    this.#draw(shown, most);
    this.#bars.setAttribute("aria-label", say("bars", { nodes: shown.map(({ nodes }) => nodes).join(", ") || "–" }));
    const whole = shown.length > 0 && shown.length === chunks.length;
    this.#says.textContent = whole ? say(`says.${this.#name}`, this.#values(acts, chunks)) : "";
    const error = whole ? chunks[chunks.length - 1].error : null;
    this.#error.hidden = !error;
    this.#error.setAttribute("aria-label", say("error"));
    setText(this.#error, error ?? "");
  }

  #values(acts, chunks) {
    const ms = (tried) => (tried.milliseconds.backward ?? 0).toFixed(1);
    const last = chunks[chunks.length - 1];
    const alone = acts[0].chunks[chunks.length - 1].nodes;
    return { first: ms(chunks[0]), last: ms(last), nodes: last.nodes, count: chunks.length, alone };
  }

  #draw(chunks, most) {
    while (this.#bars.children.length > chunks.length) this.#bars.lastChild.remove();
    while (this.#bars.children.length < chunks.length) {
      const bar = document.createElement("span");
      bar.append(document.createElement("b"), document.createElement("i"));
      this.#bars.append(bar);
    }
    chunks.forEach(({ nodes, error }, at) => {
      const bar = this.#bars.children[at];
      bar.classList.toggle("failed", Boolean(error));
      bar.firstChild.textContent = counted(nodes) + (error ? " ×" : "");
      bar.lastChild.style.height = `${(100 * nodes) / most}%`;
    });
  }
}

/** A count in at most four characters and a point. */
function counted(nodes) {
  return nodes < 10_000 ? String(nodes) : `${(nodes / 1000).toFixed(1)}k`;
}
