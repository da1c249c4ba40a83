/** How long a page waits before it connects again, and what it says meanwhile. */

const FIRST_WAIT = 250; // ms; each is twice the one before
/** A server that restarts is back in a moment: only after so many attempts, half a minute, do waits grow long. */
const HOPEFUL = 16;
const HOPEFUL_WAIT = 2_000; // ms at most
const LONGEST_WAIT = 15_000; // ms
const WAIT_WHEN_FULL = 5_000; // ms at least

const CLOSE_RESTARTING = 1012;
const CLOSE_FULL = 1013;

/**
 * Jittered, so that a hall does not come back in one moment.
 * @param {number} code that the connection closed with
 * @param {number} attempts in vain since it last was live
 * @returns {{status: import("../run/state.js").ConnectionStatus, milliseconds: number}}
 */
export function waitAfter(code, attempts) {
  if (code === CLOSE_RESTARTING && attempts === 0) return { status: "waiting", milliseconds: Math.random() * FIRST_WAIT };
  const doubled = Math.min(attempts < HOPEFUL ? HOPEFUL_WAIT : LONGEST_WAIT, FIRST_WAIT * 2 ** attempts);
  const longest = code === CLOSE_FULL ? Math.max(WAIT_WHEN_FULL, doubled) : doubled;
  const milliseconds = longest * (0.5 + Math.random() / 2);
  if (code === CLOSE_FULL) return { status: "full", milliseconds };
  return { status: navigator.onLine ? "waiting" : "offline", milliseconds };
}
