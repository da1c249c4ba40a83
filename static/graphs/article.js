import { duration, figures, share } from "./figures.js";

/**
 * What the recording shows, in a few paragraphs. A sentence is there only if the numbers bear it out, and every number
 * in it comes from the recording: a new one may shorten the article but cannot make it false.
 */

/** @typedef {import("./state.js").Recording} Recording */
/** @typedef {{heading: string, paragraphs: string[]}} Part keys with their values said already */

/**
 * @param {Recording} recording @param {import("../page/words.js").Words} words
 * @returns {Part[]}
 */
export function article(recording, words) {
  const facts = new Facts(recording);
  const say = (key, values) => words.say(`graphs.article.${key}`, values);
  const parts = { then: then(facts), now: now(facts), still: still(facts, words) };
  return Object.entries(parts).map(([part, sentences]) => ({
    heading: say(part),
    paragraphs: sentences
      .map((paragraph) => paragraph.filter(Boolean).map(([key, values]) => say(key, values)))
      .filter((paragraph) => paragraph.length > 0)
      .map((paragraph) => paragraph.join(words.language === "zh" ? "" : " ")),
  }));
}

/** What is asked of the recording. */
class Facts {
  /** @param {Recording} recording */
  constructor({ chunks, rows }) {
    this.chunks = chunks;
    this.shapes = new Set(chunks.map(({ length, streams }) => `${length} ${streams}`)).size;
    this.lengths = new Set(chunks.map(({ length }) => length)).size;
    this.rows = rows;
  }

  /** @returns {Omit<import("./state.js").Row, "graphs"> & import("./figures.js").Figures | null} a row that ran */
  of(kind) {
    const ran = ({ status, seconds }) => status === "done" && seconds.some(Number.isFinite);
    const row = this.rows.find((one) => one.kind === kind && ran(one));
    return row ? { ...row, ...figures(row, this.chunks) } : null;
  }

  /** @returns {number[]} the chunks that failed */
  failed({ seconds }) {
    return this.chunks.map((_, i) => i).filter((i) => seconds[i] === null);
  }
}

function then(facts) {
  const v1 = facts.of("tensorflow_v1");
  const eager = facts.of("eager_steps");
  const failed = v1 ? facts.failed(v1) : [];
  const many = facts.chunks.filter(({ streams }) => streams > 1).length;
  const onlyBatches = failed.length > 0 && failed.every((i) => facts.chunks[i].streams > 1);
  const error = v1?.errors.find(({ chunks }) => chunks.includes(failed[0]))?.text;
  return [
    [["quote", {}], v1 && v1.graphs === 1 && onlyBatches && ["reverse", { lengths: facts.lengths }]],
    [
      onlyBatches && [
        failed.length === many ? "batch.all" : "batch",
        { failed: failed.length, many, error: firstLine(error) },
      ],
    ],
    [
      eager?.failed === 0 && ["eager", { count: facts.chunks.length, shapes: facts.shapes }],
      eager?.failed === 0 && ["eager.times", { median: duration(eager.median), slowest: duration(eager.slowest) }],
    ],
  ];
}

function now(facts) {
  const traced = facts.of("tf_function");
  const once = facts.of("tf_function_signature");
  const fixed = facts.of("compile_static");
  const free = facts.of("compile_dynamic");
  const onnx = facts.of("export_onnx");
  const eager = facts.of("eager");
  const refused = onnx?.errors.find(({ chunks }) => chunks.length === 0);
  const dear = fixed?.graphs > 1 && eager && fixed.total > 2 * eager.total;
  const limit = fixed?.notes.some((note) => note.includes("recompile_limit"));
  return [
    [
      traced?.graphs > 1 && [
        "traced",
        { graphs: traced.graphs, shapes: facts.shapes, slowest: duration(traced.slowest) },
      ],
      once?.graphs === 1 && once.failed === 0 && ["signature", { median: duration(once.median) }],
    ],
    [
      fixed?.graphs > 1 && ["compiled", { graphs: fixed.graphs, slowest: duration(fixed.slowest) }],
      limit && ["limit", {}],
      dear && ["compiled.total", { total: duration(fixed.total), eager: duration(eager.total) }],
      free && [free.graphs > 1 ? "dynamic" : "dynamic.once", { graphs: free.graphs }],
    ],
    [
      refused && ["refused", { error: constant(refused.text) }],
      onnx?.failed === 0 && [
        "onnx",
        { setup: duration(onnx.setup), median: duration(onnx.median), slowest: duration(onnx.slowest) },
      ],
    ],
  ];
}

function still(facts, words) {
  const padded = facts.of("padded");
  const eager = facts.of("eager");
  const training = facts.rows.filter(({ trains }) => trains).map(({ kind }) => facts.of(kind));
  const whole = training.filter((row) => row?.failed === 0);
  const best = whole.toSorted((one, other) => one.median - other.median)[0];
  const slower = padded && eager && padded.median > eager.median;
  return [
    [["deploy", {}]],
    [
      padded?.wasted > 0 && ["padded", { wasted: share(padded.wasted) }],
      slower && ["padded.slower", { padded: duration(padded.median), eager: duration(eager.median) }],
    ],
    [
      ["unmeasured", {}],
      best && ["best", { kind: words.say(`graphs.kind.${best.kind}`), median: duration(best.median) }],
    ],
  ];
}

function firstLine(text) {
  return text.split("\n")[0].slice(0, 160);
}

/** The sentence of a long refusal that gives the reason, else its first. */
function constant(text) {
  const line = text.split("\n").find((one) => one.includes("constant")) ?? text;
  return firstLine(line.replace(/^[\s-]+/, "")).split(". ")[0];
}
