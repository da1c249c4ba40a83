"""What the page keeps of its run, and what it hands out of it: CSV, JSON and an animation that needs no server."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, expect

from app.commands.chart import page as chart
from model.checkpoint import Checkpoint
from model.learner import Learner
from model.recipe import Change, Recipe
from tests.support.axe import AXE, RULES
from tests.support.display import cheap
from tests.support.keeping import comes_near, saves
from tests.support.ledger import LEDGER
from tests.support.node import folded
from tests.support.visits import PHONE, Visit, Visits


def test_the_ledger_keeps_every_update_seen_once_and_to_the_bit() -> None:
    script = """
      const {store, ledger} = begun();
      store.dispatch(updates(1, 3, {loss: 0.41000003, nodes: 12, milliseconds: {forward: 0.25, backward: 0.5}}));
      store.dispatch(updates(2, 5));
      store.dispatch({type: 'changed', after_update: 5, learning_rate: 0.01});
      store.dispatch(updates(6, 6, {prediction_after: [Array(10).fill(0.25)]}));
      const {rows} = ledger;
      return {
        update: numbers(rows), loss: column(rows, 'loss'), nodes: column(rows, 'nodes').map(String),
        took: column(rows, 'milliseconds')[2],
        chunks: ledger.chunks.map(({update}) => update), drawn: ledger.chunks[5].prediction[0],
      };
    """
    kept = folded(LEDGER + script)
    assert kept["update"] == kept["chunks"] == [1, 2, 3, 4, 5, 6]
    assert kept["loss"][:3] == [0.4100000262260437] * 3, "the float32 that the server's shortest form stands for"
    assert kept["nodes"] == ["12", "12", "12", "NaN", "NaN", "NaN"]
    assert kept["took"] == 0.75
    assert kept["drawn"] == 0.25


def test_the_ledger_begins_anew_with_each_run_and_rewrites_what_is_made_again() -> None:
    script = """
      const {store, ledger} = begun();
      store.dispatch(updates(1, 9));
      const kept = ledger.snapshot();
      store.dispatch(opened);
      const empty = ledger.rows.count;
      const other = begun();
      other.store.dispatch({type: 'opening', after: 6});
      other.store.dispatch({...opened, update: 6});
      other.ledger.restore(structuredClone(kept));
      other.store.dispatch(updates(7, 11, {loss: 0.5}));
      const {rows} = other.ledger;
      return {empty, update: numbers(rows), loss: column(rows, 'loss').slice(4, 8),
        chunks: other.ledger.chunks.map(({update}) => update),
        other: other.ledger.restore({...kept, format: 3}), count: rows.count};
    """
    kept = folded(LEDGER + script)
    assert kept["empty"] == 0
    assert kept["update"] == kept["chunks"] == list(range(1, 12))
    assert kept["loss"][2:] == [0.5, 0.5]
    assert kept["other"] is False, "another version's is left alone"
    assert kept["count"] == 11


def test_the_ledger_keeps_the_samples_of_the_first_chunks_and_of_the_newest_and_fewer_of_large_ones() -> None:
    script = """
      const {store, ledger} = begun();
      for (let from = 1; from < 1000; from += 250) store.dispatch(updates(from, from + 249));
      const large = begun();
      const wide = {length: 900, streams: 8, stream_ids: [...Array(8).keys()]};
      for (const name of ['t', 'input', 'target', 'prediction']) wide[name] = Array(8).fill(Array(900).fill(0.5));
      large.store.dispatch(updates(1, 9, wide));
      return {
        chunks: ledger.chunks.map(({update}) => update), kept: [FIRST_CHUNKS, NEWEST_CHUNKS],
        large: large.ledger.chunks.map(({update, input}) => [update, input.length]),
      };
    """
    kept = folded(LEDGER + script)
    first, newest = kept["kept"]
    assert kept["chunks"] == [*range(1, first + 1), *range(1001 - newest, 1001)]
    assert [update for update, _ in kept["large"]] == [1, 2, 8, 9]


def test_two_million_updates_are_kept_to_the_bit_and_of_a_longer_run_the_newest() -> None:
    script = """
      const rows = filled(1, 2_000_000);
      const whole = [rows.first, rows.last, rows.count];
      const right = rows.blocks.every(({from, count, columns}) =>
        columns.loss.every((loss, i) => loss === Math.fround(1 / (from + i))) && columns.loss.length === count);
      let least = Infinity;
      for (let update = 2_000_001; update <= 2_100_000; update += 1) {
        rows.write(update, row(update));
        least = Math.min(least, rows.count);
      }
      const {blocks} = rows;
      const columns = blocks.flatMap(({columns}) => Object.values(columns));
      const bytes = columns.reduce((sum, {byteLength}) => sum + byteLength, 0);
      return {whole, right, least, first: rows.first, from: blocks[0].from, last: rows.last, count: rows.count,
        block: BLOCK_ROWS, a_row: bytes / rows.count};
    """
    kept = folded(LEDGER + script)
    assert kept["whole"] == [1, 2_000_000, 2_000_000]
    assert kept["right"]
    assert kept["least"] >= 2_000_000
    assert kept["count"] <= 2_000_000 + 2 * kept["block"]
    assert kept["last"] == 2_100_000
    assert kept["first"] == kept["from"] == 2_100_001 - kept["count"]
    assert kept["a_row"] == 19


def test_blocks_of_rows_that_were_taken_stay_as_they_were_whatever_is_written_later() -> None:
    script = """
      const rows = filled(1, BLOCK_ROWS + 100);
      const [full, open] = rows.blocks;
      rows.write(BLOCK_ROWS + 101, row(BLOCK_ROWS + 101));
      const isSame = rows.blocks[0] === full;
      const counts = rows.blocks.map(({count}) => count);
      rows.goBackBefore(BLOCK_ROWS - 9);
      for (let again = BLOCK_ROWS - 9; again < BLOCK_ROWS + 5; again += 1) rows.write(again, {...row(again), loss: 7});
      const again = column(rows, 'loss');
      rows.write(BLOCK_ROWS + 50, row(BLOCK_ROWS + 50));
      return {isSame, isAnother: rows.blocks[0] !== full, counts, open: open.count, size: open.columns.loss.length,
        before: full.columns.loss.includes(7) || open.columns.loss.includes(7), again: again.length,
        sevens: again.filter((loss) => loss === 7).length, gap: rows.blocks.map(({from, count}) => [from, count])};
    """
    kept = folded(LEDGER + script)
    block = 16_384
    assert kept["isSame"], "what is full is not written again"
    assert kept["isAnother"], "what was made once more is"
    assert (kept["counts"], kept["open"], kept["size"]) == ([block, 101], 100, 100)
    assert kept["before"] is False
    assert (kept["again"], kept["sevens"]) == (block + 4, 14)
    assert kept["gap"] == [[1, block], [block + 1, 4], [block + 50, 1]]


def test_rows_go_on_where_a_kept_run_stood_and_what_an_earlier_page_kept_is_read() -> None:
    script = """
      const {store, ledger} = begun();
      store.dispatch(updates(1, 30));
      const kept = structuredClone(ledger.snapshot());
      const old = {format: 1, count: 30, first: kept.first, newest: kept.newest,
        columns: {...kept.blocks[0].columns, update: Float64Array.from({length: 30}, (_, i) => 1 + i)}};
      const goesOn = (snapshot) => {
        const other = begun();
        const taken = other.ledger.restore(snapshot);
        other.store.dispatch({type: 'opening', after: 0});
        other.store.dispatch({type: 'updates', updates: [chunk(31)]});
        return [taken, numbers(other.ledger.rows), column(other.ledger.rows, 'loss')];
      };
      const broken = structuredClone(kept);
      delete broken.blocks[0].columns.nodes;
      return {kept: goesOn(kept), old: goesOn(old), broken: begun().ledger.restore(broken)};
    """
    kept = folded(LEDGER + script)
    losses = np.array([1 / update for update in range(1, 31)], np.float32).tolist()
    for taken, numbers, values in (kept["kept"], kept["old"]):
        assert taken
        assert numbers[:30] == list(range(1, 31))
        assert values[:30] == losses
    assert kept["broken"] is False


def test_a_visitor_is_told_before_the_first_row_goes_and_once() -> None:
    script = """
      const {store, ledger} = begun();
      const nearly = 1_700_000;
      ledger.restore({format: 2, blocks: filled(1, nearly - 2).blocks, first: [], newest: []});
      const heard = async (update) => {
        store.dispatch({type: 'updates', updates: [chunk(update)]});
        await 0;
        return store.state.notice;
      };
      const before = await heard(nearly - 1);
      const told = await heard(nearly);
      store.dispatch({type: 'dismissed'});
      const after = await heard(nearly + 1);
      store.dispatch(opened);
      return {before, told, after, anew: [store.state.notice, ledger.rows.count]};
    """
    told = folded(LEDGER + script)
    assert told["before"] is None
    assert told["told"] == {"kind": "filling", "update": 2_000_001, "most": 2_000_000}
    assert told["after"] is None
    assert told["anew"] == [None, 0]


def test_how_a_run_stopped_is_not_talked_over() -> None:
    script = """
      let now = state.apply(state.initialState(), opened);
      now = state.apply(now, {type: 'diverged', update: 3, tensor: 'weight'});
      return state.apply(now, {type: 'news', notice: {kind: 'unkept', update: 3}}).notice.kind;
    """
    assert folded(script) == "diverged"


# ---------------------------------------------------------------- files


def floats(numbers: list[Any]) -> list[int]:
    """The bits of float32 numbers."""
    return np.array([float(number) for number in numbers], np.float32).view(np.uint32).tolist()


def test_csv_and_json_hold_every_update_seen_and_read_back_to_the_bit(visit: Visits) -> None:
    page = visit(prepare=cheap)
    page.draws(3)
    page.changes("learning_rate", 0.005)
    page.draws(page.update + 3)
    page.pauses()
    comes_near(page)
    seen = page.updates()
    expect(page.at("keep-seen")).to_contain_text(f"Updates 1 to {len(seen)}, ")
    changes = [message for message in page.received if message["type"] == "changed"]
    rates = [0.02 if update["update"] <= changes[0]["after_update"] else 0.005 for update in seen]

    name, data = saves(page, "keep-csv")
    assert name == f"unrolled-rnn-seed1-updates1-{len(seen)}.csv"
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert [int(row["update"]) for row in rows] == [update["update"] for update in seen]
    assert [int(row["length"]) for row in rows] == [update["length"] for update in seen]
    for column in ("loss", "mean_loss"):
        assert floats([row[column] for row in rows]) == floats([update[column] for update in seen])
        assert [row[column] for row in rows] == [repr(update[column]) for update in seen], "in its shortest form"
    assert [float(row["learning_rate"]) for row in rows] == rates

    name, data = saves(page, "keep-json")
    assert name == f"unrolled-rnn-seed1-updates1-{len(seen)}.json"
    export = json.loads(data)
    assert export["unrolled_export"] == 1
    assert export["recipe"] == page.opened()[0]["recipe"]
    assert [change["after_update"] for change in export["changes"]] == [change["after_update"] for change in changes]
    assert export["versions"] == page.opened()[0]["versions"]
    assert floats([row["loss"] for row in export["updates"]]) == floats([update["loss"] for update in seen])
    for chunk, update in zip(export["chunks"], seen, strict=True):
        names = ("update", "length", "stream_ids", "t", "input", "target", "prediction")
        assert {name: chunk[name] for name in names} == {name: update[name] for name in names}
    assert [row["streams"] for row in export["updates"]] == [update["streams"] for update in seen]


PIECES = """
  const pieces = [];
  globalThis.Blob = class extends Blob {
    constructor(parts, options) {
      super(parts, options);
      pieces.push(...parts.filter((part) => typeof part === 'string').map(({length}) => length));
    }
  };
  let clock = 0;
  globalThis.performance = {now: () => (clock += 0.01)};
