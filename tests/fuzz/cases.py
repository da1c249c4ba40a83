"""So many hostile checkpoints of one kind, each held to its verdict."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.blobs import good
from tests.fuzz.hostile import KINDS
from tests.fuzz.verdict import verdict


class Blob(bytes):
    """Bytes of which a failing test shows the beginning."""

    def __repr__(self) -> str:
        return f"{len(self)} bytes: {bytes(self[:1000])!r}"


def drawing(count: int, at_random: bool, **more: Any) -> settings:
    """So many cases, at random or the same each time. One that fails is made smaller, and can be made again."""
    return settings(
        max_examples=count,
        deadline=None,  # of a clock on the wall; whoever has a bound measures processor time
        database=None,
        derandomize=not at_random,
        print_blob=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        **more,
    )


def each(drawn: st.SearchStrategy[Any], count: int, at_random: bool, check: Callable[[Any], object]) -> None:
    """Hands `check` one case after the other."""

    @drawing(count, at_random)
    @given(drawn)
    def held(case: Any) -> None:
        check(case)

    held()


def outcomes(drawn: st.SearchStrategy[Any], count: int, at_random: bool, answer: Callable[[Any], str]) -> Counter[str]:
    """How often each answer came."""
    came: Counter[str] = Counter()
    each(drawn, count, at_random, lambda case: came.update([answer(case)]))
    return came


def hold(kind: str, count: int, at_random: bool) -> Counter[str]:
    """What became of them. Fewer than `count` where no more of this kind are found to differ."""
    good()  # made before the draws begin: it draws too
    return outcomes(KINDS[kind]().map(Blob), count, at_random, verdict)
