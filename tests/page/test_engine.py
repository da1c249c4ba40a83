"""Which engine makes the run: the place that says so, the other one as its twin, and what needs PyTorch."""

import json
import re
import statistics
from typing import Any

from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.support.ear import Ear
from tests.support.node import folded
from tests.support.stations import STATIONS
from tests.support.visits import Visit, Visits
from tests.support.words import WORDS

GRAPH_STATIONS = ["lengths", "gradient", "odometer"]
"""Those whose words speak of PyTorch's graph."""

WITHHELD = "The operator of this server offers the compiled kernel alone."

COMPARED = re.compile(
    r"Over the last (?P<count>\d+) updates of both, the predictions of PyTorch are at most (?P<prediction>[\d.e+-]+) "
    r"away, its losses at most (?P<loss>[\d.e+-]+): .*The median update takes (?P<faster>the compiled kernel|PyTorch) "
    r"(?P<less>[\d.e-]+) ms and (?P<slower>the compiled kernel|PyTorch) (?P<more>[\d.e-]+) ms: "
    r"(?P<ratio>[\d.e+]+) times"
)


def frameworks(page: Visit) -> list[str]:
    return [message["recipe"]["framework"] for message in page.opened()]


def offered(page: Visit) -> list[str]:
    return page.page.eval_on_selector_all("#twin option", "options => options.map(({value}) => value)")


def without_torch(route: Route) -> None:
    """The recipe's schema as of a server whose operator withholds PyTorch."""
    schema = route.fetch().json()
    schema["properties"]["framework"]["missing"]["torch"] = WITHHELD
    route.fulfill(json=schema)


# ---------------------------------------------------------------- what the page says


def test_the_page_says_which_engine_makes_the_run(page: Visit) -> None:
    page.draws(1)
    says = page.at("engine-says")
    expect(says).to_have_text(WORDS["en"]["engine.compiled"])
    expect(page.at("engine-beside")).to_have_text("Compare with PyTorch")
    expect(page.page.locator("#network-as-printed")).to_be_visible()
    page.speaks("zh")
    expect(says).to_have_text(WORDS["zh"]["engine.compiled"])
    page.speaks("en")
    page.opens("framework=torch")
    expect(says).to_have_text(WORDS["en"]["engine.torch"])
    expect(page.at("engine-beside")).to_have_text("Compare with the compiled kernel")
    expect(page.page.locator("#network-as-printed")).to_be_hidden()
    expect(page.at("engine-apart")).to_be_hidden()


def test_the_recipe_names_its_three_frameworks(page: Visit) -> None:
    page.draws(1)
    names = page.page.locator("[data-field=framework] label")
    expect(names).to_have_text(["compiled", "PyTorch", "TensorFlow"])
    page.speaks("zh")
    expect(names).to_have_text(["编译", "PyTorch", "TensorFlow"])
    field = page.page.locator("[data-field=framework]")
    name, choices = (field.locator(part).bounding_box() for part in (".name", ".segmented"))
    assert name is not None
    assert choices is not None
    assert name["y"] + name["height"] <= choices["y"] + 1, "the choices stand under the name, not over it"


def test_one_click_has_the_other_engine_make_the_run_too_and_another_ends_it(page: Visit) -> None:
    page.draws(2)
    page.at("engine-beside").click()
    page.until(lambda: frameworks(page)[1:] == ["compiled", "torch"], "the run begins anew, and PyTorch's with it")
    first, other = [message["recipe"] for message in page.opened()[1:]]
    assert other == first | {"framework": "torch"}
    expect(page.at("twin")).to_have_value("torch")
    page.until(lambda: "twin=torch" in page.page.url, "the address says so")
    expect(page.at("engine-apart")).to_contain_text("updates of both, the predictions of PyTorch")
    page.at("engine-beside").click()
    expect(page.at("twin")).to_have_value("")
    expect(page.at("engine-apart")).to_be_hidden()
    expect(page.at("engine-beside")).to_have_text("Compare with PyTorch")


