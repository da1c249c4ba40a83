"""The queue that all runs share: little is served soon, whatever others have asked for."""

from app.training.fair_queue import FORGET, FairQueue, Piece


def served(queue: FairQueue[str], seconds: dict[str, float], most: float = 0.0) -> list[str]:
    """Serve everything, each piece taking its owner's seconds."""
    order: list[str] = []
    while queue:
        for piece in queue.pop(9, most):
            order.append(piece.work)
            queue.charge(piece, seconds[piece.work])
    return order


def piece(name: str, weight: float = 1.0, seconds: float = 0.0, joins: bool = False) -> Piece[str]:
    return Piece(ord(name[0]), weight, name, seconds, joins)


def shares(weights: dict[str, float], costs: dict[str, float], rounds: int) -> dict[str, float]:
    """The seconds that each is given of so many pieces of work, where all always want more."""
    queue: FairQueue[str] = FairQueue()
    had = dict.fromkeys(weights, 0.0)
    for name, weight in weights.items():
        queue.push(piece(name, weight))
    for _ in range(rounds):
        (one,) = queue.pop(9, 0.0)
        had[one.work] += costs[one.work]
        queue.charge(one, costs[one.work])
        queue.push(piece(one.work, weights[one.work]))
    return had


def test_work_of_one_is_done_in_order() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(20):
        queue.push(piece(f"a{number}"))
    assert served(queue, {f"a{number}": 0.01 for number in range(20)}) == [f"a{number}" for number in range(20)]


def test_whoever_had_least_goes_first() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.push(piece("heavy"))
    served(queue, {"heavy": 0.05})
    for name in ("heavy", "light", "new"):
        queue.push(piece(name))
    assert served(queue, {"heavy": 0.05, "light": 0.01, "new": 0.01}) == ["light", "new", "heavy"]


def test_a_heavy_one_takes_no_more_than_its_share() -> None:
    had = shares({"a": 20, "b": 20, "heavy": 20}, {"a": 0.001, "b": 0.001, "heavy": 0.1}, 2000)
    assert had["heavy"] <= had["a"] + 0.1
    assert abs(had["a"] - had["b"]) < 0.002


def test_when_all_is_asked_for_it_goes_by_weight() -> None:
    had = shares({"slow": 5, "fast": 20, "max": 1}, dict.fromkeys(("slow", "fast", "max"), 0.001), 2600)
    assert abs(had["fast"] / had["slow"] - 4) < 0.05
    assert abs(had["slow"] / had["max"] - 5) < 0.1


def test_whoever_rested_has_no_claim_on_the_time_since() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(10):
        queue.push(piece("other"))
        served(queue, {"other": 0.01})
    had = []
    queue.push(piece("rested"))
    queue.push(piece("other"))
    for _ in range(20):
        (one,) = queue.pop(9, 0.0)
        had.append(one.work)
        queue.charge(one, 0.01)
        queue.push(piece(one.work))
    assert 9 <= had.count("other") <= 11


def test_what_joins_is_done_together_as_far_as_the_time_reaches() -> None:
    queue: FairQueue[str] = FairQueue()
    for name in "abcd":
        queue.push(piece(name, seconds=0.004, joins=True))
    assert [one.work for one in queue.pop(9, 0.013)] == ["a", "b", "c"]
    assert [one.work for one in queue.pop(9, 0.013)] == ["d"]
    for name in "abcd":
        queue.push(piece(name, joins=True))
    assert [one.work for one in queue.pop(3, 0.013)] == ["a", "b", "c"]


def test_a_heavy_one_holds_up_none_of_those_who_join_before_it() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.push(piece("a", seconds=0.001, joins=True))
    queue.push(piece("heavy", seconds=0.2, joins=True))
    queue.push(piece("b", seconds=0.001, joins=True))
    assert [one.work for one in queue.pop(9, 0.016)] == ["a"]
    assert [one.work for one in queue.pop(9, 0.016)] == ["heavy"]


def test_who_has_had_more_than_its_share_joins_nobody_until_that_is_made_up_for() -> None:
    queue: FairQueue[str] = FairQueue()
    had = dict.fromkeys("hl", 0.0)
    costs = {"h": 0.02, "l": 0.001}
    for name in "hl":
        queue.push(piece(name, seconds=costs[name], joins=True))
    for _ in range(600):
        for one in queue.pop(9, 0.05):
            had[one.work] += costs[one.work]
            queue.charge(one, costs[one.work])
            queue.push(piece(one.work, seconds=costs[one.work], joins=True))
    assert abs(had["h"] - had["l"]) <= 0.05 + 0.02, "one of each together would give the heavy one twenty times as much"


def test_what_joins_nothing_is_done_alone() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.push(piece("a"))
    queue.push(piece("b", joins=True))
    queue.push(piece("c"))
    assert [[one.work for one in queue.pop(9, 1.0)] for _ in range(3)] == [["a"], ["b"], ["c"]]


def test_owners_who_have_gone_are_forgotten() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(10 * FORGET):
        queue.push(Piece(number, 1.0, "once"))
        (one,) = queue.pop(9, 0.0)
        queue.charge(one, 0.001)
        queue.push(Piece(-1, 1.0, "always"))
        (one,) = queue.pop(9, 0.0)
        queue.charge(one, 0.002)
    assert queue.owners <= 2 * FORGET
