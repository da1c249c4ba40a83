/** What the page needs once of a server that is perhaps just restarting. */

const TRY_AGAIN = 2000; // ms

/** It answers in a moment: it is asked until it does. @param {() => Promise<void>} task */
export function persist(task) {
  task().catch(() => setTimeout(() => persist(task), TRY_AGAIN));
}

/** @param {string} path beside the page @returns {Promise<any>} @throws {Error} where the answer is another than that */
export async function json(path) {
  const answer = await fetch(new URL(path, document.baseURI));
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}