def test_a_run_of_pytorchs_is_compared_with_the_compiled_kernel(page: Visit) -> None:
    page.opens("framework=torch&twin=compiled")
    page.until(lambda: frameworks(page) == ["torch", "compiled"], "both are open")
    expect(page.at("engine-apart")).to_contain_text("the predictions of the compiled kernel are at most")


# ---------------------------------------------------------------- how far apart, how much faster


def test_how_far_apart_the_engines_are_and_what_each_takes_come_from_the_messages_of_both(page: Visit) -> None:
    ear = Ear(page)
    page.opens("twin=torch&stop_after=25&pace=60&cell=gru")
    page.until(lambda: len(ear.losses()) == 25, "the twin is done")
    page.draws(25)
    expect(page.at("engine-apart")).to_contain_text("Over the last 25 updates")
    other = {update["update"]: update for update in ear.updates()}
    one = {update["update"]: update for update in page.updates() if update not in ear.updates()}
    assert sorted(one) == sorted(other) == list(range(1, 26))

    def furthest(values: Any) -> float:
        return max(abs(a - b) for at in one for a, b in zip(values(one[at]), values(other[at]), strict=True))

    def median(updates: dict[int, dict[str, Any]]) -> float:
        return statistics.median(sum(update["milliseconds"].values()) for update in updates.values())

    told = COMPARED.match(page.at("engine-apart").inner_text())
    assert told, page.at("engine-apart").inner_text()
    spent = {"the compiled kernel": median(one), "PyTorch": median(other)}
    faster, slower = sorted(spent, key=spent.__getitem__)
    assert (told["faster"], told["slower"]) == (faster, slower)
    wanted = {
        "prediction": furthest(lambda update: update["prediction"][0]),
        "loss": furthest(lambda update: [update["loss"]]),
        "less": spent[faster],
        "more": spent[slower],
        "ratio": spent[slower] / spent[faster],
    }
    assert wanted["prediction"] > 0
    for name, value in wanted.items():
        assert abs(float(told[name]) - value) <= 0.051 * value, f"{name}: {told[name]}, {value}"


def test_too_few_updates_of_both_are_said_to_be_too_few(page: Visit) -> None:
    page.opens("twin=torch&stop_after=1")
    page.until(lambda: frameworks(page) == ["compiled", "torch"], "both are open")
    page.until(lambda: [message["type"] for message in page.received].count("finished") == 2, "both rest")
    expect(page.at("engine-apart")).to_have_text("Not enough updates of both yet to hold PyTorch against it.")


def test_only_updates_that_both_have_are_compared() -> None:
    found = folded("""
      const { comparison } = await import('/static/controls/comparison.js');
      const made = (update, off, ...parts) => ({update, prediction: [[0, 1], [off, 2]], loss: 1 + off / 2,
        milliseconds: Object.fromEntries(parts.map((part, i) => [i, part]))});
      const first = [made(1, 9, 9), made(2, 0, 1, 1), made(3, 0.5, 1, 2), made(4, 0, 4)];
      const other = [made(2, 0.25, 10), made(3, 0.25, 10, 20), made(4, -0.5, 50), made(5, 9, 9)];
      return [comparison(first, other), comparison(first, other.slice(0, 2)), comparison(first, other.slice(0, 1))];
    """)
    assert found[0] == {"count": 3, "prediction": 0.5, "loss": 0.25, "milliseconds": [3, 30]}
    assert found[1] == {"count": 2, "prediction": 0.25, "loss": 0.125, "milliseconds": [2.5, 20]}
    assert found[2] is None


def test_the_other_engine_is_a_choice_of_a_twin_where_there_is_one_and_the_server_has_it() -> None:
    found = folded("""
      const { choices } = await import('/static/run/choices.js');
      const recipe = (framework) => ({framework, carry_state: true, shortest: 1, longest: 3, cell: 'rnn',
        learning_rate: 0.02, sampling: 'tutorial'});
      const engines = (...given) => choices(...given).filter(({differs}) => differs.framework);
      return [engines(recipe('compiled')), engines(recipe('torch')), engines(recipe('tensorflow')),
        engines(recipe('compiled'), (framework) => framework !== 'torch')];
    """)
    assert found == [
        [{"id": "torch", "differs": {"framework": "torch"}}],
        [{"id": "compiled", "differs": {"framework": "compiled"}}],
        [],
        [],
    ]


