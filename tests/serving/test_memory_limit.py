"""A server under the memory limit of deploy/compose.yaml, asked for as much as it may be asked."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.fuzz.blobs import heavy
from tests.support.cost import Told
from tests.support.heaviest import HEAVIEST
from tests.support.nursery import World
from tests.support.ready import eventually_says, training_process
from tests.support.viewers import viewer

COMPOSE = yaml.safe_load((Path(__file__).parents[2] / "deploy" / "compose.yaml").read_text())
LIMIT = int(COMPOSE["services"]["one"]["mem_limit"].removesuffix("g")) * 2**30

LARGEST = {"sequences": [[0.5] * 10_000] * 64}
"""What UNROLLED_MAX_SEQUENCES and UNROLLED_MAX_SEQUENCE allow."""

AT_ONCE = 16
"""Every second of them has a model exported; the others have predictions made."""
VIEWERS = 8
LEISURELY = World(price=Told({"lstm": 0.05}))
"""What runs hold does not depend on how often they are updated."""


def peak(process: int) -> int:
    """Bytes of memory that it ever had at a time, what it shares with others included."""
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024


def test_the_heaviest_that_may_be_asked_for_at_once_fits_into_the_limit_of_compose(
    start_server: Callable[..., Any],
) -> None:
    with start_server(world=LEISURELY) as server, ExitStack() as hall:
        eventually_says(server, "ok")
        views = ["hidden", "gradient", "after", "graph"]
        viewers = [hall.enter_context(viewer(server.ws)) for _ in range(VIEWERS)]
        for one in viewers:
            one.open(recipe=HEAVIEST, pace="max", views=views)

        blob, largest = heavy(), json.dumps(LARGEST).encode()

        def ask(person: int) -> int:
            if person % 2:
                return httpx.post(server.url + "/predict", content=largest, timeout=100).status_code
            return httpx.post(server.url + "/onnx", content=blob, timeout=100).status_code

        with ThreadPoolExecutor(AT_ONCE) as people:
            statuses = set(people.map(ask, range(AT_ONCE)))
        assert 200 in statuses
        assert statuses <= {200, 503}, "the line is full, and says so"
        for one in viewers:
            one.until("updates")
        eventually_says(server, "ok")
        assert peak(server.process.pid) + peak(training_process(server)) < LIMIT
        assert "Traceback" not in server.log.read_text()
