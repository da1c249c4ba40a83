"""Runs that a page keeps: after a reload, in several tabs, and while the hall is full."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from websockets.exceptions import ConnectionClosed

from model.learner import Learner
from model.recipe import Change, Recipe
from tests.conftest import Server, running
from tests.support.display import cheap, soon
from tests.support.node import folded
from tests.support.viewers import viewer
from tests.support.visits import DESK, PHONE, Visit

FAST = "#pace=60"
STILL = """
const later = window.setTimeout;
window.still = (milliseconds) => milliseconds === 5000;
window.setTimeout = (call, milliseconds, ...more) => still(milliseconds) ? 0 : later(call, milliseconds, ...more);
"""
"""The page's next write of a run, 5 s after its last, never comes; nor does whatever else `still` says."""

NAMED = """
for (const lack of window.name.split(" ")) {
  if (lack in window) Object.defineProperty(window, lack, {value: undefined});
}
if (window.name === "late") {
  const soon = window.requestAnimationFrame.bind(window);
  const late = [];
  window.requestAnimationFrame = (draw) => late.push(draw);
  window.draws = () => { window.requestAnimationFrame = soon; late.forEach(soon); };
}
"""
"""A window's name outlives a reload: what the next page has to do without, or that it draws when it is told to."""

FORGETS_OTHERS = """async () => {
  const {all, remove} = await import("/static/earlier/runs.js");
  const {id} = JSON.parse(sessionStorage.getItem("unrolled.run"));
  for (const run of await all()) if (run.id !== id) await remove(run.id);
  window.still = (milliseconds) => milliseconds === 5000;
}"""


def impatient(page: Page) -> None:
    """Cheap, and soon back when it has lost its connection."""
    cheap(page)
    soon(page)


@pytest.fixture(scope="module")
def resident(browser: Browser, server_url: str) -> Iterator[Visit]:
    """One page for all tests that need no other browser and no other server, at three times the pace."""

    def prepare(page: Page) -> None:
        impatient(page)
        page.add_init_script(STILL)
        page.add_init_script(NAMED)

    context = browser.new_context(viewport=DESK, locale="en-US")
    yield Visit(context, f"{server_url}/{FAST}", prepare=prepare)
    context.close()


@pytest.fixture
def one(resident: Visit) -> Iterator[Visit]:
    """The page with its first run begun anew, and no other kept."""
    if resident.page.evaluate("window.name !== ''"):
        resident.page.evaluate("window.name = ''")
        resident.page.reload()
    link = "seed=1&pace=60"
    resident.opens("pace=60&seed=1" if resident.page.url.endswith(link) else link)  # the same again is no news
    resident.page.evaluate(FORGETS_OTHERS)
    yield resident
    resident.rests()
    troubles, resident.troubles = resident.troubles, []
    assert troubles == [], troubles


def reloads(one: Visit) -> int:
    """Load the page again; the update at which it offers to continue."""
    one.page.reload()
    expect(one.at("continue")).to_be_visible()
    one.until(lambda: one.update > 0, "what was kept is drawn")
    return one.update


def losses(updates: list[dict[str, Any]]) -> dict[int, np.float32]:
    return {update["update"]: np.float32(update["loss"]) for update in updates}


def uninterrupted(last: int, changes: tuple[Change, ...] = (), **recipe: Any) -> dict[int, np.float32]:
    learner = Learner(Recipe.model_validate(recipe), changes=changes)
    return {update: np.float32(learner.advance().loss) for update in range(1, last + 1)}


def kept(page: Page) -> list[dict[str, Any]]:
    """What the browser keeps of its latest runs."""
    script = "const {all} = await import('/static/earlier/runs.js'); return (await all()).map("
    script += "({id, link, checkpoint, shown}) => ({id, link, checkpoint: checkpoint.update, update: shown.update}))"
    return page.evaluate(f"(async () => {{ {script} }})()")


def kept_losses(page: Page) -> dict[int, np.float32]:
    """Those that the page has drawn of its newest run, as it kept them."""
    script = "const {all, find} = await import('/static/earlier/runs.js'); const [{id}] = await all();"
    script += "const {blocks} = (await find(id)).ledger; const each = (values) => blocks.flatMap(values);"
    script += "const updates = each(({from, columns}) => [...columns.loss.keys()].map((i) => from + i));"
    script += "return [updates, each(({columns}) => [...columns.loss])]"
    updates, values = page.evaluate(f"(async () => {{ {script} }})()")
    return {int(update): np.float32(loss) for update, loss in zip(updates, values, strict=True)}


