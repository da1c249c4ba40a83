"""What guests of a soak ask for, at random: runs of any shape, predictions of any shape, and mistakes."""

import json
import math
from random import Random
from typing import Any

PACES: tuple[float | str, ...] = (0.5, 2, 5, 20, 60, "max")
VIEWS = ("hidden", "gradient", "after", "graph")


def any_recipe(draw: Random) -> dict[str, Any]:
    samples = draw.randint(4, 40)
    longest = draw.randint(1, min(6, 120 // samples))
    most_streams = draw.choice((1, 1, 2, 3, 8))
    return {
        "seed": draw.randrange(2**31),
        "cell": draw.choice(("rnn", "gru", "lstm")),
        "hidden_size": round(2 ** draw.uniform(0, 7)),
        "optimizer": draw.choice(("adam", "sgd")),
        "learning_rate": 10 ** draw.uniform(-5, 0),
        "train": draw.random() < 0.9,
        "carry_state": draw.random() < 0.8,
        "shortest": draw.randint(1, longest),
        "longest": longest,
        "samples": samples,
        "sampling": draw.choice(("tutorial", "uniform")),
        "fewest_streams": draw.randint(1, most_streams),
        "most_streams": most_streams,
        "noise": draw.choice((0.0, 0.1, 1.0)),
        "stop_after": draw.choice((0, 0, 0, draw.randint(1, 100))),
    }


def diverging(draw: Random) -> dict[str, Any]:
    """A run that soon comes to a number which is none."""
    return {"seed": draw.randrange(2**31), "optimizer": "sgd", "learning_rate": 1.0, "hidden_size": 128}


def largest(draw: Random) -> dict[str, Any]:
    """A run that takes most memory: 0.8 MB."""
    return {"seed": draw.randrange(2**31), "cell": "lstm", "hidden_size": 128, "optimizer": "adam"}


def any_change(draw: Random) -> dict[str, Any]:
    return draw.choice(
        (
            {"learning_rate": 10 ** draw.uniform(-5, 0)},
            {"train": draw.random() < 0.7},
            {"carry_state": draw.random() < 0.7},
            {"learning_rate": 0.01, "carry_state": True},
        )
    )


def any_views(draw: Random) -> list[str]:
    return draw.sample(VIEWS, draw.randint(0, len(VIEWS)))


def any_mistake(draw: Random) -> str | bytes:
    """A message that is refused once."""
    return draw.choice(
        (
            "{",
            "[]",
            json.dumps({"type": "dance"}),
            json.dumps({"type": "seen"}),
            json.dumps({"type": "seen", "update": -1}),
            json.dumps({"type": "pace", "pace": 1000}),
            json.dumps({"type": "change", "learning_rate": 7}),
            json.dumps({"type": "change", "hidden_size": draw.randint(1, 128)}),
            json.dumps({"type": "open", "recipe": {"hidden_size": 129}}),
            json.dumps({"type": "open", "recipe": {"x" * draw.randint(1, 1000): 1}}),
            draw.randbytes(draw.randint(1, 100_000)),
        )
    )


def any_question(draw: Random) -> dict[str, Any]:
    """The body of a prediction request, now and then a bad one."""

    def sine(length: int) -> list[float]:
        return [round(math.sin(0.31 * at), 4) for at in range(length)]

    kind = draw.random()
    if kind < 0.05:
        return draw.choice(({}, {"sequence": []}, {"sequence": ["a"]}, {"sequence": [1e9]}, {"sequences": [[]]}))
    if kind < 0.5:
        return {"sequence": sine(round(10 ** draw.uniform(0, 4)))}
    return {"sequences": [sine(round(10 ** draw.uniform(0, 3))) for _ in range(draw.randint(1, 32))]}
