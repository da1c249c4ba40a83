"""A run as the fragment of an address, which static/run/link.js reads and writes; docs/links.md describes it."""

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from playwright.sync_api import Browser
from pydantic import ValidationError

from app.protocol.predict import WarningCode
from app.protocol.refusal import Code, Refused
from app.protocol.tools import QrRequest
from app.protocol.train import MAX_TEXT_BYTES, Open
from model.play import FASTEST, SLOWEST
from model.recipe import LIVE_FIELDS, MOST_CHANGES, Change, Recipe

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "links.md").read_text("utf-8")
WORDS = {name: json.loads((ROOT / "static" / "i18n" / f"{name}.json").read_text("utf-8")) for name in ("en", "zh")}
DEFAULTS = Recipe().model_dump()
NOTHING = {"pace": None, "language": None, "theme": None, "hidden": [], "tour": None, "twin": None, "wrong": None}


InLink = Callable[..., Any]


@pytest.fixture(scope="module")
def in_link_js(browser: Browser, server_url: str) -> InLink:
    """Runs a script in an empty page, with static/run/link.js at hand as `link` and an argument as `given`."""
    page = browser.new_page()
    page.goto(server_url + "/healthz")

    def run(script: str, given: Any = None) -> Any:
        asked = "async (given) => { const link = await import('/static/run/link.js'); " + script + "}"
        return page.evaluate(asked, given)

    return run


def some_recipe(draw: random.Random) -> Recipe:
    """Any recipe that a server takes, with floats of many digits and a model's id that looks like a number."""
    shortest, fewest = sorted(draw.choices(range(1, 4), k=2)), sorted(draw.choices(range(1, 9), k=2))
    fields = {
        "seed": draw.choice([0, 1, 2**31 - 1, draw.randrange(2**31)]),
        "cell": draw.choice(["rnn", "gru", "lstm"]),
        "hidden_size": draw.randint(1, 128),
        "weights": draw.choice(["random", "sine", "1234567890123456", "12e4567890123456", "true"]),
        "train": draw.random() < 0.5,
        "optimizer": draw.choice(["adam", "sgd"]),
        "learning_rate": draw.choice([1e-5, 1.0, draw.uniform(1e-5, 1)]),
        "carry_state": draw.random() < 0.5,
        "shortest": shortest[0],
        "longest": shortest[1],
        "samples": draw.randint(4, 40),
        "sampling": draw.choice(["tutorial", "uniform"]),
        "fewest_streams": fewest[0],
        "most_streams": fewest[1],
        "noise": draw.choice([0.0, 1.0, draw.random() * 1e-6]),
        "stop_after": draw.choice([0, 1_000_000]),
    }
    kept = draw.sample(sorted(fields), draw.randint(0, len(fields)))
    for low, high in (("shortest", "longest"), ("fewest_streams", "most_streams")):
        if (low in kept) != (high in kept):
            kept = [name for name in kept if name not in (low, high)]
    return Recipe.model_validate({name: fields[name] for name in kept})


def some_link(draw: random.Random) -> dict[str, Any]:
    recipe = some_recipe(draw).model_dump()
    live = {"learning_rate": draw.uniform(1e-5, 1), "carry_state": draw.random() < 0.5, "train": draw.random() < 0.5}
    changes = [
        {name: live[name] for name in draw.sample(sorted(live), draw.randint(1, 3))} | {"after_update": update}
        for update in sorted(draw.sample(range(10_000), draw.choice([0, 0, 1, 5])))
    ]
    hidden = ["network", "recipe.noise", "transport.seed", "graphs", "wave.show-input"]
    return {
        "recipe": {name: value for name, value in recipe.items() if value != DEFAULTS[name]},
        "changes": changes,
        "pace": draw.choice([None, "max", 0.2, 1.7, 60]),
        "language": draw.choice([None, "en", "zh"]),
        "theme": draw.choice([None, "light", "dark"]),
        "hidden": draw.sample(hidden, draw.choice([0, 1, 4])),
        "tour": draw.choice([None, 1, 8]),
        "twin": draw.choice([None, "reset", "gru"]),
        "wrong": None,
    }


