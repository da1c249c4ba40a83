/**
 * The messages that `state.js` folds. docs/protocol.md has the words of the server's; here is what the page reads of them.
 * Types alone: this file is loaded by nobody.
 */

/**
 * @typedef {Record<string, any>} Recipe
 * @typedef {{after_update: number} & Record<string, any>} Change
 * @typedef {{rate: number, viewers: number}} Behind
 * @typedef {{until_update: number, versions: Record<string, string>}} Earlier
 * @typedef {{cell: string, hidden_size: number, parameters: number, text: string}} Network
 */

/**
 * One chunk as it comes, in radians; streams × T in rows.
 * @typedef {object} Update
 * @property {number} update
 * @property {number} length
 * @property {number} streams
 * @property {number[]} stream_ids
 * @property {number[][]} t
 * @property {number[][]} input
 * @property {number[][]} target
 * @property {number[][]} prediction
 * @property {number[][]} [prediction_after]
 * @property {number} loss
 * @property {number} mean_loss
 * @property {Record<string, number>} milliseconds
 * @property {string[]} [hidden]
 * @property {number[][]} [gradient]
 * @property {number} [nodes]
 */

/**
 * @typedef {object} Opened
 * @property {"opened"} type
 * @property {number} protocol
 * @property {string|number} [tag] of the `open` that it answers
 * @property {Recipe} recipe
 * @property {Change[]} [changes]
 * @property {number} update
 * @property {number} window how many updates the server may be ahead of `seen`
 * @property {Network} network
 * @property {Record<string, number|null>} [floors]
 * @property {string} [connection]
 * @property {Earlier[]} [earlier]
 * @property {Record<string, string>} [versions]
 * @property {{playing: boolean, pace: number|"max"}} [played] of a run from a file: how it went on there
 */

/**
 * @typedef {Opened
 *   | {type: "updates", updates: Update[], updates_per_second?: number|null, viewers?: number}
 *   | {type: "changed", after_update: number, [field: string]: any}
 *   | {type: "finished", update: number}
 *   | {type: "diverged", update: number, tensor: string}
 *   | {type: "checkpoint", update: number, tag?: string|number}
 *   | {type: "pong"}
 *   | {type: "error", code: string, field?: string|null, detail: string, tag?: string|number|null}} FromServer
 */

/**
 * What the page itself reports: the socket's fate and what was asked of the server.
 * @typedef {{type: "connection", status: import("./state.js").ConnectionStatus, seconds?: number, detail?: string}
 *   | {type: "recorded", recipe: Recipe, network: Network, floors: Record<string, number|null>}
 *   | {type: "kept", shown: Record<string, any>}
 *   | {type: "news", notice: import("./state.js").Notice}
 *   | {type: "opening", after?: number|null, lost?: boolean, slow?: boolean, rewound?: Recipe|null, file?: {losses: Float32Array}|null}
 *   | {type: "play"|"pause"|"dismissed"}
 *   | {type: "pace", pace: number|"max"}} FromPage
 *
 * @typedef {FromServer|FromPage} Message
 */
