"""What a recipe refuses, and what its schema tells the page."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from model.recipe import LIVE_FIELDS, Change, Recipe

SCHEMA = Recipe.model_json_schema()["properties"]


def test_defaults_are_the_dynamic_tutorial() -> None:
    recipe = Recipe()
    assert (recipe.seed, recipe.cell, recipe.hidden_size, recipe.learning_rate) == (1, "rnn", 32, 0.02)
    assert (recipe.shortest, recipe.longest, recipe.samples) == (1, 3, 10)


@pytest.mark.parametrize("name", SCHEMA)
def test_every_field_tells_title_help_unit_and_when_it_applies(name: str) -> None:
    field = SCHEMA[name]
    assert field["title"]
    assert len(re.findall(r"[.!?](?=\s|$)", field["description"])) == 2  # what it is; what it does to learning
    assert field["unit"] is not None
    assert (field["applies"] == "live") == (name in LIVE_FIELDS)
    assert "default" in field
    assert field["type"] in {"boolean", "string"} or {"minimum", "maximum"} <= field.keys()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"seed": True}, "seed"),
        ({"seed": "1"}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": -1}, "seed"),
        ({"train": 1}, "train"),
        ({"learning_rate": "0.1"}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"learning_rate": 1.1}, "learning_rate"),
        ({"hidden_size": 0}, "hidden_size"),
        ({"hidden_size": 129}, "hidden_size"),
        ({"cell": "relu"}, "cell"),
        ({"weights": "../etc"}, "weights"),
        ({"noise": float("inf")}, "noise"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_bad_field_is_refused_by_name(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate(fields)
    assert caught.value.errors()[0]["loc"] == (named,)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"shortest": 4}, ("shortest", "longest")),
        ({"fewest_streams": 2}, ("fewest_streams", "most_streams")),
        ({"longest": 6, "samples": 21}, ("longest", "samples")),
    ],
)
def test_fields_that_disagree_are_both_named_with_their_values(fields: dict[str, int], names: tuple[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate(fields)
    message = caught.value.errors()[0]["msg"]
    for name in names:
        assert f"{name} ({fields.get(name, getattr(Recipe(), name))})" in message


@given(st.integers(1, 6), st.integers(1, 6), st.integers(4, 40))
def test_no_accepted_recipe_has_chunks_over_120_time_steps(shortest: int, longest: int, samples: int) -> None:
    try:
        recipe = Recipe(shortest=shortest, longest=longest, samples=samples)
    except ValidationError:
        assert shortest > longest or longest * samples > 120
    else:
        assert recipe.longest * recipe.samples <= 120


def test_a_recipe_cannot_be_altered() -> None:
    with pytest.raises(ValidationError):
        Recipe().seed = 2  # type: ignore[misc]


def test_a_change_takes_live_fields_only_within_the_recipes_bounds() -> None:
    assert Change.model_validate({"after_update": 3, "learning_rate": 0.1}).fields() == {"learning_rate": 0.1}
    for bad in ({"seed": 2}, {"learning_rate": 2.0}, {"train": 1}, {"carry_state": "no"}, {}):
        with pytest.raises(ValidationError):
            Change.model_validate({"after_update": 3, **bad})


def test_a_change_is_written_without_what_it_does_not_set() -> None:
    change = Change.model_validate({"after_update": 3, "train": False})
    assert change.model_dump_json() == '{"train":false,"after_update":3}'


def test_live_fields_are_those_of_the_recipe() -> None:
    assert set(Change.model_fields) - {"after_update"} == LIVE_FIELDS == {"train", "learning_rate", "carry_state"}


def test_a_changed_recipe_is_a_new_one() -> None:
    before = Recipe()
    after = before.after(Change.model_validate({"after_update": 0, "carry_state": False}))
    assert before.carry_state
    assert after == before.model_copy(update={"carry_state": False})