"""
"""The lengths of all strings that a file is made of, and a clock by which a row takes a hundredth of a millisecond."""


def test_a_long_run_is_exported_in_pieces_while_it_goes_on_and_reads_back_to_the_bit(tmp_path: Path) -> None:
    script = f"""
      const {{writeFile}} = await import('node:fs/promises');
      const {{made}} = await import('/static/keep/export.js');
      {PIECES}
      const {{store, ledger}} = begun();
      const bits = Uint32Array.from({{length: 60_000}}, (_, i) => Math.imul(i + 1, 2654435761) >>> 9);
      const losses = new Float32Array(bits.map((bits) => bits | 0x3c000000).buffer);
      const of = (loss) => ({{...row(1), loss, mean_loss: loss / 3, milliseconds: NaN}});
      losses.forEach((loss, i) => ledger.rows.write(i + 1, of(loss)));
      const changes = [{{after_update: 50_000, learning_rate: 0.5}}];
      const run = {{...store.state, recipe: {{...store.state.recipe, carry_state: true, train: false}}, changes}};
      const shares = [];
      for (const kind of ['csv', 'json']) {{
        const file = await made(kind, ledger, run, null, '', (share) => {{
          shares.push(share);
          ledger.rows.write(ledger.rows.last + 1, row(1));
        }});
        await writeFile(`{tmp_path}/run.${{kind}}`, Buffer.from(await file.arrayBuffer()));
      }}
      const [first, last] = [shares[0], Math.max(...shares)];
      return {{longest: Math.max(...pieces), turns: shares.length, shares: [first, last], bits: [...bits]}};
    """
    made = folded(LEDGER + script)
    assert made["longest"] < 1_100_000
    assert made["turns"] > 100, "the page has its turn"
    assert 0 < made["shares"][0] < made["shares"][1] <= 1
    losses = np.array([bits | 0x3C000000 for bits in made["bits"]], np.uint32)
    means = (losses.view(np.float32).astype(np.float64) / 3).astype(np.float32).view(np.uint32)
    table = list(csv.DictReader(io.StringIO((tmp_path / "run.csv").read_text())))
    export = json.loads((tmp_path / "run.json").read_text())
    assert len(table) == 60_000, "what is seen while it is written is not in it"
    assert len(export["updates"]) > 60_000
    for rows in (table, export["updates"][:60_000]):
        assert [int(row["update"]) for row in rows] == list(range(1, 60_001))
        assert floats([row["loss"] for row in rows]) == losses.tolist()
        assert floats([row["mean_loss"] for row in rows]) == means.tolist()
        assert [float(rows[i]["learning_rate"]) for i in (0, 49_999, 50_000)] == [0.02, 0.02, 0.5]
    assert {row["milliseconds"] for row in table} == {""}


SLOW = """() => {
  let clock = performance.now();
  performance.now = () => (clock += 100);
  window.MessageChannel = class {
    port1 = {close: () => {}};
    port2 = {postMessage: () => setTimeout(() => this.port1.onmessage(), 40)};
  };
  window.said = [];
  const says = document.getElementById('keep-export-says');
  new MutationObserver(() => said.push(says.textContent)).observe(says, {childList: true});
}"""
"""By the page's clock a row takes longer than the page may write on, and its turn takes a while; and what is said."""


