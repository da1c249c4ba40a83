"""`make soak`: a long soak, its verdict, and with --record the report on it."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.conftest import running
from tests.soak.curve import svg
from tests.soak.report import markdown
from tests.soak.soak import SEATS, Soaked, soak
from tests.soak.verdict import lacks, wrongs

DOCS = Path(__file__).parents[2] / "docs"
TOLD_SECONDS = 30.0


def main(minutes: float, seed: int, every: float, record: bool) -> int:
    print(f"{minutes:g} minutes, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), under=["env"], max_viewers=SEATS) as server:
        soaked = asyncio.run(soak(server, seed, minutes * 60, every, lacks, Progress()))
        log = server.log.read_text()
    wrong = wrongs(soaked, log)
    for name, count in sorted(soaked.tally.items()):
        print(f"{count:>9,} {name}")
    print(f"before     {soaked.idle}\nafterwards {soaked.empty}")
    for number, one in enumerate(soaked.trouble, 1):
        print(f"trouble {number}: {one}")
    if wrong:
        print(f"the server's log:\n{log[-5000:]}")
    print("\n".join(wrong) if wrong else "nothing is wrong")
    if record:
        (DOCS / "soak.svg").write_text(svg(soaked.readings))
        (DOCS / "soak.md").write_text(markdown(soaked, minutes, seed, wrong))
    return bool(wrong)


class Progress:
    """A line now and then."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, soaked: Soaked) -> None:
        if not soaked.readings or (now := soaked.readings[-1]).seconds < self._next:
            return
        self._next = now.seconds + TOLD_SECONDS
        print(
            f"{now.seconds / 60:5.1f} min  {now.resident:6.1f} MB  {now.threads} threads  {now.files} files  "
            f"{now.tasks} tasks  {now.viewers} viewers  {soaked.tally['visits']} visits  "
            f"{len(soaked.trouble)} troubles",
            flush=True,
        )


if __name__ == "__main__":
    asked = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    asked.add_argument("--minutes", type=float, default=20.0)
    asked.add_argument("--seed", type=int, default=7)
    asked.add_argument("--every", type=float, default=5.0, help="seconds from one look at the server to the next")
    asked.add_argument("--record", action="store_true", help="write docs/soak.svg and docs/soak.md")
    given = asked.parse_args()
    sys.exit(main(given.minutes, given.seed, given.every, given.record))
