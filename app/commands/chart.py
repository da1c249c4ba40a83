"""A run as one self-contained page: its chunks played back, and its loss. The page of the browser's export."""

import html
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from model.floors import floors
from model.learner import Update
from model.recipe import Change, Recipe

STATIC = Path(__file__).parents[2] / "static"

DECIMALS = 4
"""Decimals of a sample: finer than a pixel."""

WORD = re.compile(r'say(?:=|\()"([\w.]+)"')
"""A word of the page that the player names."""


def page(updates: Sequence[Update], recipe: Recipe, changes: Sequence[Change] = ()) -> str:
    """The HTML of the page, about half a kB for each chunk. `updates` are in order, at least one.

    static/keep/animation.js does the same with what a browser has seen.
    """
    template = (STATIC / "player.html").read_text("utf-8")
    words: dict[str, str] = json.loads((STATIC / "i18n" / "en.json").read_text("utf-8"))
    run = _run(updates, recipe, changes, words)
    run["words"] = {key: words[key] for key in WORD.findall(template)}
    parts = {
        "lang": "en",
        "title": html.escape(f"Unrolled: {run['title']}"),
        "run": json.dumps(run, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda hole: parts[hole[1]], template)


def _run(updates: Sequence[Update], recipe: Recipe, changes: Sequence[Change], words: dict[str, str]) -> dict[str, Any]:
    def say(key: str, **values: object) -> str:
        return words[key].format(**values)

    def settings(fields: dict[str, object]) -> dict[str, str]:
        return {words[f"recipe.{name}"]: _shown(value) for name, value in fields.items()}

    first, last = (f"{update.update:,}" for update in (updates[0], updates[-1]))
    shown = settings(recipe.model_dump())
    for change in changes:
        fields = change.model_dump(exclude_none=True)
        after = fields.pop("after_update")
        listed = [f"{name} {value}" for name, value in settings(fields).items()]
        shown[say("player.change", update=f"{after:,}")] = words["keep.and"].join(listed)
    return {
        "title": say("player.title", cell=recipe.cell.upper(), hidden_size=recipe.hidden_size, seed=recipe.seed),
        "about": say("player.about", **{"from": first, "to": last, "date": f"{date.today():%Y-%m-%d}"}),
        "kept": say("player.kept", updates=f"{first}–{last}"),
        "recipe": shown,
        "floors": [
            {"loss": loss, "text": say(f"floor.{name}", loss=f"{loss:.3g}")}
            for name, loss in asdict(floors(recipe)).items()
            if loss
        ],
        "rows": {
            "update": [update.update for update in updates],
            "loss": [_five_digits(update.loss) for update in updates],
        },
        "chunks": [_chunk(update) for update in updates],
    }


def _chunk(update: Update) -> dict[str, Any]:
    def rows(values: Float32[np.ndarray, "streams time"]) -> list[list[float]]:
        exact: list[list[float]] = values.astype(np.float64).round(DECIMALS).tolist()
        return exact

    prediction = update.prediction if update.prediction_after is None else update.prediction_after
    return {
        "update": update.update,
        "length": update.length,
        "span": (update.t[0][[0, -1]] / np.pi).round(DECIMALS).tolist(),
        "loss": _five_digits(update.loss),
        "input": rows(update.input[:1]),
        "target": rows(update.target),
        "prediction": rows(prediction),
    }


def _five_digits(loss: float) -> float:
    return float(f"{loss:.5g}")


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
