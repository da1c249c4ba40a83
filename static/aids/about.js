import { elements, infoIcon } from "../page/element.js";

/**
 * What every panel and every control is and what to look for, two sentences each: the words `about.panel.<panel>`
 * and `about.<control>`. A panel's ⓘ opens one list of its own words and its controls'; each control is described
 * by its sentences too. The recipe's fields have an ⓘ of their own, in field.js.
 */

/** Where a control is found, and the name of its words. What stands around it counts too: the first that fits. */
const CONTROLS = [
  ["#play", "play"],
  ["#step", "step"],
  ["#reset", "reset"],
  ["#new-seed", "new_seed"],
  ["#pace", "pace"],
  ["#keep-open", "keep_open"],
  ["#link", "link"],
  ["#tour", "tour"],
  ["[data-language]", "language"],
  ["#theme", "theme"],
  [".masthead a[href='docs']", "api"],
  ["#help", "help"],
  ["#recipe > summary", "fold"],
  ["#show-input", "show_input"],
  ["#jump", "jump"],
  ["#notice button", "notice"],
  ["#twin", "panel.twin"],
  ["#engine-beside", "engine_beside"],
  [".modebar-btn", "modebar"],
  ["#onnx", "onnx"],
  ["#slow-start", "slow_start"],
  ["#slow-torch", "slow_torch"],
  ["#slow-back", "slow_back"],
  ["#slow-hold", "slow_hold"],
  ["#slow-on", "slow_on"],
  ["#slow-leave", "slow_leave"],
  ["#slow-stages", "slow_stage"],
  ["#detach-switch", "detach_switch"],
  ["#detach-replay", "detach_replay"],
  ["#detach-cards", "detach_card"],
  ["#keep-save", "keep_save"],
  ["#keep-load", "keep_load"],
  ["#keep-use", "keep_use"],
  ["#keep-csv", "keep_csv"],
  ["#keep-json", "keep_json"],
  ["#keep-animation", "keep_animation"],
  ["#receipt-save", "receipt_save"],
  ["#receipt-replay", "receipt_replay"],
  ["#receipt-file", "receipt_file"],
  ["#receipt-cancel", "receipt_cancel"],
  ["[data-testid=earlier-continue]", "earlier_continue"],
  ["[data-testid=earlier-forget]", "earlier_forget"],
  ["#earlier", "earlier"],
  ["#predict-model", "predict_model"],
  ["#predict-form [role=radiogroup]", "source"],
  ["#samples", "samples"],
  ["#interval", "interval"],
  ["#phase", "phase"],
  ["#numbers", "numbers"],
  ["#carry", "carry"],
  ["#predict-go", "predict_go"],
  ["#copy", "copy"],
  ["#pad-pen", "pad_pen"],
  ["#pad-auto", "pad_auto"],
  ["#pad-clear", "pad_clear"],
  ["#graphs-run", "graphs_run"],
  ["#graphs-cancel", "graphs_cancel"],
  ["#graphs-view", "graphs_view"],
  ["#graphs-table", "graphs_kind"],
  ["#share-address", "share_address"],
  ["[data-testid=share-copy]", "share_copy"],
  [".share-panels", "share_show"],
  ["[data-testid=script-copy]", "script_copy"],
  ["[data-testid=script-download]", "script_download"],
  ["#share-tour", "share_tour"],
];
const ID = "about-of-";
const CONTROL = "button, input, select, textarea, summary, a[href], [role=switch], canvas[tabindex]";
/** What has a list: every panel, the dialogs that have controls, and the title bar, whose list is in the help. */
const HOST = "[data-panel], dialog.share, dialog.script-sheet, .masthead";
const HEAD = ":scope > :is(.panel-head, .share-head, .head) :is(h2, h3)";
const GAP = 8; // px between an ⓘ and what it opens
const NARROW = matchMedia("(max-width: 860px)");

/** @param {Element} control @returns {string|null} the name of its words; a part of its own says it as `data-about` */
export function wordsOf(control) {
  /** @type {HTMLElement|null} */
  const own = control.closest("[data-about], [data-preset]");
  if (own) return own.dataset.about ?? `preset.${own.dataset.preset}`;
  return CONTROLS.find(([selector]) => control.closest(selector))?.[1] ?? null;
}

export class About {
  #words;
  #lists = new Map();