def test_after_a_reload_the_run_is_offered_and_goes_on_without_a_jump_a_gap_or_a_doubled_chunk(one: Visit) -> None:
    one.draws(10)
    one.changes("learning_rate", 0.005)
    one.draws(one.update + 20)
    seen = one.update
    at = reloads(one)
    before = kept_losses(one.page)
    assert seen <= at == max(before), "it stands where it stood"
    expect(one.at("continue")).to_have_text(f"Continue at update {at}")
    expect(one.at("status")).to_have_text("your choice")
    del one.received[:]
    one.at("continue").click()
    one.draws(at + 20)
    one.pauses()
    after = losses(one.updates())
    assert min(after) == at + 1
    assert sorted(after) == list(range(at + 1, max(after) + 1)), "each once, none missing"
    changes = [Change.model_validate(change) for change in one.opened()[0]["changes"]]
    whole = uninterrupted(max(after), tuple(changes))
    assert before | after == whole, "to the last bit"
    expect(one.at("notice")).to_be_hidden()


def test_a_paused_run_is_kept_where_it_was_paused_and_start_anew_begins_its_recipe_from_the_first_update(
    one: Visit,
) -> None:
    one.opens("cell=gru&pace=60")
    one.draws(10)
    at = one.pauses()
    assert reloads(one) == at
    del one.received[:]
    one.at("start-anew").click()
    one.draws(3)
    opened = one.opened()[0]
    assert (opened["update"], opened["recipe"]["cell"]) == (0, "gru")
    assert one.updates()[0]["update"] == 1


def test_a_live_field_that_is_what_it_was_is_not_set_again(one: Visit) -> None:
    one.draws(5)
    one.choose("learning_rate", 0.01)  # typed, then left: the field tells of both
    one.until(lambda: any(each["type"] == "changed" for each in one.received), "it is made")
    one.choose("learning_rate", 0.01)
    one.choose("learning_rate", 0.03)
    one.until(lambda: sum(each["type"] == "changed" for each in one.received) == 2, "the next is made")
    assert [each["learning_rate"] for each in one.sent if each["type"] == "change"] == [0.01, 0.03]


def test_a_reload_keeps_a_twin_in_step(one: Visit) -> None:
    one.opens("twin=gru&pace=60")
    one.draws(40)
    at = reloads(one)
    expect(one.at("twin")).to_have_value("gru")
    expect(one.page.locator("#twin-name")).to_be_visible()
    del one.received[:], one.sent[:]
    one.at("continue").click()
    one.draws(at + 10)
    assert {message["recipe"]["cell"] for message in one.opened()} == {"rnn", "gru"}
    afters = [message["after"] for message in one.sent if message["type"] == "open"]
    assert len(afters) == 2
    assert min(afters) > 20, "neither begins anew"


def test_a_reload_keeps_a_twin_whose_page_knows_the_recipe_before_it_draws(one: Visit) -> None:
    one.opens("twin=gru&pace=60")
    one.draws(25)
    one.page.evaluate("window.name = 'late'")
    one.page.reload()
    one.page.evaluate("window.name = ''")
    one.until(lambda: one.page.locator("#recipe-learning_rate").count() == 1, "the recipe's form is built")
    del one.received[:], one.sent[:]
    one.page.evaluate("draws()")
    expect(one.at("continue")).to_be_visible()
    one.at("continue").click()
    one.until(lambda: len(one.opened()) == 2, "both go on")
    assert min(message["after"] for message in one.sent if message["type"] == "open") > 0, "neither begins anew"


def test_a_link_to_another_run_is_followed_and_not_the_run_of_before(one: Visit, server_url: str) -> None:
    one.opens("seed=4&pace=60")
    one.draws(10)
    one.page.goto(server_url + "/healthz")
    one.page.goto(server_url + "/#seed=5&pace=60")
    one.until(lambda: one.opened()[-1]["recipe"]["seed"] == 5, "the link's run is opened")
    one.draws(10)
    one.page.goto(server_url + "/healthz")
    one.page.goto(server_url + "/#seed=4&pace=60")
    one.until(lambda: one.opened()[-1]["recipe"]["seed"] == 4, "this too: its run is no longer the tab's")


