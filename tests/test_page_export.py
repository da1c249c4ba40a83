"""What the page keeps of its run, and what it hands out of it: CSV, JSON and an animation that needs no server."""

from playwright.sync_api import Browser

from tests.visits import folded

LEDGER = (
    "const {Ledger, MOST_ROWS, FIRST_CHUNKS, NEWEST_CHUNKS, MOST_SAMPLES} = await import('/static/ledger.js');"
    "const {Store} = await import('/static/store.js');"
    "const begun = () => { const store = new Store(() => {}); const ledger = new Ledger(store);"
    " store.dispatch(opened); return {store, ledger}; };"
    "const updates = (from, to, more = {}) => ({type: 'updates', updates:"
    " Array.from({length: to - from + 1}, (_, i) => ({...chunk(from + i), ...more}))});"
)
"""Beside `folded`'s own: a ledger that hears a store, and messages of updates."""


def test_the_ledger_keeps_every_update_seen_once_and_to_the_bit(browser: Browser, server_url: str) -> None:
    script = """
      const {store, ledger} = begun();
      store.dispatch(updates(1, 3, {loss: 0.41000003, nodes: 12, milliseconds: {forward: 0.25, backward: 0.5}}));
      store.dispatch(updates(2, 5));
      store.dispatch({type: 'changed', after_update: 5, learning_rate: 0.01});
      store.dispatch(updates(6, 6, {prediction_after: [Array(10).fill(0.25)]}));
      const {rows} = ledger;
      return {
        update: [...rows.update], loss: [...rows.loss], nodes: [...rows.nodes].map(String), took: rows.milliseconds[2],
        chunks: ledger.chunks.map(({update}) => update), drawn: ledger.chunks[5].prediction[0],
      };
    """
    kept = folded(browser, server_url, LEDGER + script)
    assert kept["update"] == kept["chunks"] == [1, 2, 3, 4, 5, 6]
    assert kept["loss"][:3] == [0.4100000262260437] * 3, "the float32 that the server's shortest form stands for"
    assert kept["nodes"] == ["12", "12", "12", "NaN", "NaN", "NaN"]
    assert kept["took"] == 0.75
    assert kept["drawn"] == 0.25


def test_the_ledger_begins_anew_with_each_run_and_rewrites_what_is_made_again(
    browser: Browser, server_url: str
) -> None:
    script = """
      const {store, ledger} = begun();
      store.dispatch(updates(1, 9));
      const kept = ledger.snapshot();
      store.dispatch(opened);
      const empty = ledger.count;
      const other = begun();
      other.store.dispatch({type: 'opening', after: 6});
      other.store.dispatch({...opened, update: 6});
      other.ledger.restore(structuredClone(kept));
      other.store.dispatch(updates(7, 11, {loss: 0.5}));
      const {rows} = other.ledger;
      return {empty, update: [...rows.update], loss: [...rows.loss].slice(4, 8),
        chunks: other.ledger.chunks.map(({update}) => update),
        other: other.ledger.restore({...kept, format: 2}), count: other.ledger.count};
    """
    kept = folded(browser, server_url, LEDGER + script)
    assert kept["empty"] == 0
    assert kept["update"] == kept["chunks"] == list(range(1, 12))
    assert kept["loss"][2:] == [0.5, 0.5]
    assert kept["other"] is False, "another version's is left alone"
    assert kept["count"] == 11


def test_the_ledger_is_bounded_and_says_from_where_it_holds(browser: Browser, server_url: str) -> None:
    script = """
      const {store, ledger} = begun();
      for (let from = 1; from < 50_000; from += 250) store.dispatch(updates(from, from + 249));
      const {rows, chunks} = ledger;
      const {columns, first, newest} = ledger.snapshot();
      const again = begun();
      again.ledger.restore({columns, first, newest, format: 1, count: columns.update.length});
      again.store.dispatch({type: 'opening', after: 50_000});
      const large = begun();
      const wide = {length: 900, streams: 8, stream_ids: [...Array(8).keys()]};
      for (const name of ['t', 'input', 'target', 'prediction']) wide[name] = Array(8).fill(Array(900).fill(0.5));
      large.store.dispatch(updates(1, 9, wide));
      return {
        count: ledger.count, from: rows.update[0], to: rows.update.at(-1), loss: rows.loss[0], most: MOST_ROWS,
        chunks: chunks.map(({update}) => update), kept: [FIRST_CHUNKS, NEWEST_CHUNKS], again: again.ledger.count,
        large: large.ledger.chunks.map(({update, input}) => [update, input.length]),
      };
    """
    kept = folded(browser, server_url, LEDGER + script)
    assert kept["count"] == kept["most"] == kept["again"] == 20_000
    assert (kept["from"], kept["to"]) == (30_001, 50_000)
    first, newest = kept["kept"]
    assert kept["chunks"] == [*range(1, first + 1), *range(50_001 - newest, 50_001)]
    assert [update for update, _ in kept["large"]] == [1, 2, 8, 9], "fewer of large chunks"