def test_how_far_a_long_export_is_is_said_in_a_few_steps(visit: Visits) -> None:
    page = visit(prepare=cheap)
    page.draws(30)
    last = page.pauses()
    comes_near(page)
    page.page.evaluate(SLOW)
    name, data = saves(page, "keep-csv")
    assert len(data.splitlines()) == last + 1
    expect(page.at("keep-export-says")).to_contain_text(f"Saved {name}, ")
    *steps, _ = page.page.evaluate("said")
    assert steps
    assert set(steps) <= {f"Writing {name}: {percent} %" for percent in range(10, 101, 10)}


def test_what_was_seen_and_the_newest_checkpoint_can_be_had_without_a_server(
    visit: Visits, start_server: Callable[..., Any]
) -> None:
    with start_server() as server:
        page = visit(server.url, prepare=cheap)
        page.draws(5)
        with page.page.expect_response("**/player.html"):
            comes_near(page)
        server.process.kill()
        expect(page.at("keep-use")).to_be_disabled()
        seen = [update["update"] for update in page.updates()]
        files = {}
        for kind in ("csv", "json", "animation"):
            name, files[kind] = saves(page, f"keep-{kind}")
            assert name.startswith(f"unrolled-rnn-seed1-updates1-{len(seen)}.")
        assert [int(row["update"]) for row in csv.DictReader(io.StringIO(files["csv"].decode()))] == seen
        assert [row["update"] for row in json.loads(files["json"])["updates"]] == seen
        player = page.context.new_page()
        player.set_content(files["animation"].decode())
        expect(player.locator("#at")).to_have_attribute("max", str(len(seen) - 1))
        player.close()
        name, data = saves(page)
        held = Checkpoint.from_bytes(data).run.update
        assert name == f"unrolled-rnn-seed1-update{held}.safetensors"
        assert held <= len(seen)
    page.page.close()  # it would try to connect again
    page.troubles[:] = [trouble for trouble in page.troubles if "WebSocket" not in trouble]