def test_two_tabs_do_not_fight_over_one_run_and_another_goes_on_in_the_second_where_it_stood(one: Visit) -> None:
    one.draws(25)
    one.choose("seed", 27)
    one.until(lambda: one.opened()[-1]["recipe"]["seed"] == 27, "another run begins")
    one.draws(25)
    tab = one.page.evaluate("sessionStorage.getItem('unrolled.run')")
    other = one.context.new_page()
    # what "duplicate tab" does: the copy has the tab's own memory
    other.add_init_script(f"sessionStorage.getItem('unrolled.run') ?? sessionStorage.setItem('unrolled.run', '{tab}')")
    other.goto(one.page.url)
    expect(other.get_by_test_id("status")).to_have_text("live")
    at = one.update
    one.draws(at + 10)
    one.until(lambda: len(kept(one.page)) == 3, "each keeps a run of its own, beside the one before")
    one.pauses()
    other.locator("#play").click()

    earlier = other.get_by_test_id("earlier")
    earlier.scroll_into_view_if_needed()
    expect(earlier).to_contain_text("Earlier runs")
    one.until(lambda: other.evaluate("document.getElementById('keep-save').disabled") is False, "the panel is there")
    earlier.locator("summary").click()
    rows = earlier.locator("li")
    expect(rows).to_have_count(2)
    taken = rows.filter(has_text="seed 27")
    taken.get_by_test_id("earlier-continue").click()
    expect(other.get_by_test_id("earlier-says")).to_have_text("Another tab has this run.")
    free = rows.filter(has_text="RNN, 32 units, seed 1")
    stood = int(free.get_by_test_id("earlier-continue").inner_text().split()[-1])
    free.get_by_test_id("earlier-continue").click()
    expect(earlier).not_to_have_attribute("open", "")
    one.until(lambda: int(other.locator("body").get_attribute("data-update") or 0) > stood, "it goes on")
    earlier.locator("summary").click()
    expect(free).to_have_count(0)  # it is this tab's own now, and that before it one of the earlier
    expect(rows).to_have_count(2)
    rows.first.get_by_test_id("earlier-forget").click()
    expect(rows).to_have_count(1)
    other.close()
    assert reloads(one) >= at + 10


def test_a_run_is_found_by_a_reload_while_another_tab_writes(one: Visit) -> None:
    one.draws(20)
    other = one.context.new_page()
    other.goto(one.page.url.split("#")[0] + "healthz")
    # it goes on writing, so that what the other page wants to write as it is left has to wait
    other.evaluate("""() => new Promise((begun) => {
      window.writes = true;
      indexedDB.open("unrolled").onsuccess = ({target}) => {
        const runs = target.result.transaction("runs", "readwrite").objectStore("runs");
        const goesOn = () => { begun(); if (writes) runs.get("none").onsuccess = goesOn; };
        goesOn();
      };
    })""")
    at = one.update
    one.page.reload(wait_until="commit")
    # by the time that this page has a database of its own, that before has none
    one.page.evaluate("() => new Promise((done) => indexedDB.open('another').onsuccess = done)")
    other.evaluate("writes = false")
    expect(one.at("continue")).to_be_visible()
    one.until(lambda: one.update >= at, "it stands where it stood")
    one.until(lambda: kept(one.page)[0]["update"] >= at, "and is kept there")
    other.close()


def test_a_run_that_another_replaces_while_the_connection_is_down_is_kept_as_it_stood(one: Visit) -> None:
    one.draws(25)
    one.page.evaluate("() => { window.still = () => true; wires.at(-1).close(); }")
    expect(one.at("status")).not_to_have_text("live")
    at = one.update
    one.choose("seed", 27)
    one.until(lambda: one.opened()[-1]["recipe"]["seed"] == 27, "another run begins")
    one.until(lambda: FAST in [run["link"] for run in kept(one.page)], "the run before is among the latest")
    assert [run["update"] for run in kept(one.page) if run["link"] == FAST] == [at]


def test_a_run_that_replaces_another_is_kept_from_its_first_updates_on(one: Visit) -> None:
    one.draws(21)
    one.choose("seed", 27)
    one.until(lambda: one.opened()[-1]["recipe"]["seed"] == 27, "another run begins")
    one.until(lambda: sorted(run["link"] for run in kept(one.page)) == [FAST, "#seed=27&pace=60"], "both are kept")


