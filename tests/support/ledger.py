"""What the page has seen of its run."""

LEDGER = (
    "const {Ledger, MOST_ROWS, FIRST_CHUNKS, NEWEST_CHUNKS, MOST_SAMPLES} = await import('/static/run/ledger.js');"
    "const {Store} = await import('/static/run/store.js');"
    "const begun = () => { const store = new Store(() => {}); const ledger = new Ledger(store);"
    " store.dispatch(opened); return {store, ledger}; };"
    "const updates = (from, to, more = {}) => ({type: 'updates', updates:"
    " Array.from({length: to - from + 1}, (_, i) => ({...chunk(from + i), ...more}))});"
)


"""Beside `folded`'s own: a ledger that hears a store, and messages of updates."""