# ---------------------------------------------------------------- what only PyTorch has


def test_slow_motion_of_a_compiled_run_offers_the_same_run_with_pytorch(page: Visit) -> None:
    page.opens("seed=5&change=3:learning_rate=0.005")
    page.draws(4)
    page.page.locator("#happening").scroll_into_view_if_needed()
    expect(page.at("slow-says")).to_contain_text("this run is the compiled kernel's. With PyTorch it begins anew")
    expect(page.at("slow-start")).to_be_hidden()
    page.page.keyboard.press("s")
    expect(page.at("slow-torch")).to_be_focused()
    assert [message for message in page.sent if message["type"] == "step"] == []
    before = page.opened()[-1]
    page.page.keyboard.press("Enter")
    page.until(lambda: frameworks(page)[-1] == "torch", "PyTorch's run")
    assert page.opened()[-1]["recipe"] == before["recipe"] | {"framework": "torch"}
    assert page.opened()[-1]["changes"] == before["changes"] == [{"after_update": 3, "learning_rate": 0.005}]
    expect(page.at("slow-torch")).to_be_hidden()
    expect(page.at("slow-start")).to_be_enabled()
    expect(page.at("slow-start")).to_be_focused()


def test_the_detach_lesson_of_a_compiled_run_is_pytorchs_and_says_so(page: Visit) -> None:
    asked: list[dict[str, Any]] = []
    page.page.on("request", lambda request: request.url.endswith("detach") and asked.append(request.post_data_json))
    page.page.emulate_media(reduced_motion="reduce")
    page.opens("seed=6")
    page.draws(2)
    page.page.locator("#detach").scroll_into_view_if_needed()
    page.at("detach-switch").click()
    expect(page.at("detach-says")).to_contain_text(WORDS["en"]["detach.ran.aside"])
    expect(page.at("detach-says")).to_contain_text("PyTorch 2.")
    assert [each["recipe"]["framework"] for each in asked] == ["torch"]
    assert frameworks(page) == ["compiled"], "the run itself goes on"
    page.at("detach-switch").click()


def test_the_stations_that_speak_of_the_graph_run_pytorch(page: Visit) -> None:
    page.draws(1)
    expect(page.page.locator(".about-button").first).to_be_visible()
    page.at("tour").click()
    for number, name in enumerate(STATIONS, 1):
        page.until(lambda: len(frameworks(page)) == number + 1, f"the run of {name}")  # noqa: B023
        page.at("tour-next").click()
    ran = dict(zip(STATIONS, frameworks(page)[1:], strict=False))
    assert ran == {name: "torch" if name in GRAPH_STATIONS else "compiled" for name in STATIONS}


def test_a_server_without_pytorch_says_so_wherever_it_would_be_asked_for(visit: Visits) -> None:
    page = visit(charts=False, prepare=lambda page: page.route("**/recipe/schema", without_torch))
    page.draws(1)
    says = f"PyTorch is not offered on this server. {WITHHELD}"
    endless = page.page.locator("[data-preset=endless]")
    expect(endless).to_have_attribute("aria-pressed", "true")  # from now on the caption is the pointer's
    expect(endless).to_have_attribute("aria-disabled", "false")
    for preset in ("static", "dynamic"):
        button = page.page.locator(f"[data-preset={preset}]")
        expect(button).to_have_attribute("aria-disabled", "true")
        expect(button).to_have_attribute("title", says)
        button.click(force=True)
        expect(page.page.locator("#preset-caption")).to_have_text(says)
    expect(page.at("engine-says")).to_contain_text(says)
    expect(page.at("engine-beside")).to_be_hidden()
    assert "torch" not in offered(page)
    page.page.locator("#happening").scroll_into_view_if_needed()
    expect(page.at("slow-says")).to_contain_text(says)
    expect(page.at("slow-torch")).to_be_hidden()
    assert frameworks(page) == ["compiled"]
    page.opens("tour=6")
    page.at("tour-next").click()
    expect(page.at("tour-card")).to_have_attribute("data-station", "diverge")
    page.at("tour-close").click()
    page.at("tour").click()
    page.at("tour-next").click()
    expect(page.at("tour-card")).to_have_attribute("data-station", "lengths")
    page.at("tour-close").click()
    asked = [message["recipe"].get("framework") for message in page.sent if "recipe" in message]
    assert len(asked) > 3
    assert "torch" not in asked
    page.page.evaluate("location.hash = 'twin=torch'")
    expect(page.at("notice")).to_contain_text("twin: there is no “torch”; there are reset")


