/**
 * The latest runs, in the browser's own database: what a tab needs to go on after a reload, on any server. A browser
 * that keeps nothing (private windows, a full disk) is no error: the page works without.
 */

/**
 * @typedef {object} EarlierRun
 * @property {number} format of what is kept: what another version of this page kept is left alone
 * @property {string} id of the run
 * @property {number} saved when, in milliseconds since 1970
 * @property {string} link the page's fragment for it
 * @property {{bytes: ArrayBuffer, update: number}} checkpoint the newest, and the update it is of
 * @property {Record<string, any>} shown what the page shows of it: see `rest` in state.js; may be ahead of the checkpoint
 * @property {import("../run/ledger.js").Snapshot} ledger
 * @property {{id: string, checkpoint: {bytes: ArrayBuffer, update: number}, shown: Record<string, any>}|null} twin
 */

const NAME = "unrolled";
const VERSION = 1;
const RUNS = "runs";
/** Counted up whenever `shown` or `ledger` changes its shape. */
export const FORMAT = 1;
/** Runs kept: the latest. */
export const MOST_RUNS = 10;

/** @type {Promise<IDBDatabase>|null} */
let opening = null;
/** @type {IDBDatabase|null} */
let database = null;

function open() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => request.result.createObjectStore(RUNS, { keyPath: "id" }).createIndex("saved", "saved");
    request.onsuccess = () => {
      database = request.result;
      database.onversionchange = () => database.close(); // a newer page in another tab
      resolve(database);
    };
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("another tab keeps an older version open"));
  });
  return opening;
}

/** A page must start whatever it finds. @param {Record<string, any>} run @returns {boolean} */
export function isWhole({ format, checkpoint, shown, ledger }) {
  const { recipe, current, chunks, changes, lengths, recent, losses } = shown ?? {};
  const lists = [chunks, changes, lengths, recent, losses?.points];
  const isShown = Boolean(recipe && current) && lists.every(Array.isArray);
  return format === FORMAT && isShown && checkpoint?.bytes instanceof ArrayBuffer && Boolean(ledger?.columns);
}

/** Opens the database ahead of need: a page that is left has no time for it. */
export async function ready() {
  try {
    await open();
  } catch {
    // every call will say so
  }
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function answer(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param {string} id @returns {Promise<EarlierRun|null>} */
export async function find(id) {
  try {
    const runs = (await open()).transaction(RUNS).objectStore(RUNS);
    const run = await answer(runs.get(id));
    return run && isWhole(run) ? run : null;
  } catch {
    return null;
  }
}

/** @returns {Promise<EarlierRun[]>} the latest first */
export async function all() {
  try {
    const runs = await answer((await open()).transaction(RUNS).objectStore(RUNS).index("saved").getAll());
    return runs.filter(isWhole).reverse();
  } catch {
    return [];
  }
}

/**
 * Keeps a run, in the place of what was kept of it before; the oldest beyond MOST_RUNS goes. Where the database is open
 * all is said to it before this returns: a page that is left has no later moment.
 * @param {EarlierRun} run
 */
export async function put(run) {
  try {
    const transaction = (database ?? (await open())).transaction(RUNS, "readwrite");
    transaction.objectStore(RUNS).put(run);
    transaction.commit();
    await trim(run.id);
  } catch {
    // it goes on in this tab's memory
  }
}

/** @param {string} id of the newest, whatever the clock says */
async function trim(id) {
  const runs = database.transaction(RUNS, "readwrite").objectStore(RUNS);
  const ids = await answer(runs.index("saved").getAllKeys());
  const others = ids.filter((each) => each !== id);
  for (const old of others.slice(0, Math.max(0, others.length + 1 - MOST_RUNS))) runs.delete(old);
}

/** @param {string} id */
export async function remove(id) {
  try {
    await answer((await open()).transaction(RUNS, "readwrite").objectStore(RUNS).delete(id));
  } catch {
    // then there was nothing to forget
  }
}
