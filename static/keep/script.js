import { copyText } from "../page/clipboard.js";
import { made } from "../page/element.js";
import { openSheet } from "../page/sheet.js";
import { nameOf, save } from "./download.js";

/** The run as a PyTorch script: the server writes it from recipe and live changes, a dialog shows it to be taken away. */

const PATIENCE = 15_000; // ms
const COPIED = 2000; // ms

/** @typedef {{text: string, name: string}} Source a script and its file's name */

/** @param {{words: import("../page/words.js").Words, store: import("../run/store.js").Store}} page */
export const build = ({ words, store }) => ({ open: () => openScript(words, store.state) });

/**
 * @param {import("../page/words.js").Words} words
 * @param {import("../run/state.js").State} state of the run
 */
async function openScript(words, state) {
  const { changes, recipe } = state;
  const key = changes.length > 0 ? "script.about.changes" : "script.about";
  const equal = words.say(recipe.framework === "torch" ? "script.equal.torch" : "script.equal.compiled");
  const about = made("p", words.say(key, { count: changes.length, equal }));
  const text = made("pre");
  text.tabIndex = 0;
  text.lang = "en";
  text.setAttribute("role", "group");
  text.dataset.testid = "script-text";
  text.setAttribute("aria-label", words.say("script.title"));
  text.setAttribute("aria-busy", "true");
  const says = made("p", words.say("script.busy"));
  says.className = "caption";
  says.dataset.testid = "script-says";
  says.setAttribute("role", "status");
  const copy = button("script-copy", "primary", words.say("script.copy"));
  const download = button("script-download", "ghost", words.say("script.download"));
  const row = made("div", copy, download, says);
  row.className = "row";
  const dialog = openSheet(words, words.say("script.title"), [about, text, row], "script-sheet");
  dialog.dataset.testid = "script-dialog";

  /** @type {Source} */
  let source;
  try {
    source = await written({ recipe, changes });
  } catch (trouble) {
    says.textContent = trouble.problem ? words.refusal(trouble.problem) : words.say("predict.unreachable");
    says.classList.add("error");
    return;
  } finally {
    text.removeAttribute("aria-busy");
  }
  text.textContent = source.text;
  says.textContent = words.say("script.run", { name: source.name });
  for (const one of [copy, download]) one.disabled = false;
  copy.addEventListener("click", async () => {
    await copyText(text);
    copy.textContent = words.say("script.copied");
    setTimeout(() => (copy.textContent = words.say("script.copy")), COPIED);
  });
  download.addEventListener("click", () => save(new Blob([source.text], { type: "text/x-python" }), source.name));
}

/** @param {object} run recipe and changes @returns {Promise<Source>} @throws {Error} with the server's `problem`, if it has one */
async function written(run) {
  const answer = await fetch(new URL("script", document.baseURI), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(run),
    signal: AbortSignal.timeout(PATIENCE),
  });
  if (!answer.ok) throw Object.assign(new Error("refused"), { problem: await answer.json() });
  const name = nameOf(answer) ?? "unrolled.py";
  return { text: await answer.text(), name };
}

function button(testid, className, text) {
  const element = made("button", text);
  element.type = "button";
  element.className = className;
  element.dataset.testid = testid;
  element.disabled = true;
  return element;
}
