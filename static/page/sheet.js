/** A dialog over the page: a title, a way out, and whatever it is opened with. It leaves the page when it closes. */

let count = 0;

/**
 * @param {import("./words.js").Words} words
 * @param {string} title
 * @param {Node[]} body
 * @param {string} [name] a class of its own, for its style and its words
 * @returns {HTMLDialogElement} shown
 */
export function openSheet(words, title, body, name = "") {
  const dialog = document.createElement("dialog");
  dialog.className = `sheet ${name}`;
  const header = document.createElement("div");
  header.className = "head";
  const heading = document.createElement("h2");
  heading.id = `sheet-${(count += 1)}`;
  heading.textContent = title;
  dialog.setAttribute("aria-labelledby", heading.id);
  const close = document.createElement("button");
  close.type = "button";
  close.className = "ghost small as-close";
  close.textContent = words.say("page.close");
  close.addEventListener("click", () => dialog.close());
  header.append(heading, close);
  const content = document.createElement("div");
  content.className = "body";
  content.append(...body);
  dialog.append(header, content);
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close()); // beside it
  dialog.addEventListener("keydown", (event) => event.stopPropagation()); // its keys are not the run's
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
