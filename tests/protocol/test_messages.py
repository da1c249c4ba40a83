"""docs/protocol.md and the schema beside it say what the code does."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import orjson
import pytest

from app.protocol.refusal import Code
from app.protocol.train import protocol_schema, read_from_viewer, to_viewer
from app.protocol.updates import encode_updates
from model.learner import Learner
from model.recipe import Recipe

DOCS = Path(__file__).parents[2] / "docs"
PROTOCOL = (DOCS / "protocol.md").read_text("utf-8")
EXAMPLES = re.findall(r"```json (viewer|server)\n(.*?)\n```", PROTOCOL, re.DOTALL)


def kinds(schema: dict[str, Any]) -> set[str]:
    return set(schema["discriminator"]["mapping"])


@pytest.mark.parametrize(("who", "text"), EXAMPLES, ids=[text[:40] for _, text in EXAMPLES])
def test_every_example_in_the_protocol_is_a_message(who: str, text: str) -> None:
    (read_from_viewer if who == "viewer" else to_viewer).validate_json(text)


def test_every_message_has_an_example_in_the_protocol() -> None:
    shown = {(who, json.loads(text)["type"]) for who, text in EXAMPLES}
    assert shown == {("viewer", kind) for kind in kinds(read_from_viewer.json_schema())} | {
        ("server", kind) for kind in kinds(to_viewer.json_schema())
    }


def test_every_error_code_is_in_the_protocol_and_no_other() -> None:
    table = PROTOCOL.split("## Errors")[1].split("## Close codes")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(get_args(Code))


def test_the_committed_schema_is_current() -> None:
    assert json.loads((DOCS / "messages.schema.json").read_text("utf-8")) == protocol_schema(), "run `make schema`"


def test_update_messages_are_finite_shortest_float32() -> None:
    learner = Learner(Recipe())
    update = learner.advance()
    text = encode_updates([update])
    assert orjson.loads(text)["type"] == "updates"
    numbers = json.loads(text)["updates"][0]
    assert np.array(numbers["prediction"], np.float32).tobytes() == update.prediction.tobytes()
    assert max(len(repr(value)) for value in numbers["input"][0]) <= 14, "float32 in its shortest form"
    assert "hidden" not in numbers


def test_hidden_states_beyond_1_are_shown_as_1_and_never_wrap() -> None:
    update = Learner(Recipe(hidden_size=4)).advance({"hidden"})
    assert update.hidden is not None
    hidden = np.zeros_like(update.hidden)
    hidden[0, :2] = [[1.01, -1.01, 1.5, -3e4], [np.inf, -np.inf, np.nan, 0.5]]
    shown = json.loads(encode_updates([replace(update, hidden=hidden)]))["updates"][0]["hidden"]
    read = np.frombuffer(base64.b64decode(shown[0]), np.int8).reshape(hidden.shape[1:])
    assert read[:2].tolist() == [[127, -127, 127, -127], [127, -127, 0, 64]]
    assert not read[2:].any()