  /** @param {import("../page/words.js").Words} words */
  constructor(words) {
    this.#words = words;
    for (const panel of elements("[data-panel]")) this.#open(panel);
    const masthead = document.querySelector(".masthead");
    this.#lists.set(masthead, { list: hidden(masthead), button: null, drawn: "" });
    // a part of the page that is built late, or builds anew, gets its words when someone comes to it
    document.addEventListener("focusin", (event) => {
      const target = /** @type {Element} */ (event.target);
      const host = target.closest(HOST);
      if (!host || !target.matches(CONTROL)) return;
      if (!this.#lists.has(host)) this.#open(host);
      if (!target.getAttribute("aria-describedby")?.includes(ID)) this.#fill(host);
    });
    document.addEventListener("built", ({ target }) => this.#fill(/** @type {Element} */ (target).closest(HOST)));
    const sight = new IntersectionObserver((changes) => {
      for (const { target, isIntersecting } of changes) if (isIntersecting) this.#fill(target);
    });
    for (const host of this.#lists.keys()) sight.observe(host);
    this.relabel();
  }

  relabel() {
    for (const host of this.#lists.keys()) {
      if (host.isConnected) this.#fill(host, true);
      else this.#lists.delete(host); // a dialog that was closed
    }
  }

  /**
   * Writes the list of a part of the page that has no ⓘ of its own.
   * @param {Element} host
   * @param {HTMLElement} list
   */
  show(host, list) {
    const controls = this.#controls(host);
    list.replaceChildren(...listed([...controls].map(([name, [first]]) => this.#item(name, first, `shown-${name}`))));
  }

  /** The ⓘ beside a panel's name, and the list that it opens. */
  #open(panel) {
    const name = panelOf(panel);
    const list = document.createElement("div");
    list.className = "about-list";
    list.id = `about-${name}`;
    list.popover = "auto";
    list.tabIndex = 0;
    list.setAttribute("role", "group");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "about-button";
    button.dataset.aboutOf = name;
    button.innerHTML = infoIcon();
    button.popoverTargetElement = list;
    const place = () => placed(list, button);
    list.addEventListener("beforetoggle", ({ newState }) => {
      if (newState !== "open") return removeEventListener("scroll", place);
      this.#fill(panel);
      place();
      return addEventListener("scroll", place, { passive: true });
    });
    list.addEventListener("toggle", place);
    const head = panel.querySelector(HEAD);
    if (head) head.after(button, list);
    else if (panel.matches("details")) panel.before(button, list); // its summary is a control already
    else panel.append(button, list);
    this.#lists.set(panel, { list, button, drawn: "" });
  }

  /** Writes a list again where it says something else by now, and describes each control by its words. */
  #fill(host, anyway = false) {
    const entry = this.#lists.get(host);
    if (!entry || !this.#words.ready) return;
    const controls = this.#controls(host);
    const panel = entry.button && panelOf(host);
    const drawn = [...controls.keys()].join();
    if (anyway || drawn !== entry.drawn) {
      entry.drawn = drawn;
      const title = panel && this.#name(host, panel);
      const items = [...controls].map(([name, [first]]) => this.#item(name, first));
      entry.list.replaceChildren(...(panel ? [this.#own(title, panel)] : []), ...listed(items));
      if (panel) {
        entry.list.setAttribute("aria-label", this.#words.say("about.about", { name: title }));
        entry.button.setAttribute("aria-label", this.#words.say("about.about", { name: title }));
      }
    }
    for (const [name, elements] of controls) for (const element of elements) describe(element, idOf(name));
  }

  /** @returns {Map<string, Element[]>} the controls of a host and of nothing inside it, by the name of their words */
  #controls(host) {
    const found = new Map();
    for (const control of host.querySelectorAll(CONTROL)) {
      const name = control.closest(HOST) === host && !control.closest("[popover]") && wordsOf(control);
      if (name) found.set(name, [...(found.get(name) ?? []), control]);
    }
    return found;
  }

  #name(host, panel) {
    const head = host.querySelector(`${HEAD}, :scope > summary h2`);
    return head?.textContent ?? host.getAttribute("aria-label") ?? panel;
  }

  #own(title, panel) {
    const text = document.createElement("p");
    const strong = document.createElement("strong");
    strong.textContent = title;
    const said = document.createElement("span");
    said.dataset.says = `panel.${panel}`;
    said.textContent = this.#words.say(`about.panel.${panel}`);
    text.append(strong, " ", said);
    return text;
  }

  #item(name, control, id = idOf(name)) {
    const item = document.createElement("div");
    const term = document.createElement("dt");
    term.textContent = this.#words.sayOr(`about.${name}.name`, nameOf(control));
    const text = document.createElement("dd");
    text.id = id;
    text.dataset.says = name;
    text.textContent = this.#words.say(`about.${name}`);
    item.append(term, text);
    return item;
  }
}

const idOf = (name) => `${ID}${name}`;
const panelOf = (host) => host.dataset.panel ?? (host.matches(".share") ? "share" : "script");

/** A list that nobody sees: its sentences describe controls to those who hear the page. */
function hidden(host) {
  const list = document.createElement("div");
  list.hidden = true;
  host.append(list);
  return list;
}

function listed(items) {
  if (items.length === 0) return [];
  const list = document.createElement("dl");
  list.append(...items);
  return [list];
}

/** Adds a description to those that a control has. */
function describe(control, id) {
  const before = (control.getAttribute("aria-describedby") ?? "").split(" ").filter(Boolean);
  if (!before.includes(id)) control.setAttribute("aria-describedby", [...before, id].join(" "));
}

/** What a control is called on the page. */
function nameOf(control) {
  const group = control.closest("[role=radiogroup], [role=group][aria-label]");
  if (group && control.matches("[type=radio], [data-language]")) return group.getAttribute("aria-label");
  const label = control.labels?.[0]?.querySelector("span") ?? control.labels?.[0];
  const inside = control.querySelector("h2, :scope > span");
  return control.getAttribute("aria-label") || (label ?? inside ?? control).textContent.trim();
}

/** Under its ⓘ, or over it where there is more room; on a narrow screen the stylesheet places it. */
function placed(list, button) {
  const { style } = list;
  if (NARROW.matches) {
    style.cssText = "";
    return;
  }
  const at = button.getBoundingClientRect();
  const width = list.offsetWidth || 400;
  const left = Math.max(GAP, Math.min(at.left - GAP, innerWidth - width - 2 * GAP));
  const [above, below] = [at.top - GAP, innerHeight - at.bottom - GAP];
  style.left = `${left}px`;
  style.top = below >= Math.min(above, 320) ? `${at.bottom + GAP / 2}px` : "auto";
  style.bottom = style.top === "auto" ? `${innerHeight - at.top + GAP / 2}px` : "auto";
  style.maxHeight = `${Math.max(120, (style.top === "auto" ? above : below) - GAP)}px`;
}
