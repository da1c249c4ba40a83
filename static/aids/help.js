import { made } from "../page/element.js";
import { openSheet } from "../page/sheet.js";

/** What the page is, its keys, and what the buttons above it do. */

/** Keys as they are printed, and the words of what they do. @type {[string[], string][]} */
const KEYS = [
  [["space"], "play"],
  [["→"], "step"],
  [["R"], "reset"],
  [["D"], "new_seed"],
  [["S"], "slow"],
  [["[", "]"], "pace"],
  [["T"], "tour"],
  [["?"], "help"],
  [["Esc"], "close"],
];

/**
 * @param {import("../page/words.js").Words} words
 * @param {import("./about.js").About} about
 * @param {string|null} connectionName what the server's log calls the newest connection, if there was one
 */
export function openHelp(words, about, connectionName) {
  const keys = made("dl");
  keys.className = "keys";
  for (const [caps, name] of KEYS) {
    const printed = caps.map((cap) => made("kbd", cap === "space" ? words.say("help.space") : cap));
    keys.append(made("div", made("dt", ...printed.flatMap((cap) => [cap, " "])), made("dd", words.say(`help.key.${name}`))));
  }
  const bar = made("div");
  bar.className = "about-list";
  const sections = [
    made("p", words.say("help.what")),
    made("section", made("h3", words.say("help.keys")), keys),
    made("section", made("h3", words.say("help.bar")), bar),
    ...(connectionName ? [made("p", words.say("help.connection", { name: connectionName }))] : []),
  ];
  openSheet(words, words.say("help.title"), sections);
  about.show(document.querySelector(".masthead"), bar);
}
