/**
 * What a server allows, as far as the page must know it before one has answered, or between its answers: a link is read
 * while there is none, and the window of another pace than the opened one is never told. A test holds each of these to
 * the server's own.
 */

/** Updates per second that can be asked for, beside "max". */
export const PACE = { slowest: 0.2, fastest: 60 };
export const DEFAULT_PACE = 20;
/** Live changes in a run's log. */
export const MOST_CHANGES = 1000;
/** Updates beyond its checkpoint at which a run may be taken up again: that many are made anew. */
export const MOST_AFTER = 10_000;
/** Bytes of a checkpoint. */
export const MOST_BYTES = 2 ** 20;

/** @param {number|"max"} pace @returns {number} how many updates the server makes beyond those that it was told are seen */
export function windowAt(pace) {
  return pace === "max" ? 256 : Math.max(4, Math.ceil(0.25 * pace));
}
