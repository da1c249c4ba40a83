/**
 * The latest runs, in the browser's own database: what a tab needs to go on after a reload, on any server. The rows of a
 * run are apart from it, by the block: one that is full is written once. A browser that keeps nothing (private windows, a
 * full disk) is no error: the page works without.
 */

/**
 * @typedef {object} EarlierRun
 * @property {number} format of what is kept: what another version of this page kept is left alone
 * @property {string} id of the run
 * @property {number} saved when, in milliseconds since 1970
 * @property {string} link the page's fragment for it
 * @property {{bytes: ArrayBuffer, update: number}} checkpoint the newest, and the update it is of
 * @property {Record<string, any>} shown what the page shows of it: see `rest` in state.js; may be ahead of the checkpoint
 * @property {import("../run/ledger.js").Snapshot|import("../run/ledger.js").OldSnapshot} ledger its blocks have their columns
 *   where the run was found by its id, else only `from` and `count`
 * @property {{id: string, checkpoint: {bytes: ArrayBuffer, update: number}, shown: Record<string, any>}|null} twin
 */

/** @typedef {import("../run/rows.js").Block} Block */
/** @typedef {"kept"|"full"|"nowhere"} Outcome `full` where the browser gives no more room */

const NAME = "unrolled";
const VERSION = 2;
const RUNS = "runs";
const BLOCKS = "blocks";
/** Counted up whenever `shown` or `ledger` changes its shape. Until 1 a ledger had all its rows in it. */
export const FORMAT = 2;
const FORMATS = [1, FORMAT];
/** Runs kept: the latest. */
export const MOST_RUNS = 10;

/** @type {Promise<IDBDatabase>|null} */
let opening = null;
/** @type {IDBDatabase|null} */
let database = null;

function open() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = ({ oldVersion }) => {
      if (oldVersion < 1) request.result.createObjectStore(RUNS, { keyPath: "id" }).createIndex("saved", "saved");
      request.result.createObjectStore(BLOCKS); // the key is the run's id and the first update
    };
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
  const hasRows = format === 1 ? Boolean(ledger?.columns) : Array.isArray(ledger?.blocks);
  return FORMATS.includes(format) && isShown && checkpoint?.bytes instanceof ArrayBuffer && hasRows;
}

/** @param {EarlierRun} run @returns {EarlierRun} of format 1 with `torch` called what it was then: our own kernel */
export function renamed(run) {
  if (run.format !== 1) return run;
  const name = (/** @type {Record<string, any>} */ recipe) => (recipe?.framework === "torch" ? { ...recipe, framework: "compiled" } : recipe);
  const of = (/** @type {Record<string, any>} */ shown) => ({ ...shown, recipe: name(shown.recipe), current: name(shown.current) });
  return { ...run, shown: of(run.shown), twin: run.twin && { ...run.twin, shown: of(run.twin.shown) } };
}

/** @param {EarlierRun|null} run @returns {Block[]} none where its rows are in the ledger itself, as they once were */
export function blocksOf(run) {
  return run?.ledger.format === 2 ? run.ledger.blocks : [];
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

/** @param {string} id @returns {Promise<EarlierRun|null>} with its rows */
export async function find(id) {
  try {
    const transaction = (await open()).transaction([RUNS, BLOCKS]);
    const found = answer(transaction.objectStore(RUNS).get(id));
    const blocks = answer(transaction.objectStore(BLOCKS).getAll(rangeOf(id)));
    const run = await found;
    return run && isWhole(run) ? withRows(renamed(run), await blocks) : null;
  } catch {
    return null;
  }
}

/**
 * @param {EarlierRun} run @param {Block[]} blocks where its rows are
 * @returns {EarlierRun} with its rows: all, or where some are gone the newest as far back as there is no gap
 */
export function withRows(run, blocks) {
  const { ledger } = run;
  if (ledger.format !== 2) return run;
  const there = ledger.blocks.map(({ from, count }) => blocks.find((block) => block.from === from && block.count === count));
  return { ...run, ledger: { ...ledger, blocks: there.slice(there.lastIndexOf(undefined) + 1) } };
}

/** @param {EarlierRun} run @returns {EarlierRun} which says what its blocks are, and does not have them */
export function withoutRows(run) {
  const { ledger } = run;
  if (ledger.format !== 2) return run;
  const blocks = ledger.blocks.map(({ from, count }) => ({ from, count, columns: {} }));
  return { ...run, ledger: { ...ledger, blocks } };
}

/** @returns {Promise<EarlierRun[]>} the latest first, without their rows */
export async function all() {
  try {
    const runs = await answer((await open()).transaction(RUNS).objectStore(RUNS).index("saved").getAll());
    return runs.filter(isWhole).map(renamed).reverse();
  } catch {
    return [];
  }
}

/**
 * Keeps a run, in the place of what was kept of it before; the oldest beyond MOST_RUNS goes. Where the database is open
 * all is said to it before this returns: a page that is left has no later moment.
 * @param {EarlierRun} run
 * @param {Block[]} fresh those of its blocks that are not kept yet
 * @returns {Promise<{outcome: Outcome, hasAll: boolean}>} and whether all its blocks are there, which another tab may have dropped
 */
export async function put(run, fresh = []) {
  const { id } = run;
  try {
    const transaction = (database ?? (await open())).transaction([RUNS, BLOCKS], "readwrite");
    transaction.objectStore(RUNS).put(withoutRows(run));
    const rows = transaction.objectStore(BLOCKS);
    for (const block of fresh) rows.put(block, [id, block.from]);
    for (const gone of outside(run)) rows.delete(gone);
    transaction.commit();
    await ended(transaction);
    return { outcome: "kept", hasAll: (await trim(id)) >= blocksOf(run).length };
  } catch (trouble) {
    return { outcome: trouble?.name === "QuotaExceededError" ? "full" : "nowhere", hasAll: false }; // it goes on in this tab's memory
  }
}

/** @param {IDBTransaction} transaction @returns {Promise<void>} */
function ended(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

/** @param {string} id @returns {IDBKeyRange} all blocks of a run: a list is above every number */
const rangeOf = (id) => IDBKeyRange.bound([id], [id, []]);

/** @param {EarlierRun} run @returns {IDBKeyRange[]} what may be kept of it before and after its rows */
function outside(run) {
  const { id } = run;
  const blocks = blocksOf(run);
  if (blocks.length === 0) return [rangeOf(id)];
  const [first, last] = [blocks[0], blocks[blocks.length - 1]];
  return [IDBKeyRange.bound([id], [id, first.from], false, true), IDBKeyRange.bound([id, last.from], [id, []], true)];
}

/** @param {string} id of the newest, whatever the clock says @returns {Promise<number>} how many blocks it has */
async function trim(id) {
  const transaction = database.transaction([RUNS, BLOCKS], "readwrite");
  const [runs, blocks] = [transaction.objectStore(RUNS), transaction.objectStore(BLOCKS)];
  const count = answer(blocks.count(rangeOf(id)));
  const ids = await answer(runs.index("saved").getAllKeys());
  const others = ids.filter((each) => each !== id);
  for (const old of others.slice(0, Math.max(0, others.length + 1 - MOST_RUNS))) {
    runs.delete(old);
    blocks.delete(rangeOf(String(old)));
  }
  return count;
}

/** @param {string} id */
export async function remove(id) {
  try {
    const transaction = (await open()).transaction([RUNS, BLOCKS], "readwrite");
    transaction.objectStore(BLOCKS).delete(rangeOf(id));
    await answer(transaction.objectStore(RUNS).delete(id));
  } catch {
    // then there was nothing to forget
  }
}
