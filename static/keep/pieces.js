/** A file of any size, written in pieces: no string is as long as the file, and the page draws on in the meantime. */

const AT_ONCE = 8; // ms of writing until the page has its turn
const PIECE = 2 ** 20; // characters, which the browser then has in the file's own memory and not in the page's

/**
 * @param {Iterable<string>} texts one behind the other
 * @param {string} type of the file
 * @param {(texts: number) => void} told how many are written, each time that the page has had its turn
 * @returns {Promise<Blob>}
 */
export async function written(texts, type, told) {
  const pieces = [];
  let [piece, count, due] = ["", 0, performance.now() + AT_ONCE];
  for (const text of texts) {
    piece += text;
    count += 1;
    if (piece.length >= PIECE) {
      pieces.push(new Blob([piece]));
      piece = "";
    }
    if (performance.now() < due) continue;
    await turn();
    told(count);
    due = performance.now() + AT_ONCE;
  }
  return new Blob([...pieces, piece], { type });
}

/** Whatever else waits, a frame too, comes first. Not a timer: those of a hidden page come once a second. */
function turn() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve(undefined);
    };
    port2.postMessage(null);
  });
}