def test_what_a_tab_carries_over_comes_back_to_the_bit() -> None:
    carried_over = """
        const memory = new Map();
        globalThis.sessionStorage = {
          getItem: (key) => memory.get(key) ?? null,
          removeItem: (key) => memory.delete(key),
          setItem: (key, text) => { if (text.length > 100_000) throw new Error('full'); memory.set(key, text); },
        };
        const {carry, carried} = await import('/static/earlier/tab.js');
        const loss = Float32Array.of(NaN, 0.41000003, 9).subarray(0, 2);
        const bytes = Uint8Array.from({length: 20_000}, (_, i) => i % 251);
        const fresh = [{from: 1, count: 2, columns: {loss}}];
        carry({run: {id: 'a', at: 0.1, none: null, hidden: [Int8Array.of(-127, 127)], bytes: bytes.buffer}, fresh});
        const {run, fresh: [block]} = carried();
        run.loss = block.columns.loss;
        const again = carried();
        carry({run: {id: 'a'}, fresh: []});
        carry({run: {bytes: new ArrayBuffer(100_000)}, fresh: []});
        return {...run, hidden: [...run.hidden[0]], loss: [...run.loss].map(String), again, full: carried(),
          kinds: [run.hidden[0], run.loss, run.bytes].map(({constructor}) => constructor.name),
          bytes: new Uint8Array(run.bytes).every((byte, i) => byte === bytes[i]) && run.bytes.byteLength};
    """
    assert folded(carried_over) == {
        "id": "a",
        "at": 0.1,
        "none": None,
        "hidden": [-127, 127],
        "loss": ["NaN", "0.4100000262260437"],
        "bytes": 20_000,
        "kinds": ["Int8Array", "Float32Array", "ArrayBuffer"],
        "again": None,
        "full": None,
    }


def test_only_the_ten_latest_runs_are_kept_and_the_newest_where_the_clock_went_back_too(one: Visit) -> None:
    one.until(lambda: len(kept(one.page)) == 1, "it is kept")
    script = "const {put, all} = await import('/static/earlier/runs.js'); const [run] = await all();"
    script += "for (let i = 0; i < 12; i += 1) await put({...run, id: `run ${i}`, saved: run.saved + 1e9 + i});"
    one.page.evaluate(f"(async () => {{ {script} window.before = run; }})()")
    ids = [run["id"] for run in kept(one.page)]
    assert ids == [f"run {i}" for i in range(11, 1, -1)]
    script = "const {put} = await import('/static/earlier/runs.js'); await put({...before, id: 'now'});"
    one.page.evaluate(f"(async () => {{ {script} }})()")
    ids = [run["id"] for run in kept(one.page)]
    assert ids == [*(f"run {i}" for i in range(11, 2, -1)), "now"]


SLOW = """
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) { setTimeout(() => this.readyState === 1 && send.call(this, data), 400); };
"""
"""A network on which another run can be asked for before the first is there."""


def test_of_several_runs_asked_for_at_once_the_last_is_shown_and_kept_and_goes_on_where_it_was_paused(
    one: Visit,
) -> None:
    one.opens("seed=11&pace=60")
    one.draws(30)
    one.choose("seed", 33)
    one.until(lambda: one.opened()[-1]["recipe"]["seed"] == 33, "another run begins")
    one.draws(10)
    one.page.evaluate(SLOW)
    earlier = one.at("earlier")
    earlier.scroll_into_view_if_needed()
    one.until(lambda: not one.page.evaluate("document.getElementById('keep-save').disabled"), "the panel is there")
    earlier.locator("summary").click()
    goes_on = earlier.locator("li").filter(has_text="seed 11").get_by_test_id("earlier-continue")
    expect(goes_on).to_be_visible()
    goes_on.click()
    one.at("reset").click()
    one.until(lambda: one.opened()[-1]["update"] > 0 or one.opened()[-1]["recipe"]["seed"] == 11, "seed 11 goes on")
    at = one.update
    one.until(lambda: one.update > at + 10, "and is shown")
    one.until(lambda: one.page.url.endswith("#seed=11&pace=60"), "its link too")
    runs = {run["link"]: run for run in kept(one.page)}
    assert abs(runs["#seed=11&pace=60"]["update"] - runs["#seed=11&pace=60"]["checkpoint"]) < 1000
    at = one.pauses()
    assert reloads(one) == at
    del one.received[:]
    one.at("continue").click()
    one.draws(at + 3)
    assert one.updates()[0]["update"] == at + 1


FULL = "() => { IDBObjectStore.prototype.put = () => { throw new Error('full'); }; }"
"""No run can be written any more."""