def test_what_is_written_is_read_again_and_is_what_the_server_takes(in_link_js: InLink) -> None:
    draw = random.Random(3)
    links = [some_link(draw) for _ in range(300)]
    assert live_fields_are_all_tried()
    read = in_link_js(
        """
        const [defaults, links] = given;
        return links.map((it) => {
          const state = {recipe: {...defaults, ...it.recipe}, changes: it.changes, pace: it.pace ?? 20};
          const hash = link.writeLink(state, {defaults, ...it});
          const typed = new URL('http://x/' + hash).hash; // as a browser keeps it
          return [hash, link.readLink(hash), link.readLink(typed), link.readLink(encodeURI(hash))];
        });
        """,
        [DEFAULTS, links],
    )
    for wanted, (fragment, *readings) in zip(links, read, strict=True):
        assert readings == [wanted] * 3, fragment
        opened = Open.model_validate_json(
            json.dumps({"type": "open", "recipe": wanted["recipe"], "changes": readings[0]["changes"]})
        )
        assert opened.recipe.model_dump() == DEFAULTS | wanted["recipe"]
        assert [change.model_dump() for change in opened.changes] == wanted["changes"]


def live_fields_are_all_tried() -> bool:
    return set(LIVE_FIELDS) == {"learning_rate", "carry_state", "train"}


def test_what_is_the_default_leaves_no_trace(in_link_js: InLink) -> None:
    fragment = in_link_js(
        "return link.writeLink({recipe: given, changes: [], pace: 20}, {defaults: given, language: null, hidden: []})",
        DEFAULTS,
    )
    assert fragment == ""
    empty = in_link_js("return ['', '#', '#wave-panel'].map(link.readLink)")
    assert empty == [{"recipe": {}, "changes": [], **NOTHING}] * 3


def test_changes_are_written_in_order_and_those_of_one_update_as_one(in_link_js: InLink) -> None:
    changes = [
        {"after_update": 31, "carry_state": False},
        {"after_update": 7, "learning_rate": 0.5},
        {"after_update": 31, "learning_rate": 0.1},
        {"after_update": 31, "learning_rate": 0.2},
    ]
    fragment = in_link_js(
        "return link.writeLink({recipe: {}, changes: given, pace: 20}, {defaults: {}})",
        changes,
    )
    assert fragment == "#change=7:learning_rate=0.5&change=31:carry_state=false,learning_rate=0.2"


@pytest.mark.parametrize(
    ("fragment", "key", "values"),
    [
        ("#seed=1&seed=2", "twice", {"name": "seed"}),
        ("#lang=fr", "word", {"name": "lang", "text": "fr", "words": "en, zh"}),
        ("#theme=blue", "word", {"name": "theme", "text": "blue", "words": "light, dark"}),
        ("#hide=a{}", "name", {"text": "a{}"}),
        ("#hide=a.b.c", "name", {"text": "a.b.c"}),
        ("#tour=0", "tour", {"text": "0", "last": 8}),
        ("#tour=9", "tour", {"text": "9", "last": 8}),
        ("#tour=two", "tour", {"text": "two", "last": 8}),
        ("#change=31", "change", {"text": "31"}),
        ("#change=-1:train=true", "change", {"text": "-1:train=true"}),
        ("#change=3:", "change", {"text": "3:"}),
        ("#change=3:train=true,,", "change", {"text": "3:train=true,,"}),
        ("#change=x:" + "a=1," * 99, "change", {"text": ("x:" + "a=1," * 99)[:60] + "…"}),
        (
            "#change=5:after_update=9,train=true",
            "change_twice",
            {"name": "after_update", "text": "5:after_update=9,train=true"},
        ),
        ("#change=5:train=true,train=false", "change_twice", {"name": "train", "text": "5:train=true,train=false"}),
        ("#change=1:train=true" + "&change=2:train=true" * 1000, "changes", {"most": 1000, "length": 1001}),
        ("#pace=900", "pace", {"slowest": 0.2, "fastest": 60, "text": "900"}),
        ("#pace=true", "pace", {"slowest": 0.2, "fastest": 60, "text": "true"}),
        ("#weights=" + "a" * 2**17, "long", {"most": 2**17, "length": 2**17 + 9}),
    ],
)
def test_what_is_wrong_in_the_link_itself_is_named(
    in_link_js: InLink,
    fragment: str,
    key: str,
    values: dict[str, Any],
) -> None:
    wrong = in_link_js("return link.readLink(given).wrong", fragment)
    assert wrong == {"key": f"link.wrong.{key}", "values": values}
    sentences = [WORDS[language][f"link.wrong.{key}"] for language in WORDS]
    assert [set(re.findall(r"\{(\w+)\}", sentence)) for sentence in sentences] == [set(values)] * 2


