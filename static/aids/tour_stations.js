/**
 * What the tour stops at. Words are `tour.<name>.title`, `.text`, `.ask`, `.1` to `.3` and `.why`.
 * @typedef {object} Station
 * @property {string} name
 * @property {string} at a selector of what it points at
 * @property {Record<string, any>} recipe of its run; fields left out take their defaults, the seed is 1
 * @property {boolean} [torchOnly] whether what it points at is there only where PyTorch runs
 * @property {number} pace updates per second
 * @property {number} right the number of the right choice
 * @property {Record<string, any>} [then] a live change, made once the answer is told
 * @property {boolean} [picture] whether the card shows the tutorial's first picture
 */

/** @type {Station[]} */
export const STATIONS = [
  { name: "picture", at: "#wave-panel", recipe: {}, pace: 4, right: 3, picture: true },
  { name: "lengths", at: "#wave-panel .printed", recipe: { framework: "torch" }, pace: 2, right: 3 },
  { name: "state", at: "#lane-state", recipe: { carry_state: false }, pace: 4, right: 1, then: { carry_state: true } },
  { name: "gradient", at: "#lane-gradient", recipe: { framework: "torch" }, pace: 4, right: 2 },
  { name: "floors", at: "#loss-panel", recipe: {}, pace: 20, right: 1 },
  {
    name: "microscope",
    at: "#microscope",
    recipe: { carry_state: false, learning_rate: 0.01 }, // twice that, and what the switch upsets may stay so for a minute
    pace: 20,
    right: 3,
    then: { carry_state: true },
  },
  { name: "odometer", at: "#odometer", recipe: { framework: "torch", longest: 6 }, torchOnly: true, pace: 1, right: 2 },
  { name: "diverge", at: "#wave-panel .stage", recipe: { optimizer: "sgd", learning_rate: 0.3 }, pace: 10, right: 3 },
];
