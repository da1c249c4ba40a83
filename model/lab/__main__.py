"""One row of the lab: python -m model.lab KIND < plan.json. It prints a JSON object for each thing that happens.

A process of its own, so that a crash, a leak or an import of half a gigabyte is nobody else's.
"""

import importlib
import json
import os
import signal
import sys
from time import perf_counter
from typing import Any, Protocol

import torch

from model.lab.kinds import KINDS, KindName, kind, needs
from model.lab.plan import SEED, Plan, Planned, Rows
from model.lab.torch_graphs import Compiled, Eager, EagerSteps, Exported, Padded
from model.lab.words import readable
from model.network import Network
from model.tensorflow.static_graph import tensorflow


class Graph(Protocol):
    """A kind of graph, made ready to learn from chunk after chunk. It counts the graphs that it builds."""

    notes: list[str]
    errors: list[str]

    @property
    def graphs(self) -> int: ...

    def step(self, chunk: Planned, x: Rows, target: Rows) -> tuple[float, int]: ...


def made(name: KindName, plan: Plan) -> Graph:
    """The kind's graph, with the weights that all kinds start from."""
    network = Network("rnn", plan.hidden_size, torch.Generator().manual_seed(SEED))
    simple: dict[str, type[Eager]] = {"eager": Eager, "eager_steps": EagerSteps, "padded": Padded}
    if name in simple:
        return simple[name](network, plan)
    if name.startswith("compile"):
        return Compiled(network, plan, dynamic=name == "compile_dynamic")
    if name == "export_onnx":
        return Exported(network, plan)
    from model.lab.tensorflow_graphs import Traced, Version1

    return Version1(network, plan) if name == "tensorflow_v1" else Traced(network, plan, name.endswith("signature"))


def main(name: KindName, plan: Plan, out: Any) -> None:
    def say(**event: object) -> None:
        out.write(json.dumps(event) + "\n")
        out.flush()

    began = perf_counter()
    if kind(name).framework == "tensorflow":
        tensorflow()
    else:
        for module in ("torch._dynamo", *needs(name)):  # PyTorch's optimisers bring its compiler with them
            importlib.import_module(module)
    imported = perf_counter()
    graph = made(name, plan)
    say(
        event="setup",
        seconds=perf_counter() - imported,
        import_seconds=imported - began,
        errors=[*map(readable, graph.errors)],
    )
    for index, (chunk, x, target) in enumerate(plan.samples()):
        started = perf_counter()
        try:
            loss, computed = graph.step(chunk, x, target)
        except Exception as error:
            say(
                event="chunk",
                index=index,
                seconds=None,
                graphs=graph.graphs,
                computed=0,
                loss=None,
                error=readable(error),
            )
            continue
        seconds = perf_counter() - started
        say(event="chunk", index=index, seconds=seconds, graphs=graph.graphs, computed=computed, loss=loss, error=None)
    say(event="ended", notes=[readable(note) for note in graph.notes])


if __name__ == "__main__":
    # what a library prints must not come between the events
    events = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.nice(10)  # a server's viewers come first
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this ends it
    if sys.argv[1:2] and sys.argv[1] in KINDS:
        main(sys.argv[1], Plan.model_validate_json(sys.stdin.read()), events)
    else:
        sys.exit(f"the first argument is one of {', '.join(KINDS)}")
