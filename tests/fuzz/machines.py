"""So many steps of the state machines on a live server."""

from collections import Counter

import httpx
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from app.store.models import Model
from model.checkpoint import model_id
from model.inference import Weights
from model.weights import bundled
from tests.conftest import Server
from tests.fuzz.blobs import good
from tests.fuzz.cases import drawing
from tests.fuzz.predict_machine import PredictMachine
from tests.fuzz.train_machine import TrainMachine

STEPS = 30  # of one machine, at the most
USUAL_STEPS = 22

KINDS: dict[str, type[RuleBasedStateMachine]] = {"/ws/train": TrainMachine, "/ws/predict": PredictMachine}


def hold(path: str, server: Server, count: int, at_random: bool) -> Counter[str]:
    """How many steps of which kind were made: about `count` in all."""
    steps: Counter[str] = Counter()
    given = {"url": server.url.replace("http", "ws") + path, "steps": steps, "models": _models(server)}
    machine = type("Machine", (KINDS[path],), given)
    run_state_machine_as_test(
        machine,
        settings=drawing(max(1, count // USUAL_STEPS), at_random, stateful_step_count=STEPS),
    )
    return steps


def _models(server: Server) -> dict[str, Weights]:
    """Those that can be opened: the one that ships with the project, and one of each cell, uploaded."""
    models = {"sine": bundled()["sine"]}
    for blob in good()[:12:4]:
        httpx.post(server.url + "/models", content=blob, timeout=30).raise_for_status()
        models[model_id(blob)] = blob
    return {id: Model.of_bytes(blob).weights for id, blob in models.items()}
