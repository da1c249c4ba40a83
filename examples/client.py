"""The reference client: a server trains a run, the client keeps it whatever happens, and then has it predict.

    python examples/client.py http://127.0.0.1:8000

It needs httpx and websockets. Where the server wants a token, it takes UNROLLED_TOKEN's.
"""

import json
import math
import os
import random
import sys
import time
from dataclasses import dataclass, field

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

HEADERS = {"Authorization": f"Bearer {token}"} if (token := os.environ.get("UNROLLED_TOKEN")) else {}
RECIPE = {"seed": 3, "cell": "gru", "sampling": "uniform", "stop_after": 1000}
CHANGE = {"learning_rate": 0.005, "after_update": 500}  # a live change, made as the run goes


@dataclass
class Run:
    """What is held of a run: it can go on from here on any server."""

    checkpoint: bytes = b""
    losses: list[float] = field(default_factory=list)


def follow(socket: ClientConnection, run: Run) -> None:
    """Begin the run, or go on with it, until its end. Whatever is held is in `run` when a connection is lost."""
    if run.checkpoint:  # a little older than the newest loss: what is between is made again, and not sent again
        socket.send(json.dumps({"type": "open", "resume": True, "after": len(run.losses)}))
        socket.send(run.checkpoint)
    else:
        socket.send(json.dumps({"type": "open", "recipe": RECIPE, "pace": "max"}))
    finished = False
    while True:
        frame = socket.recv(timeout=60)
        if isinstance(frame, bytes):
            run.checkpoint = frame
            if finished:
                return
            continue
        match json.loads(frame):
            case {"type": "opened", "changes": []}:  # not made yet, or lost on the way
                socket.send(json.dumps({"type": "change", **CHANGE}))
            case {"type": "updates", "updates": updates}:
                run.losses += [update["loss"] for update in updates]
                socket.send(json.dumps({"type": "seen", "update": len(run.losses)}))
            case {"type": "finished"}:
                finished = True
                socket.send(json.dumps({"type": "checkpoint"}))
            case {"type": "error" | "diverged"}:
                raise SystemExit(frame)


def train(url: str) -> Run:
    """The finished run, over as many connections as it takes; ten in a row that bring nothing are too many."""
    run, tries, had = Run(), 0, 0
    while True:
        try:
            with connect(url.replace("http", "ws", 1) + "/ws/train", additional_headers=HEADERS) as socket:
                follow(socket, run)
                return run
        except (OSError, ConnectionClosed) as lost:
            tries, had = tries + 1 if len(run.losses) == had else 1, len(run.losses)
            if isinstance(lost, ConnectionClosed) and lost.rcvd is not None and lost.rcvd.code == 1008:
                raise SystemExit(lost.rcvd.reason) from None  # for want of a token, as a rule
            if tries == 10:
                raise
            print(f"lost the server after update {had} ({lost}); trying again", file=sys.stderr)
            time.sleep(random.uniform(0, min(0.25 * 2**tries, 10)))


def predict(url: str, run: Run) -> float:
    """The mean squared error of the run's network on a sine that it never saw, π/9 between samples as in its recipe."""
    with httpx.Client(base_url=url, headers=HEADERS, timeout=30) as client:
        model = client.post("/models", content=run.checkpoint).raise_for_status().json()["id"]
        t = [n * math.pi / 9 for n in range(200)]
        body = {"model": model, "sequence": [math.sin(x) for x in t], "target": [math.cos(x) for x in t]}
        return float(client.post("/predict", json=body).raise_for_status().json()["mse"])


if __name__ == "__main__":
    url = sys.argv[1].rstrip("/") if len(sys.argv) > 1 else "http://127.0.0.1:8000"
    run = train(url)
    print(f"{len(run.losses)} updates, loss {run.losses[0]:.4f} at first and {run.losses[-1]:.4f} at last")
    print(f"mse of sin → cos: {predict(url, run):.5f}")
