"""Where an update's time goes: `python -m bench.split`, for one viewer at pace max and for a mixed hall at 20/s.

Training is timed part by part in this process. A sampling profiler gave the kernel's time to the line that follows it.
The event loop is a server's own, looked at by py-spy, which pip installs and nothing else here needs.
"""

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence, Set
from pathlib import Path
from time import perf_counter
from typing import Any

from app.training import turns
from app.training.child import Frames, framed
from app.training.orders import Advance, Begin, Done
from app.training.runs import Runs
from bench.crowd import recipe
from bench.hall import PACE, hall
from bench.processes import cpu_seconds, family
from model.compiled import program
from model.learner import Learner
from model.play import View
from model.recipe import Recipe
from model.signal import Signal

UPDATES = 6000
TOGETHER = 64
SECONDS, WARM_SECONDS = 6, 3
SAMPLES = 250
"""A second."""

PLACES = (
    ("orders to and fro", ("app/training/",)),
    ("encoding", ("app/protocol/",)),
    ("pacing and playing", ("app/live/playback.py", "app/live/pacing.py", "app/live/alarm.py")),
    ("sending", ("send",)),
    ("hearing", ("receive", "data_received", "feed", "inbox.py", "validate_json")),
    ("a viewer's tasks else", ("app/",)),
    ("the loop itself", ("asyncio/",)),
)
"""Names, and what in a frame of a stack says so; a frame nearer to what runs decides before those that called it."""

IDLE = "_worker (", "threading.py"
"""Frames of threads that only wait."""


class Timers:
    """Seconds in functions, those that they call included."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def __call__(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """That function, timed under this name."""

        def timed(*arguments: Any) -> Any:
            began = perf_counter()
            try:
                return function(*arguments)
            finally:
                self.seconds[name] += perf_counter() - began

        return timed


def training(viewers: int, most: int, mixed: bool, views: Set[View] = frozenset()) -> dict[str, float]:
    """Microseconds of an update in each part, `most` updates to an order."""
    timers = Timers()
    kept = program.kernel, Signal.next, Learner.advance, program.CompiledProgram.run, turns.encode_update
    program.kernel = lambda *which: timers("kernel", kept[0](*which))  # type: ignore[assignment]
    Signal.next = timers("draw", kept[1])  # type: ignore[method-assign]
    Learner.advance = timers("advance", kept[2])  # type: ignore[method-assign]
    program.CompiledProgram.run = timers("run", kept[3])  # type: ignore[method-assign]
    turns.encode_update = timers("encode", kept[4])
    try:
        made = _trained(timers, viewers, most, mixed, views)
    finally:
        program.kernel, Signal.next, Learner.advance, program.CompiledProgram.run, turns.encode_update = kept  # type: ignore[method-assign]
    each = {name: 1e6 * seconds / made for name, seconds in timers.seconds.items()}
    return {
        "drawing the chunk": each["draw"],
        "kernel": each["kernel"],
        "packing": each["run"] - each["kernel"],
        "making the update else": each["advance"] - each["run"] - each["draw"],
        "encoding": each["encode"],
        "turns": each["tick"] - each["advance"] - each["encode"],
        "orders to and fro, both sides": each["carry"],
    }


def _trained(timers: Timers, viewers: int, most: int, mixed: bool, views: Set[View]) -> int:
    """Have all of these runs advanced, as the training process would. How many updates count."""
    runs = Runs()
    for number in range(viewers):
        runs.carry_out(Begin(number, 0, 1.0, number, Recipe.model_validate(recipe(number, mixed)), None, ()))

    def carried(message: Any) -> Any:
        return Frames().feed(framed(message))[0]

    carry = timers("carry", carried)
    made = 0
    for rounds in (2, max(1, UPDATES // (viewers * most))):  # what comes first warms up
        timers.seconds.clear()
        made = rounds * viewers * most
        for _ in range(rounds):
            for first in range(0, viewers, TOGETHER):
                numbers = range(first, min(viewers, first + TOGETHER))
                _, orders = carry(([], [Advance(one, 0, 1.0, one, most, views, 0) for one in numbers]))
                turn = turns.Turns(runs, orders, turns.as_it_took, turns.Meter())
                tick = timers("tick", turn.tick)
                while turn.going:
                    tick()
                carry(Done([(order.number, True, turn.turn(order)) for order in orders], turn.ticks))
    return made


def place(stack: Sequence[str]) -> str:
    """Where a sample belongs, its frames from the outermost on."""
    for frame in reversed(stack):
        for name, signs in PLACES:
            if any(sign in frame for sign in signs):
                return name
    return "else"


def split(stacks: str) -> dict[str, float]:
    """The share of each place in what py-spy calls `raw`: a stack and its samples a line."""
    counts: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, samples = line.rpartition(" ")
        frames = stack.split(";")
        if not any(sign in frames[-1] for sign in IDLE):
            counts[place(frames)] += int(samples)
    return {name: samples / counts.total() for name, samples in counts.most_common()}


def event_loop(viewers: int, pace: str, recipes: str) -> dict[str, float]:
    """Microseconds of processor time of an update in each part, of a server with such a hall."""
    spy = str(Path(sys.executable).with_name("py-spy"))
    how = ["--format", "raw", "--full-filenames", "--rate", str(SAMPLES), "--duration", str(SECONDS)]
    with hall() as full, tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "raw"
        full.crowd(f"join {viewers} {pace} {recipes}")
        alone = full.look(SECONDS, WARM_SECONDS)  # a server that is looked at is slowed down
        before = _own_seconds(full.host.pid)
        look = full.look(SECONDS, 0)
        own = (_own_seconds(full.host.pid) - before) / look.seen["updates"]
        print(f"    {alone}")
        with subprocess.Popen(
            [spy, "record", *how, "--output", str(output), "--pid", str(full.host.pid)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as spying:
            assert spying.wait() == 0
        return {name: 1e6 * own * share for name, share in split(output.read_text()).items()}


def _own_seconds(pid: int) -> float:
    """Processor time of a process without its children's."""
    return cpu_seconds(pid) - sum(cpu_seconds(child) for child in family(pid)[1:])


def say(title: str, parts: dict[str, float]) -> None:
    whole = sum(parts.values())
    print(f"    {title}: {whole:.0f} µs an update")
    for name, each in parts.items():
        print(f"        {name:<30} {each:6.1f} µs  {each / whole:4.0%}")


if __name__ == "__main__":
    print("one viewer at pace max")
    say("training", training(1, TOGETHER, mixed=False))
    say("training, hidden states and gradient shown", training(1, TOGETHER, False, frozenset({"hidden", "gradient"})))
    say("event loop", event_loop(1, "max", "plain"))
    print(f"a mixed hall of 200 at {PACE}/s")
    say("training", training(200, 1, mixed=True))
    say("event loop", event_loop(200, str(PACE), "mixed"))
