"""docs/protocol.md and the schema beside it say what the code does."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import orjson
import pytest

from app.messages import Code, encode_updates, protocol_schema, read_from_viewer, to_viewer
from model.recipe import Recipe
from model.training import Learner

DOCS = Path(__file__).parent.parent / "docs"
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
