"""The rows of long runs in the browser's own database: what is written, what comes back, and what if it is refused."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import Server
from tests.support.display import cheap, soon
from tests.support.ledger import LEDGER
from tests.support.node import GIVEN
from tests.support.visits import Visits

BLOCK = 16_384

SHELF = """
  const {Shelf} = await import('/static/earlier/shelf.js');
  const {put, find, remove} = await import('/static/earlier/runs.js');
  const {carry} = await import('/static/earlier/tab.js');
  const written = [];
  const given = IDBObjectStore.prototype.put;
  IDBObjectStore.prototype.put = function (value, key) {
    if (this.name === 'blocks') written.push([value.from, value.count]);
    return given.call(this, value, key);
  };
  const shelved = () => {
    const store = new Store(() => {});
    const shelf = new Shelf(store);
    const ledger = new Ledger(store);
    const [bar, twin] = [{refusal: null, fragmentOf: () => '#'}, {kept: null, choose: () => {}}];
    const live = {held: {bytes: new ArrayBuffer(8), update: 1}, takeUp: () => {}};
    shelf.serve({store, ledger, live, bar, twin});
    store.dispatch({...opened, recipe: {...opened.recipe, cell: 'rnn', carry_state: true}});
    const id = () => JSON.parse(sessionStorage.getItem('unrolled.run')).id;
    const learns = (from, to, more = {}) => {
      for (let at = from; at <= to; at += 500) store.dispatch(updates(at, Math.min(to, at + 499), more));
    };
    const keeps = async () => {
      const before = (await find(id()))?.shown.update ?? 0;
      store.dispatch({type: 'connection', status: 'live'});
      store.dispatch({type: 'connection', status: 'waiting'});
      for (let i = 0; i < 300; i += 1) {
        const kept = await find(id());
        if (kept?.shown.update === store.state.update) return kept;
        await new Promise((done) => setTimeout(done, 20));
      }
      throw new Error(`kept at ${before}`);
    };
    return {store, ledger, id, learns, keeps};
  };
  const lastOf = ({blocks}) => blocks.at(-1).from + blocks.at(-1).count - 1;
  const count = () => new Promise((done) => {
    indexedDB.open('unrolled').onsuccess = ({target}) => {
      target.result.transaction('blocks').objectStore('blocks').count().onsuccess = (counted) => {
        target.result.close();
        done(counted.target.result);
      };
    };
  });
"""
"""A shelf, a ledger and a store of their own, on a page that shows nothing; and which blocks were written."""


@pytest.fixture
def bare(browser: Browser, server: Server) -> Iterator[Page]:
    """A page of the server's without a script of its own, in a browser that has kept nothing."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(server.url + "/healthz")
    yield page
    context.close()


def made(page: Page, script: str) -> Any:
    """What a script returns there."""
    return page.evaluate(f"async () => {{ {GIVEN} {LEDGER} {SHELF} {script} }}")


def test_a_full_block_of_rows_is_written_once_and_the_newest_again(bare: Page) -> None:
    script = """
      const {ledger, learns, keeps, id} = shelved();
      learns(1, 17_000);
      await keeps();
      const first = written.splice(0);
      learns(17_001, 40_000);
      const kept = await keeps();
      const again = begun().ledger;
      again.restore(kept.ledger);
      return {first, second: written, numbers: numbers(again.rows).length, last: again.rows.last,
        same: column(again.rows, 'loss').every((loss, i) => loss === Math.fround(1 / (i + 1))),
        chunks: again.chunks.length === ledger.chunks.length};
    """
    kept = made(bare, script)
    begun = [each for each in kept["first"] if each[0] == 1]
    assert begun[-1] == [1, BLOCK]
    assert kept["first"][-1] == [BLOCK + 1, 17_000 - BLOCK]
    assert [BLOCK + 1, BLOCK] in kept["second"]
    assert kept["second"][-1] == [2 * BLOCK + 1, 40_000 - 2 * BLOCK]
    assert not [each for each in kept["second"] if each[0] == 1], "the full one is there already"
    assert (kept["numbers"], kept["last"]) == (40_000, 40_000)
    assert kept["same"]
    assert kept["chunks"]


def test_a_reload_joins_the_rows_of_the_database_and_what_the_tab_carried_over(bare: Page) -> None:
    script = """
      const {learns, keeps} = shelved();
      learns(1, 40_000);
      await keeps();
      IDBObjectStore.prototype.put = () => { throw new Error('full'); };
      learns(40_001, 60_000);
    """
    made(bare, script)
    bare.reload()  # what the page has to write as it is left is lost
    script = """
      const kept = await new Shelf(new Store(() => {})).ofThisTab('');
      const {ledger} = begun();
      ledger.restore(kept.ledger);
      return [kept.ledger.blocks.length, numbers(ledger.rows).length, ledger.rows.first, ledger.rows.last,
        column(ledger.rows, 'loss').every((loss, i) => loss === Math.fround(1 / (i + 1)))];
    """
    blocks, count, first, last, same = made(bare, script)
    assert (blocks, count, first, last) == (4, 60_000, 1, 60_000)
    assert same


