"""Settings: from the environment, bounded, and named when wrong."""

import pytest
from pydantic import ValidationError

from app.settings import Settings


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


def test_every_setting_says_what_it_is():
    assert all(field.description for field in Settings.model_fields.values())
