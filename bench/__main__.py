"""Run every benchmark in turn, or those that are named."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import (
    cluster,
    first_prediction,
    frames,
    hall,
    learner,
    many,
    memory,
    predict,
    probes,
    resuming,
    startup,
    streaming,
    table,
)
from bench.results import entries

TRAINING: dict[str, Callable[[Path | None], bool]] = {
    "learner": learner.measure,
    "streaming": streaming.measure,
    "many": many.measure,
    "hall": hall.measure,
    "memory": memory.measure,
    "resuming": resuming.measure,
    "startup": startup.measure,
}
"""What trains, and how soon: beside another build where one is named. All of them by the name of `training`."""

OTHERS: dict[str, Callable[[], bool]] = {
    "wide_hall": hall.wide,
    "first_prediction": first_prediction.measure,
    "frames": frames.measure,
    "predict": predict.measure,
    "probes": probes.measure,
    "hall_probes": hall.probes,
}

WHEN_NAMED: dict[str, Callable[[], bool]] = {"cluster": cluster.measure}
"""Those that need what `make bench` does not install: Ray."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    names = [*TRAINING, *OTHERS, *WHEN_NAMED]
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"training, for the first {len(TRAINING)} of: {', '.join(names)}"
    )
    parser.add_argument("--against", type=Path, help="another checkout, its .venv made, to measure training beside")
    asked = parser.parse_args(arguments)
    if unknown := [name for name in asked.names if name not in ("training", *names)]:
        parser.error(f"no benchmark {unknown[0]}; there are training, {', '.join(names)}")
    wanted = asked.names or [*TRAINING, *OTHERS]
    against = asked.against and asked.against.resolve()
    held = True
    before = len(entries())
    for name in (one for named in wanted for one in (TRAINING if named == "training" else (named,))):
        began = time.monotonic()
        held = (TRAINING[name](against) if name in TRAINING else (OTHERS | WHEN_NAMED)[name]()) and held
        print(f"    ({time.monotonic() - began:.0f} s)\n", flush=True)
    for line in table.lines(entries()[before:]):
        print(line)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
