"""Run every benchmark in turn, or those that are named."""

import sys
import time

from bench import (
    cluster,
    first_prediction,
    fleet,
    frames,
    hall,
    learner,
    memory,
    predict,
    probes,
    resuming,
    startup,
    streaming,
    table,
)
from bench.results import entries

ALL = {
    "learner": learner.measure,
    "streaming": streaming.measure,
    "fleet": fleet.measure,
    "hall": hall.measure,
    "memory": memory.measure,
    "resuming": resuming.measure,
    "startup": startup.measure,
    "first_prediction": first_prediction.measure,
    "frames": frames.measure,
    "predict": predict.measure,
    "probes": probes.measure,
    "hall_probes": hall.probes,
}

WHEN_NAMED = {"cluster": cluster.measure}
"""Those that need what `make bench` does not install: Ray."""


def main(names: list[str]) -> int:
    known = ALL | WHEN_NAMED
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"no benchmark {unknown[0]}; there are {', '.join(known)}")
    held = True
    before = len(entries())
    for name in names or ALL:
        began = time.monotonic()
        held = known[name]() and held
        print(f"    ({time.monotonic() - began:.0f} s)\n", flush=True)
    for line in table.lines(entries()[before:]):
        print(line)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
