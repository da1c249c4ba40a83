import { make } from "../page/element.js";

/** A file dropped anywhere on the page: while one is dragged over it, the page says what would come of it. */

const hasFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files") === true;

/** @param {{words: import("../page/words.js").Words, panels: import("../page/panels.js").Panels}} page */
export function build({ words, panels }) {
  /** Why it was not taken, or null. @param {File} file @returns {Promise<import("./keep.js").Outcome|null>} */
  const take = async (file) => (await panels.get("keep")).take(file);
  const target = make("div", { class: "drop", popover: "manual", "data-testid": "drop" }, make("p", { say: "keep.drop" }));
  const text = make("p");
  const close = make("button", { type: "button", class: "ghost small as-close", say: "page.close" });
  const says = make("div", { class: "toast drop-says", role: "alert", "data-testid": "drop-says", hidden: "" }, text, close);
  close.addEventListener("click", () => (says.hidden = true));
  document.body.append(target, says);
  const hide = () => target.hidePopover();
  const show = () => {
    if (target.matches(":popover-open")) return;
    words.relabel(target);
    target.showPopover(); // above a dialog too
  };

  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault(); // else the browser would leave the page for the file
    event.dataTransfer.dropEffect = "copy";
    show();
  });
  document.addEventListener("dragleave", ({ relatedTarget }) => relatedTarget === null && hide()); // out of the window
  document.addEventListener("drop", async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    hide();
    const [file, another] = event.dataTransfer.files;
    if (!file) return;
    const sentence = another ? words.say("keep.wrong.several") : (await take(file))?.sentence();
    says.hidden = !sentence;
    words.relabel(says);
    text.textContent = sentence ?? ""; // wherever on the page the reader is
  });
  return {};
}