def test_the_animation_plays_from_a_file_and_asks_nobody(visit: Visits, server_url: str, tmp_path: Path) -> None:
    page = visit(server_url + "/#pace=60", prepare=cheap)
    page.draws(60)  # ten seconds to play
    resting = page.pauses()
    comes_near(page)
    for language, phone, title in (("en", False, "RNN, 32 units, seed 1"), ("zh", True, "RNN，32 个单元，种子 1")):
        page.page.locator(f"[data-language={language}]").click()
        expect(page.at("keep-animation")).to_have_text("Animation" if language == "en" else "动画")
        name, data = saves(page, "keep-animation")
        assert name == f"unrolled-rnn-seed1-updates1-{resting}.html"
        file = tmp_path / f"{language}.html"
        file.write_bytes(data)
        player = played(page, file, dark=phone, phone=phone)
        expect(player.locator("h1")).to_have_text(title)
        expect(player.locator("html")).to_have_attribute("lang", "en" if language == "en" else "zh-CN")
        update = player.locator("#update")
        play = player.locator("#play")
        expect(play).to_have_attribute("aria-label", "Pause" if language == "en" else "暂停")
        expect(update).not_to_have_text("1")
        player.keyboard.press("Space")
        expect(play).to_have_attribute("aria-label", "Play" if language == "en" else "播放")
        before = picture(player)
        player.locator("#at").fill("7")
        expect(update).to_have_text("8")
        assert picture(player) != before
        loss = next(each["loss"] for each in page.updates() if each["update"] == 8)
        expect(player.locator("#loss-now")).to_have_text(f"{loss:.4f}")
        expect(player.locator("#wave")).to_have_attribute("aria-label", re.compile(rf"{loss:.4f}"))
        player.locator("#at").blur()
        player.keyboard.press("ArrowRight")
        expect(update).to_have_text("9")
        player.locator("#speed").select_option("60")
        play.click()
        expect(update).to_have_text(str(resting))
        expect(play).to_have_attribute("aria-label", "Play" if language == "en" else "播放")
        player.locator("summary").click()
        expect(player.locator("#recipe")).to_contain_text("0.02")
        assert player.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert axe_finds(player) == []
        player.close()


