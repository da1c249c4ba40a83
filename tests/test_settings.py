"""Settings: from the environment, bounded, and named when wrong."""

from typing import get_args

import pytest
from pydantic import ValidationError

from app.commands.mistake import Mistake, settings
from app.settings import FRAMEWORKS, Settings
from model.recipe import Framework


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(f"UNROLLED_{name.upper()}", raising=False)


def test_the_environment_decides(monkeypatch):
    monkeypatch.setenv("UNROLLED_PORT", "9000")
    monkeypatch.setenv("UNROLLED_ALLOWED_ORIGINS", "https://one.example/, https://two.example")
    settings = Settings()
    assert settings.port == 9000
    assert settings.allowed_origins == ("https://one.example", "https://two.example")
    assert settings.max_sequence == 10_000


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", "65536"), ("port", "x"), ("max_viewers", "0"), ("idle_seconds", "nan"), ("log_level", "loud")],
)
def test_a_value_out_of_bounds_stops_the_start(monkeypatch, name, value):
    monkeypatch.setenv(f"UNROLLED_{name.upper()}", value)
    with pytest.raises(ValidationError, match=name):
        Settings()


@pytest.mark.parametrize(
    ("said", "offered"),
    [
        ("compiled", ("compiled",)),
        (" torch, compiled,torch", ("compiled", "torch")),
        ("tensorflow,torch,compiled", FRAMEWORKS),
    ],
)
def test_the_operator_says_which_frameworks_are_offered(monkeypatch, said, offered):
    assert Settings().frameworks == FRAMEWORKS == get_args(Framework), "all, if nothing is said"
    monkeypatch.setenv("UNROLLED_FRAMEWORKS", said)
    assert Settings().frameworks == offered


@pytest.mark.parametrize("said", ["compiled,pytorch", "torch", "", "compiled,,torch", "Compiled"])
def test_a_framework_that_is_none_stops_the_start_and_the_three_are_named(monkeypatch, said):
    monkeypatch.setenv("UNROLLED_FRAMEWORKS", said)
    with pytest.raises(Mistake) as caught:
        settings()
    says = "Input should be some of compiled, torch, tensorflow, comma-separated, with compiled among them"
    assert str(caught.value) == f"UNROLLED_FRAMEWORKS: {says}, not {said!r}"


def test_every_setting_says_what_it_is():
    assert all(field.description for field in Settings.model_fields.values())