@pytest.mark.parametrize(
    "long", ["x{}=1&x{}=1", "lang={}", "theme={}", "hide={}", "hide=x.{}.x", "tour={}", "change={}", "pace={}"]
)
def test_what_a_sentence_repeats_of_a_link_is_sixty_characters_at_most(in_link_js: InLink, long: str) -> None:
    wrong = in_link_js("return link.readLink(given).wrong", "#" + long.replace("{}", "a" * 50_000))
    if wrong is None:
        assert long == "hide={}", "which the page refuses, as it knows the names"
        return
    (quoted,) = (value for value in wrong["values"].values() if "aaa" in str(value))
    assert len(quoted) == 61
    assert quoted.endswith("a…")


def test_the_bounds_that_the_page_knows_of_a_link_are_the_servers(in_link_js: InLink) -> None:
    assert in_link_js("return link.PACE") == {"slowest": SLOWEST, "fastest": FASTEST}
    assert in_link_js("return link.MOST_CHANGES") == MOST_CHANGES
    (most,) = (each.max_length for each in QrRequest.model_fields["text"].metadata if hasattr(each, "max_length"))
    assert f"MOST = {most};" in (ROOT / "static" / "link/share.js").read_text("utf-8")
    longest = in_link_js("return link.LONGEST")
    assert longest == MAX_TEXT_BYTES
    change = {"learning_rate": 0.0123456789012345678, "carry_state": False, "train": False}
    changes = [{"after_update": 2**53 - each, **change} for each in range(MOST_CHANGES)]
    state = {"recipe": {name: f"{value}x" for name, value in DEFAULTS.items()}, "changes": changes, "pace": "max"}
    written = in_link_js("return link.writeLink(given[0], {defaults: given[1]})", [state, DEFAULTS])
    assert len(written) < longest, "there is room for whatever is opened"


def test_names_that_objects_have_anyway_are_fields_like_any_other(in_link_js: InLink) -> None:
    asked = "return JSON.stringify(link.readLink('#__proto__=3&constructor=x&toString=1').recipe)"
    recipe = json.loads(in_link_js(asked))
    assert recipe == {"__proto__": 3, "constructor": "x", "toString": 1}, "for the server to refuse"


def test_the_guides_examples_are_read_as_it_says(in_link_js: InLink) -> None:
    examples = re.findall(r"^    (#\S+)$", GUIDE, re.M)
    assert len(examples) >= 3
    for fragment in examples:
        read = in_link_js("return link.readLink(given)", fragment)
        assert read["wrong"] is None, fragment
        Recipe.model_validate(read["recipe"])
        for change in read["changes"]:
            Change.model_validate(change)


# ---------------------------------------------------------------- the words of refusals


def test_every_code_has_its_words_and_no_other() -> None:
    beside = {"and", "whole", "other"}
    for language, table in WORDS.items():
        said = {key.split(".")[1] for key in table if re.fullmatch(r"code\.\w+", key)}
        assert said == set(get_args(Code)) | beside, language
        assert {key.split(".")[1] for key in table if key.startswith("warning.")} == set(get_args(WarningCode))


