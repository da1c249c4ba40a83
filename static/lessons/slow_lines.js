import { short } from "../page/words.js";

/**
 * The tutorial's lines with a chunk's own shapes and numbers; none where no chunk is looked at.
 * @param {Record<string, any>|null} recipe
 * @param {import("../run/state.js").Chunk|null} chunk
 * @returns {{stage: string, code: string, comment: string}[]}
 */
export function linesOf(recipe, chunk) {
  const { shortest = 1, longest = 3, samples = 10, cell = "rnn", hidden_size: units = 32 } = recipe ?? {};
  const streams = chunk?.streamIds.length ?? 1;
  const shape = (...sizes) => `(${sizes.join(", ")})`;
  const rows = streams > 1 ? "x_np[:, :, np.newaxis]" : "x_np[np.newaxis, :, np.newaxis]";
  const own = (comment) => (chunk ? comment(chunk) : "");
  const spent = ({ milliseconds }, part) => `${figure(milliseconds[part])} ms`;
  const state = cell === "lstm" ? "h, c: each" : "h_state.shape";
  /** @type {[string, string, (chunk: import("../run/state.js").Chunk) => string][]} */
  const lines = [
    ["length", `dynamic_steps = np.random.randint(${shortest}, ${longest + 1})`, ({ length }) => `${length / samples}`],
    ["length", `steps = np.linspace(start, end, ${samples} * dynamic_steps)`, ({ length }) => `len(steps) ${length}`],
    ["length", `x = torch.from_numpy(${rows})`, ({ length }) => `x.shape ${shape(streams, length, 1)}`],
    ["length", `y = torch.from_numpy(${rows.replace("x", "y")})`, ({ length }) => `y.shape ${shape(streams, length, 1)}`],
    ["forward", "prediction, h_state = rnn(x, h_state)", ({ length }) => `prediction.shape ${shape(streams, length, 1)}`],
    ["forward", "", () => `${state} ${shape(1, streams, units)}`],
    ["loss", "loss = loss_func(prediction, y)", ({ loss }) => short(loss)],
    ["backward", "optimizer.zero_grad()", () => ""],
    ["backward", "loss.backward()", (it) => `${it.nodes ?? "–"} nodes, ${spent(it, "backward")}`],
    ["optimizer", "optimizer.step()", (it) => `lr ${recipe?.learning_rate}, ${spent(it, "optimizer")}`],
    ["detach", "# !! next step is important !!", () => ""],
    [
      "detach",
      cell === "lstm" ? "h_state = tuple(part.detach() for part in h_state)" : "h_state = h_state.detach()",
      () => "",
    ],
  ];
  return lines.map(([stage, code, comment]) => ({ stage, code, comment: own(comment) })).filter(hasText);
}

function hasText({ code, comment }) {
  return code || comment;
}

/** @param {number|undefined} milliseconds */
export function figure(milliseconds) {
  if (milliseconds === undefined) return "–";
  return milliseconds < 10 ? String(Number(milliseconds.toPrecision(2))) : milliseconds.toFixed(0);
}
