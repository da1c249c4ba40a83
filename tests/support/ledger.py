"""What the page has seen of its run."""

LEDGER = (
    "const {Ledger, FIRST_CHUNKS, NEWEST_CHUNKS, MOST_SAMPLES} = await import('/static/run/ledger.js');"
    "const {Rows, MOST_ROWS, BLOCK_ROWS} = await import('/static/run/rows.js');"
    "const column = ({blocks}, name) => blocks.flatMap(({columns}) => [...columns[name]]);"
    "const numbers = ({blocks}) => blocks.flatMap(({from, count}) => Array.from({length: count}, (_, i) => from + i));"
    "const row = (update) => ({length: 10, streams: 1, loss: 1 / update, mean_loss: 1, nodes: NaN, milliseconds: 1});"
    "const filled = (from, to) => { const rows = new Rows();"
    " for (let update = from; update <= to; update += 1) rows.write(update, row(update)); return rows; };"
    "const {Store} = await import('/static/run/store.js');"
    "const begun = () => { const store = new Store(() => {}); const ledger = new Ledger(store);"
    " store.dispatch(opened); return {store, ledger}; };"
    "const updates = (from, to, more = {}) => ({type: 'updates', updates:"
    " Array.from({length: to - from + 1}, (_, i) => ({...chunk(from + i), ...more}))});"
)


"""Beside `folded`'s own: a ledger that hears a store, messages of updates, and rows without either."""
