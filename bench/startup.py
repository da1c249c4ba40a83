"""Seconds from the start of the process to 200 from /readyz, against `import torch, fastapi` alone."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.results import interleaved, ratio, record, spread
from bench.serving import command, ready

ROUNDS = 5
MOST = 1.25


def ours(build: Path | None = None) -> float:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"UNROLLED_MODELS_DIR": folder}
        began = perf_counter()
        with subprocess.Popen(command(build), cwd=build, env=environment, stdout=subprocess.PIPE, text=True) as process:
            ready(process)
            seconds = perf_counter() - began
            process.terminate()
    return seconds


def bare() -> float:
    began = perf_counter()
    code = "import torch, fastapi; print('imported', flush=True)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "imported\n"
        return perf_counter() - began


def measure(against: Path | None) -> bool:
    takes = [ours, bare, *([lambda: ours(against)] if against else [])]
    for take in takes:
        take()  # kernels are compiled by then, and files in the machine's cache
    our_seconds, bare_seconds, *others = interleaved(ROUNDS, *takes)
    times = ratio(our_seconds, bare_seconds)
    figures: dict[str, Any] = {
        "start to /readyz, s": spread(our_seconds, 2),
        "import torch, fastapi, s": spread(bare_seconds, 2),
        "ratio": times,
    }
    for other in others:
        figures |= {"the other build, s": spread(other, 2), "to the other build": ratio(our_seconds, other)}
    return record("startup", figures, f"at most {MOST} times the bare imports", times <= MOST)