KNOWN = [
    ({"hidden_size": 99999}, "Hidden size: from 1 to 128, not 99999."),
    ({"hidden_size": 3.5}, "Hidden size: a whole number from 1 to 128, not 3.5."),
    ({"hidden_size": "abc"}, "Hidden size: a whole number from 1 to 128, not “abc”."),
    ({"seed": -1}, "Seed: from 0 to 2147483647, not -1."),
    ({"seed": "1" * 90}, f"Seed: a whole number from 0 to 2147483647, not “{'1' * 60}…”."),
    ({"learning_rate": 0}, "Learning rate: from 0.00001 to 1, not 0."),
    ({"learning_rate": "it's, not 1"}, "Learning rate: a number from 0.00001 to 1, not “it's, not 1”."),
    ({"cell": "tall"}, "Cell: one of rnn, gru, lstm, not “tall”."),
    ({"cell": 3}, "Cell: one of rnn, gru, lstm, not 3."),
    ({"train": "maybe"}, "Train: true or false, not “maybe”."),
    ({"weights": "A B"}, "Weights: this server has no model “A B”."),
    ({"foo": 3}, "There is no field “foo” in the recipe."),
    ({"constructor": 3}, "There is no field “constructor” in the recipe."),
    ({"a.b": "x, not y"}, "There is no field “a.b” in the recipe."),
    ({"shortest": 3, "longest": 2}, "Shortest chunk (3) must not exceed Longest chunk (2)."),
    (
        {"longest": 6, "samples": 40},
        "longest (6) times samples must stay within 120 time steps: too many for samples (40)",
    ),
]
KNOWN_OF_CHANGES = [
    ({"after_update": 5, "learning_rate": 7}, "Learning rate: from 0.00001 to 1, not 7."),
    ({"after_update": 5, "cell": "gru"}, "Cell: it restarts the run and cannot be changed on the way."),
    ({"after_update": 5, "foo": 1}, "There is no field “foo” in the recipe."),
    ({"after_update": 1e20, "train": True}, "changes.0.after_update: Input should be a valid integer, not 1e+20"),
]


def test_what_the_page_knows_of_the_recipe_it_says_in_its_own_words_and_no_other(in_link_js: InLink) -> None:
    asked = [{"recipe": recipe} for recipe, _ in KNOWN] + [{"changes": [change]} for change, _ in KNOWN_OF_CHANGES]
    problems = []
    for each in asked:
        with pytest.raises(ValidationError) as error:
            Open.model_validate_json(json.dumps({"type": "open", **each}))
        refused = Refused.of(error.value)
        problems.append({"code": refused.code, "field": refused.field, "detail": refused.detail})
    speak = """
        const { Words } = await import('/static/page/words.js');
        const schema = await (await fetch('/recipe/schema')).json();
        return Promise.all(['en', 'zh'].map(async (language) => {
          const words = new Words();
          await words.load(language);
          const before = given.map((problem) => words.refusal(problem));
          words.schema = schema;
          return [before, given.map((problem) => words.refusal(problem))];
        }));
    """
    (before, english), (_, chinese) = in_link_js(speak, problems)
    assert before == [problem["detail"] for problem in problems], (
        "the server's sentence, while the schema is on its way"
    )
    assert english == [sentence for _, sentence in KNOWN + KNOWN_OF_CHANGES]
    for problem, said in zip(problems, chinese, strict=True):
        is_known = problem["detail"] not in said
        assert is_known != said.endswith("）"), said
        assert not is_known or not re.search("[a-z]{3}", re.sub("“[^”]*”|true|false|rnn|gru|lstm", "", said)), said
    assert sum(problem["detail"] in said for problem, said in zip(problems, chinese, strict=True)) == 2


def test_english_says_what_the_server_says_and_chinese_puts_it_in_brackets() -> None:
    for name in (*get_args(Code), "other"):
        assert WORDS["en"][f"code.{name}"] == "{detail}"
        assert "{detail}" in WORDS["zh"][f"code.{name}"]
        assert not re.search("[a-z]{3}", WORDS["zh"][f"code.{name}"].replace("{detail}", "").replace("{field}", ""))
