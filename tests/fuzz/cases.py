"""So many hostile checkpoints of one kind, each held to its verdict."""

from collections import Counter

from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.blobs import good
from tests.fuzz.hostile import KINDS
from tests.fuzz.verdict import verdict


class Blob(bytes):
    """Bytes of which a failing test shows the beginning."""

    def __repr__(self) -> str:
        return f"{len(self)} bytes: {bytes(self[:1000])!r}"


def hold(kind: str, count: int, at_random: bool) -> Counter[str]:
    """What became of them. Fewer than `count` where no more of this kind are found to differ."""
    outcomes: Counter[str] = Counter()

    @settings(
        max_examples=count,
        deadline=None,  # of a clock on the wall; `verdict` measures processor time
        database=None,
        derandomize=not at_random,
        print_blob=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(KINDS[kind]().map(Blob))
    def held(blob: bytes) -> None:
        outcomes[verdict(blob)] += 1

    good()  # made before the draws begin: it draws too
    held()
    return outcomes