def test_a_framework_that_can_be_installed_is_told_how(visit: Visits) -> None:
    def without_tensorflow(route: Route) -> None:
        schema = route.fetch().json()
        schema["properties"]["framework"]["missing"] = {"tensorflow": "pip install 'unrolled[tensorflow]'"}
        route.fulfill(body=json.dumps(schema), content_type="application/json")

    page = visit(charts=False, prepare=lambda page: page.route("**/recipe/schema", without_tensorflow))
    page.draws(1)
    page.page.locator("[data-preset=tensorflow]").focus()
    expect(page.page.locator("#preset-caption")).to_have_text(
        "TensorFlow is not installed on this server. To have it: pip install 'unrolled[tensorflow]'"
    )


def test_a_server_that_does_not_offer_the_runs_framework_leaves_its_checkpoint_in_the_tab(
    visit: Visits, server_url: str
) -> None:
    sockets: list[WebSocketRoute] = []
    heard: list[dict[str, Any]] = []

    def answers(socket: WebSocketRoute) -> None:
        """The first is the server's; whoever comes again is refused."""
        sockets.append(socket)
        if len(sockets) == 1:
            socket.connect_to_server()
        else:
            socket.on_message(lambda text: isinstance(text, str) and refuses(socket, json.loads(text)))

    def refuses(socket: WebSocketRoute, message: dict[str, Any]) -> None:
        heard.append(message)
        refusal = {"code": "not_offered", "field": "recipe.framework", "detail": "torch is not offered here"}
        if message["type"] == "open":
            socket.send(json.dumps({"type": "error", "tag": message["tag"], **refusal}))

    def prepare(page: Page) -> None:
        page.route_web_socket("**/ws/train", answers)

    page = visit(server_url + "/#framework=torch", charts=False, prepare=prepare)
    page.until(lambda: page.update > 2, "it runs")
    sockets[0].close(code=1012)
    expect(page.at("notice")).to_contain_text("torch is not offered here")
    expect(page.at("status")).to_have_text("refused")
    assert [message["resume"] for message in heard if message["type"] == "open"] == [True], "nothing is begun anew"
    assert page.update > 2


def test_a_run_that_an_older_page_kept_as_torch_is_the_compiled_kernels() -> None:
    script = """
      const { renamed } = await import('/static/earlier/runs.js');
      const shown = {update: 5, recipe: {framework: 'torch', seed: 3}, current: {framework: 'torch', seed: 3}};
      const other = {...shown, recipe: {framework: 'tensorflow'}, current: {framework: 'tensorflow'}};
      const twin = {id: 'gru', shown};
      return [1, 2].map((format) => [renamed({format, shown, twin}), renamed({format, shown: other, twin: null})]);
    """
    (old, tensorflow), (new, _) = folded(script)
    assert old["shown"] == {
        "update": 5,
        **{name: {"framework": "compiled", "seed": 3} for name in ("recipe", "current")},
    }
    assert old["twin"] == {"id": "gru", "shown": old["shown"]}
    assert tensorflow["shown"]["recipe"] == {"framework": "tensorflow"}
    assert new["shown"]["recipe"]["framework"] == new["twin"]["shown"]["current"]["framework"] == "torch"