def test_blocks_that_another_tab_has_dropped_are_written_again(bare: Page) -> None:
    script = """
      const {learns, keeps, id} = shelved();
      learns(1, 40_000);
      await keeps();
      await remove(id());
      learns(40_001, 40_010);
      const gap = await keeps();
      learns(40_011, 40_020);
      const whole = await keeps();
      return [gap, whole].map(({ledger}) => [ledger.blocks[0].from, lastOf(ledger)]);
    """
    gap, whole = made(bare, script)
    assert gap == [2 * BLOCK + 1, 40_010], "the newest as far back as they are there"
    assert whole == [1, 40_020]


def test_rows_go_with_their_run(bare: Page) -> None:
    script = """
      const {learns, keeps, id} = shelved();
      learns(1, 20_000);
      const run = await keeps();
      const before = await count();
      for (let i = 0; i < 9; i += 1) await put({...run, id: `run ${i}`, saved: run.saved + 1 + i}, run.ledger.blocks);
      const all = await count();
      await put({...run, id: 'one more', saved: run.saved + 20}, run.ledger.blocks);
      const trimmed = await count();
      await remove('run 3');
      const other = (await find('run 4')) !== null;
      return {before, all, trimmed, removed: await count(), first: await find(id()), other};
    """
    kept = made(bare, script)
    assert (kept["before"], kept["all"], kept["trimmed"], kept["removed"]) == (2, 20, 20, 18)
    assert kept["first"] is None
    assert kept["other"]


def test_what_a_page_of_before_kept_is_found_with_its_rows(bare: Page) -> None:
    script = """
      const {store, ledger} = begun();
      store.dispatch(updates(1, 300));
      const {blocks: [{columns}], first, newest} = ledger.snapshot();
      const update = Float64Array.from({length: 300}, (_, i) => i + 1);
      const old = {format: 1, count: 300, columns: {update, ...columns}, first, newest};
      const shown = {...store.state, current: {}};
      const checkpoint = {bytes: new ArrayBuffer(8), update: 300};
      const run = {format: 1, id: 'old', saved: 1, link: '#', checkpoint, shown, ledger: old, twin: null};
      await new Promise((done) => {
        const request = indexedDB.open('unrolled', 1);
        request.onupgradeneeded = () => {
          request.result.createObjectStore('runs', {keyPath: 'id'}).createIndex('saved', 'saved');
        };
        request.onsuccess = () => {
          const transaction = request.result.transaction('runs', 'readwrite');
          transaction.objectStore('runs').put(run);
          transaction.oncomplete = () => { request.result.close(); done(); };
        };
      });
      const {all} = await import('/static/earlier/runs.js');
      const found = await find('old');
      const again = begun().ledger;
      return {listed: (await all()).length, taken: again.restore(found.ledger), numbers: numbers(again.rows),
        same: column(again.rows, 'loss').every((loss, i) => loss === Math.fround(1 / (i + 1)))};
    """
    found = made(bare, script)
    assert found == {"listed": 1, "taken": True, "numbers": list(range(1, 301)), "same": True}


REFUSES = """
  const commit = IDBTransaction.prototype.commit;
  const puts = IDBObjectStore.prototype.put;
  IDBObjectStore.prototype.put = function (value, key) {
    if (this.name === 'runs' && value.ledger.blocks.length > MOST) {
      const error = new DOMException('', 'QuotaExceededError');
      Object.defineProperty(this.transaction, 'error', {value: error});
    }
    return puts.call(this, value, key);
  };
  IDBTransaction.prototype.commit = function () {
    if (this.error) this.abort();
    else commit.call(this);
  };
"""
"""A browser that has room for no run of more than MOST blocks: a real quota is looked at now and then only."""


def test_a_browser_that_has_no_more_room_keeps_the_newest_rows_and_the_page_says_so(bare: Page) -> None:
    script = """
      const {store, learns, keeps} = shelved();
      learns(1, 6 * BLOCK_ROWS);
      const before = (await keeps()).ledger.blocks.length;
      const {notice: none} = store.state;
      learns(6 * BLOCK_ROWS + 1, 7 * BLOCK_ROWS);
      const refused = await keeps();
      const {notice} = store.state;
      learns(7 * BLOCK_ROWS + 1, 8 * BLOCK_ROWS);
      const kept = await keeps();
      const from = ({ledger}) => ledger.blocks.map(({from}) => (from - 1) / BLOCK_ROWS);
      return {before, none, notice, refused: from(refused), kept: from(kept), there: await count()};
    """
    kept = made(bare, f"const MOST = 6; {REFUSES} {script}")
    assert (kept["before"], kept["none"]) == (6, None)
    assert kept["notice"] == {"kind": "unkept", "update": 7 * BLOCK}
    assert kept["refused"] == [3, 4, 5, 6]
    assert kept["kept"] == [4, 5, 6, 7]
    assert kept["there"] == 4, "what is older makes room"


def test_that_a_browser_refuses_the_room_is_told_in_words_and_the_run_goes_on(visit: Visits) -> None:
    def prepare(page: Page) -> None:
        cheap(page)
        soon(page)

    page = visit(prepare=prepare)
    page.draws(10)
    page.page.evaluate(f"() => {{ const MOST = 0; {REFUSES} }}")
    page.page.evaluate("wires.at(-1).close()")  # the page then keeps what it has at once
    expect(page.at("notice")).to_contain_text("This browser gives the page no more room. The run goes on")
    page.draws(page.update + 5)
    page.speaks("zh")
    expect(page.at("notice")).to_contain_text("浏览器不再给本页更多空间")
    page.at("dismiss").click()
    expect(page.at("notice")).to_be_hidden()