def test_what_a_page_cannot_show_again_does_not_keep_it_from_starting(one: Visit) -> None:
    one.draws(10)
    script = "const request = indexedDB.open('unrolled', 2); request.onsuccess = () => { const runs = request.result"
    script += ".transaction('runs', 'readwrite').objectStore('runs'); runs.openCursor().onsuccess = ({target}) => {"
    script += "target.result.update({...target.result.value, shown: {chunks: null}}).onsuccess = done; } }"
    one.pauses()
    one.page.evaluate(f"new Promise((done) => {{ {script} }})")
    one.page.evaluate(FULL)
    left = "(key, text) => set.call(sessionStorage, key, text.replaceAll('\"chunks\":[', '\"before\":['))"
    one.page.evaluate(f"() => {{ const set = Storage.prototype.setItem; Storage.prototype.setItem = {left}; }}")
    one.page.reload()
    one.draws(5)
    expect(one.at("status")).to_have_text("live")


def test_a_browser_without_a_database_keeps_a_paused_run_over_a_reload_all_the_same_and_play_goes_on(
    one: Visit,
) -> None:
    one.draws(10)
    at = one.pauses()
    one.page.evaluate(FULL)
    one.page.evaluate("window.name = 'indexedDB'")
    assert reloads(one) == at
    del one.received[:]
    one.page.keyboard.press("Space")
    one.draws(at + 3)
    assert one.updates()[0]["update"] == at + 1


def test_a_browser_that_keeps_nothing_shows_the_page_all_the_same(resident: Visit) -> None:
    resident.page.evaluate("window.name = 'indexedDB sessionStorage'")
    resident.page.reload()
    resident.draws(5)
    resident.page.evaluate("() => { dispatchEvent(new Event('pagehide')); }")
    resident.draws(resident.update + 5)
    resident.rests()
    assert resident.troubles == []


@dataclass(frozen=True)
class Hall:
    """A server with one place, and a page that was opened while another viewer had it."""

    server: Server
    page: Visit
    lets_in: Callable[[], None]


@pytest.fixture(scope="module")
def hall(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    with running(tmp_path_factory.mktemp("hall"), max_viewers=1) as server, ExitStack() as taken:
        taken.enter_context(inside(server))
        context = browser.new_context(viewport=PHONE, locale="en-US")

        yield Hall(server, Visit(context, f"{server.url}/{FAST}", prepare=impatient), taken.close)
        context.close()


def test_a_full_hall_shows_the_wait_and_a_recording_that_says_so(hall: Hall) -> None:
    one = hall.page
    expect(one.at("recording")).to_be_visible()
    expect(one.at("recording")).to_have_text("Recording, not your own run")
    expect(one.at("notice")).to_contain_text("The hall is full. While you wait, this is a recording")
    expect(one.at("status")).to_have_text("hall is full")
    one.until(lambda: one.update >= 12, "the recording plays")
    assert one.updates() == [], "not a word of it came over the socket"
    hall.lets_in()
    one.until(lambda: bool(one.updates()), "it is let in")
    expect(one.at("recording")).to_be_hidden()
    one.draws(5)
    assert one.updates()[0]["update"] == 1
    assert one.troubles == []


@contextmanager
def inside(server: Server) -> Iterator[None]:
    """Another viewer takes the place as soon as it is free."""
    while True:
        with viewer(server.ws) as other:
            try:
                other.open(play=False)
            except ConnectionClosed:
                continue
            yield
            return


def test_while_the_hall_is_full_a_run_of_ones_own_stays_and_what_is_changed_is_changed_when_it_goes_on(
    hall: Hall,
) -> None:
    hall.lets_in()
    one = hall.page
    one.page.set_viewport_size(DESK)
    one.draws(10)
    one.page.evaluate("wires.at(-1).close()")
    with inside(hall.server):
        expect(one.at("status")).to_have_text("hall is full")
        expect(one.at("notice")).to_contain_text("The hall is full")
        at = one.update
        expect(one.at("recording")).to_be_hidden()
        one.choose("learning_rate", 0.005)
        one.page.locator("#recipe-carry_state").click()
    one.until(lambda: any(each["type"] == "changed" for each in one.received), "it is made")
    one.draws(at + 5)
    came = {update["update"] for update in one.updates()}
    assert came == set(range(1, max(came) + 1)), "its own run went on"
    changed = [each for each in one.received if each["type"] == "changed"]
    fields = [(name, value) for each in changed for name, value in each.items() if name in Recipe.model_fields]
    assert sorted(fields) == [("carry_state", False), ("learning_rate", 0.005)], "each once"
    expect(one.page.locator("#recipe-learning_rate")).to_have_value("0.005")
    expect(one.page.locator("#recipe-carry_state")).not_to_be_checked()
    assert one.troubles == []
