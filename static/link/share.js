import { copyText } from "../page/clipboard.js";
import { make } from "../page/element.js";
import { throttled } from "../page/throttle.js";

/** The dialog of the link: its address to copy, its code for the projector, and what of the page it shows. */

const CODE_EVERY = 500; // ms at most, while the link changes under an open dialog
const COPIED = 1600; // ms that the button says so
const MOST = 2000; // characters of an address that the server draws

/**
 * @param {object} page
 * @param {import("../page/words.js").Words} page.words
 * @param {import("./address.js").AddressBar} page.bar
 * @param {import("./hiding.js").Hiding} page.hiding
 * @param {() => void} page.redraw
 */
export const build = ({ words, bar, hiding, redraw }) => new Share(words, bar, hiding, redraw);

export class Share {
  #words;
  #bar;
  #hiding;
  #at;
  #url = "";
  #picture = "";
  #draw = throttled(CODE_EVERY, (url) => this.#drawCode(url));

  /**
   * @param {import("../page/words.js").Words} words
   * @param {import("./address.js").AddressBar} bar
   * @param {import("./hiding.js").Hiding} hiding
   * @param {() => void} redraw
   */
  constructor(words, bar, hiding, redraw) {
    this.#words = words;
    this.#bar = bar;
    this.#hiding = hiding;
    this.#at = parts();
    const { dialog, close, copy, tour } = this.#at;
    dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
    close.addEventListener("click", () => dialog.close());
    copy.addEventListener("click", () => this.#copy());
    tour.addEventListener("change", () => {
      bar.tour = tour.checked ? 1 : null;
      this.draw();
      redraw(); // a run that rests draws nothing by itself, and the address would stay behind
    });
    document.body.append(dialog);
  }

  open() {
    const { dialog, address, image } = this.#at;
    this.#url = "";
    this.#list();
    this.#words.relabel(dialog);
    image.alt = this.#words.say("link.qr");
    dialog.showModal();
    this.draw();
    address.select();
  }

  /** Follows the link while the dialog is open. */
  draw() {
    const { dialog, address, tour } = this.#at;
    const { url } = this.#bar;
    if (!dialog.open || url === this.#url) return;
    this.#url = url;
    address.value = url;
    tour.checked = this.#bar.tour !== null;
    this.#draw(url);
  }

  /** One box for each panel, in the order and the words of the page. */
  #list() {
    const boxes = this.#hiding.panels.map(({ name, element }) => {
      const [label, box] = checkbox(`show-${name}`);
      label.lastChild.textContent = titleOf(element);
      box.checked = !this.#hiding.names.includes(name);
      box.addEventListener("change", () => {
        this.#hiding.show(name, box.checked);
        this.draw();
      });
      return label;
    });
    this.#at.panels.replaceChildren(...boxes);
  }

  async #drawCode(url) {
    const { image, failed } = this.#at;
    if (url.length > MOST) {
      this.#fail(this.#words.say("link.qr.long", { most: MOST, length: url.length }));
      return;
    }
    try {
      const headers = { "Content-Type": "application/json" };
      const body = JSON.stringify({ text: url });
      const answer = await fetch(new URL("qr", document.baseURI), { method: "POST", headers, body });
      if (url !== this.#url) return;
      if (!answer.ok) {
        this.#fail(this.#words.refusal(await answer.json()));
        return;
      }
      const picture = URL.createObjectURL(await answer.blob());
      URL.revokeObjectURL(this.#picture);
      this.#picture = picture;
      image.src = picture;
      image.hidden = false;
      failed.hidden = true;
    } catch {
      this.#fail(this.#words.say("predict.unreachable"));
    }
  }

  #fail(why) {
    const { image, failed } = this.#at;
    image.hidden = true;
    failed.hidden = false;
    failed.textContent = this.#words.say("link.qr.failed", { why });
  }

  async #copy() {
    const { address, copy } = this.#at;
    await copyText(address);
    copy.textContent = this.#words.say("link.copied");
    setTimeout(() => (copy.textContent = this.#words.say("link.copy")), COPIED);
  }
}

function titleOf(panel) {
  return panel.querySelector("h2, h3")?.textContent.trim() || panel.getAttribute("aria-label");
}

/** @returns {[HTMLLabelElement, HTMLInputElement]} */
function checkbox(id, say) {
  const box = make("input", { type: "checkbox", id, "data-testid": id });
  return [make("label", { class: "check" }, box, make("span", { say })), box];
}

function parts() {
  const close = make("button", { type: "button", class: "ghost small", "data-testid": "share-close", say: "page.close" });
  const image = make("img", { "data-testid": "share-code", hidden: "" });
  const failed = make("p", { class: "error", role: "alert", hidden: "" });
  const address = make("input", { id: "share-address", class: "box", readonly: "", "data-testid": "share-address" });
  const copy = make("button", { type: "button", class: "primary", "data-testid": "share-copy", say: "link.copy" });
  const panels = make("div");
  const [tourLabel, tour] = checkbox("share-tour", "link.tour");
  const field = make(
    "div",
    { class: "share-address" },
    make("label", { for: "share-address", say: "link.address" }),
    make("div", { class: "row" }, address, copy),
    make("p", { class: "caption", say: "link.about" }),
  );
  const shown = make("fieldset", { class: "share-panels" }, make("legend", { say: "link.show" }), panels);
  const code = make("div", { class: "share-code" }, image, failed);
  const dialog = make(
    "dialog",
    { class: "share", "data-testid": "share", "aria-labelledby": "share-title" },
    make("div", { class: "share-head" }, make("h2", { id: "share-title", say: "link.title" }), close),
    make("div", { class: "share-body" }, code, make("div", { class: "share-side" }, field, shown, tourLabel)),
  );
  return { dialog, close, image, failed, address, copy, panels, tour };
}