def test_the_animation_of_a_long_run_thins_its_losses_over_the_whole_of_it() -> None:
    script = """
      const {drawn} = await import('/static/keep/animation.js');
      return [drawn(filled(1, 3000)), drawn(filled(1, 100_001))];
    """
    short, long = folded(LEDGER + script)
    assert short["update"] == list(range(1, 3001)), "each of a short run"
    assert len(long["update"]) <= 4000
    stride = long["update"][0]
    assert long["update"] == [*range(stride, 100_001, stride), 100_001]
    losses = np.array([1 / update for update in range(1, 100_002)])
    means = [part.mean() for part in np.split(losses, range(stride, 100_001, stride))]
    assert np.allclose(long["loss"], means, rtol=1e-4)
    for rows in (short, long):
        recent = [losses[max(0, update - 50) : update].mean() for update in rows["update"]]
        assert np.allclose(rows["mean"], recent, rtol=1e-4)


def test_an_animation_of_a_hostile_run_runs_nothing(browser: Browser, tmp_path: Path) -> None:
    script = """
      const {readFile} = await import('node:fs/promises');
      globalThis.document = {documentElement: {}, querySelectorAll: () => []};
      globalThis.fetch = async (path) => new Response(await readFile(new URL(path.replace('static/', ''), '/static/')));
      const {animation, playerOf} = await import('/static/keep/animation.js');
      const {Words} = await import('/static/page/words.js');
      const words = new Words();
      await words.load('en');
      const {store, ledger} = begun();
      store.dispatch(updates(1, 3));
      const evil = '</script><img src=x onerror="window.hurt = 1">{{run}}$&';
      const recipe = {...store.state.recipe, cell: evil, seed: evil, hidden_size: evil, [evil]: evil};
      return animation(ledger, {...store.state, recipe, floors: {}}, words, await playerOf());
    """
    file = tmp_path / "evil.html"
    file.write_text(folded(LEDGER + script), "utf-8")
    page = browser.new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(file.as_uri())
    expect(page.locator("#update")).to_have_text("3")
    expect(page.locator("h1")).to_contain_text('</SCRIPT><IMG SRC=X ONERROR="WINDOW.HURT = 1">{{RUN}}$&')
    assert page.evaluate("window.hurt") is None
    assert page.locator("img").count() == 0
    assert troubles == []
    page.close()


def test_the_chart_of_the_command_line_is_the_same_animation(browser: Browser, tmp_path: Path) -> None:
    change = Change.model_validate({"after_update": 4, "learning_rate": 0.005})
    learner = Learner(Recipe(seed=2, cell="gru", most_streams=3), changes=[change])
    updates = [learner.advance() for _ in range(9)]
    file = tmp_path / "run.html"
    file.write_text(chart(updates, learner.recipe, learner.changes), "utf-8")
    player = browser.new_page(reduced_motion="reduce")
    troubles: list[str] = []
    player.on("pageerror", lambda error: troubles.append(str(error)))
    player.goto(file.as_uri())
    expect(player.locator("h1")).to_have_text("GRU, 32 units, seed 2")
    expect(player.locator("#update")).to_have_text("9")  # nothing moves: it rests at its end
    expect(player.locator("#play")).to_have_attribute("aria-label", "Play")
    expect(player.locator("#loss-now")).to_have_text(f"{updates[-1].loss:.4f}")
    player.locator("summary").click()
    expect(player.locator("#recipe")).to_contain_text("After update 4")
    assert troubles == []
    player.close()


def played(visit: Visit, file: Path, dark: bool, phone: bool) -> Page:
    """The animation in a page of its own, which may load nothing but itself."""
    player = visit.context.new_page()
    player.set_viewport_size(PHONE if phone else {"width": 1440, "height": 900})
    player.emulate_media(color_scheme="dark" if dark else "light")
    for event in ("pageerror", "console"):
        player.on(event, lambda said: visit.troubles.append(str(said)))
    player.on("request", lambda request: request.url == file.as_uri() or visit.troubles.append(request.url))
    player.goto(file.as_uri())
    return player


def picture(player: Page) -> str:
    frame = "(done) => requestAnimationFrame(() => requestAnimationFrame(done))"
    return player.evaluate(f"async () => {{ await new Promise({frame}); return wave.toDataURL(); }}")


def axe_finds(player: Page) -> list[str]:
    player.evaluate(f"() => {{ {AXE} }}")
    script = "async (tags) => (await axe.run(document, {runOnly: tags})).violations.map(({id}) => id)"
    return player.evaluate(script, RULES)
