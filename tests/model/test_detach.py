"""The lesson of the detach: what PyTorch does and says without it, in the model and over HTTP."""

import asyncio
import importlib.metadata
import re
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from torch import nn

from app.main import create_app
from app.routes.lessons import MOST_WAITING
from app.settings import Settings
from model.detach import ACTS, CHUNKS, Act, experiment, sandboxed
from model.learner import Learner
from model.network import Network
from model.optimizer import Optimizer
from model.recipe import Cell, Recipe
from model.signal import Signal

CELLS: tuple[Cell, ...] = ("rnn", "gru", "lstm")

PINNED = pytest.mark.skipif(
    not importlib.metadata.version("torch").startswith("2.13.0"), reason="the sentences are those of torch 2.13.0"
)

TWICE = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already "
    "been freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). "
    "Specify retain_graph=True if you need to backward through the graph a second time or if you need to access saved "
    "tensors after calling backward."
)
MODIFIED = (
    "one of the variables needed for gradient computation has been modified by an inplace operation: "
    "[torch.FloatTensor [32, {}]], which is output 0 of AsStrided, is at version 2; expected version 1 instead. Hint: "
    "enable anomaly detection to find the operation that failed to compute its gradient, with "
    "torch.autograd.set_detect_anomaly(True, check_nan=False)."
)


@cache
def acts(**recipe: Any) -> dict[str, Act]:
    return {act.name: act for act in experiment(Recipe.model_validate(recipe))}


def nodes(act: Act) -> list[int]:
    return [tried.nodes for tried in act.chunks]


def steady(act: Any) -> list[Any]:
    """Whatever of an act does not depend on a clock."""
    return [(tried["nodes"], tried["loss"], tried["error"], sorted(tried["milliseconds"])) for tried in act["chunks"]]


# ---------------------------------------------------------------- what happens


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("cell", CELLS)
def test_with_the_detach_it_is_the_run_that_the_page_shows(cell: Cell, optimizer: str) -> None:
    recipe = Recipe.model_validate({"framework": "torch", "cell": cell, "optimizer": optimizer})
    learner = Learner(recipe)
    updates = [learner.advance(frozenset({"graph"})) for _ in range(CHUNKS)]
    act = acts(cell=cell, optimizer=optimizer)["detached"]
    assert nodes(act) == [update.nodes for update in updates]
    assert [tried.length for tried in act.chunks] == [update.length for update in updates]
    losses = [tried.loss for tried in act.chunks]
    np.testing.assert_allclose(np.array(losses, float), [update.loss for update in updates], rtol=1e-3)
    assert all(tried.error is None for tried in act.chunks)


@pytest.mark.parametrize("cell", CELLS)
def test_without_it_the_graph_grows_by_every_chunk_that_comes(cell: Cell) -> None:
    played = acts(cell=cell)
    grown = nodes(played["only_forward"])
    assert len(grown) == CHUNKS
    alone = nodes(played["detached"])
    shared = [was + came - now for was, came, now in zip(grown, alone[1:], grown[1:], strict=False)]
    assert min(np.diff(grown)) > 0
    assert 0 < max(shared) <= 12, "all of the old graph and all of the new one, but the leaves that both have"
    assert nodes(played["without_step"]) == grown, "whatever is learned, the graph is the same"


@pytest.mark.parametrize("cell", CELLS)
def test_the_second_backward_fails(cell: Cell) -> None:
    first, second = acts(cell=cell)["second_backward"].chunks
    assert first.error is None
    assert "backward" in first.milliseconds
    assert second.error is not None
    assert second.error.startswith("Trying to backward through the graph a second time")
    assert "backward" not in second.milliseconds


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("cell", CELLS)
def test_retain_graph_fails_too_since_the_weights_have_moved(cell: Cell, optimizer: str) -> None:
    first, second = acts(cell=cell, optimizer=optimizer)["retain_graph"].chunks
    assert first.error is None
    assert second.error is not None
    assert "modified by an inplace operation" in second.error


@pytest.mark.parametrize("cell", CELLS)
def test_without_the_step_retain_graph_works_and_learns_nothing(cell: Cell) -> None:
    act = acts(cell=cell, shortest=2, longest=2)["without_step"]
    assert len(act.chunks) == CHUNKS
    assert all(tried.error is None and "backward" in tried.milliseconds for tried in act.chunks)
    losses = [tried.loss for tried in act.chunks]
    assert losses[-1] == pytest.approx(losses[1], rel=0.05), "the same weights on the same two half-periods"


@PINNED
@pytest.mark.parametrize(("cell", "columns"), [("rnn", 32), ("gru", 96), ("lstm", 128)])
def test_the_errors_word_for_word(cell: Cell, columns: int) -> None:
    played = acts(cell=cell)
    assert played["second_backward"].chunks[-1].error == TWICE
    assert played["retain_graph"].chunks[-1].error == MODIFIED.format(columns)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize(("name", "retain"), [("second_backward", False), ("retain_graph", True)])
def test_the_tutorials_own_loop_says_the_same(name: str, retain: bool, optimizer: str) -> None:
    rnn, out = nn.RNN(1, 32, batch_first=True), nn.Linear(32, 1)
    weights = [*rnn.parameters(), *out.parameters()]
    step = (torch.optim.Adam if optimizer == "adam" else torch.optim.SGD)(weights, lr=0.02)
    h_state = None
    signal = Signal(Recipe())
    with pytest.raises(RuntimeError) as said:
        for _ in range(CHUNKS):
            chunk = signal.next()
            r_out, h_state = rnn(torch.tensor(chunk.input).unsqueeze(-1), h_state)
            loss = nn.functional.mse_loss(out(r_out), torch.tensor(chunk.target).unsqueeze(-1))
            step.zero_grad()
            loss.backward(retain_graph=retain)
            step.step()
    assert acts(optimizer=optimizer)[name].chunks[-1].error == str(said.value)


def test_a_fused_step_goes_unnoticed_which_is_why_the_lesson_does_not_take_one() -> None:
    network = Network("rnn", 4, torch.Generator().manual_seed(1))
    optimizer = Optimizer(Recipe(), dict(network.named_parameters()))
    x, state = torch.zeros(1, 3, 1), None
    for _ in range(3):
        prediction, _, state = network(x, state)
        optimizer.zero_grad()
        nn.functional.mse_loss(prediction, x + 1).backward(retain_graph=True)
        before = network.out.weight.detach().clone()
        optimizer.step()
        assert not torch.equal(network.out.weight, before)


# ---------------------------------------------------------------- what it leaves alone


def test_nothing_of_the_process_is_touched() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1], torch.get_num_threads()
    with torch.no_grad():
        first = experiment(Recipe(cell="gru"))
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert torch.get_num_threads() == before[2]
    again = experiment(Recipe(cell="gru"))
    told = [
        [(tried.nodes, tried.loss, tried.error) for act in played for tried in act.chunks] for played in (first, again)
    ]
    assert told[0] == told[1]


def test_a_run_beside_it_has_the_numbers_that_it_has_alone() -> None:
    def losses() -> list[float]:
        learner = Learner(Recipe(seed=7))
        return [learner.advance(frozenset({"gradient", "graph"})).loss for _ in range(80)]

    alone = losses()
    with ThreadPoolExecutor(1) as thread:
        beside = thread.submit(lambda: [experiment(Recipe(cell=cell)) for cell in CELLS])
        assert losses() == alone
        beside.result()


def test_varying_streams_become_one_and_steady_ones_stay() -> None:
    varying = sandboxed(Recipe(fewest_streams=1, most_streams=8, carry_state=False, weights="sine"))
    assert (varying.fewest_streams, varying.most_streams) == (1, 1)
    assert (varying.carry_state, varying.weights) == (True, "random")
    assert sandboxed(Recipe(fewest_streams=3, most_streams=3)).most_streams == 3
    assert len(acts(fewest_streams=3, most_streams=3)["detached"].chunks) == CHUNKS
    assert len(acts(fewest_streams=1, most_streams=8)["without_step"].chunks) == CHUNKS


# ---------------------------------------------------------------- over HTTP


def ask(url: str, **body: Any) -> httpx.Response:
    return httpx.post(url + "/lessons/detach", json=body, timeout=30)


def test_the_server_tells_what_the_model_finds(server_url: str) -> None:
    answer = ask(server_url, recipe={"cell": "lstm", "hidden_size": 5, "fewest_streams": 1, "most_streams": 2})
    assert answer.status_code == 200
    told = answer.json()
    recipe = Recipe.model_validate(told["recipe"])
    assert recipe == sandboxed(Recipe(cell="lstm", hidden_size=5, most_streams=2))
    assert told["torch"] == importlib.metadata.version("torch").split("+")[0]
    assert [act["name"] for act in told["acts"]] == [act.name for act in ACTS]
    for act, found in zip(told["acts"], experiment(recipe), strict=True):
        assert steady(act) == steady({"chunks": [vars(tried) for tried in found.chunks]})
        assert [act[flag] for flag in ("detach", "backward", "retain_graph", "step")] == [
            found.detach,
            found.backward,
            found.retain_graph,
            found.step,
        ]
    assert not re.search(r"/\w+/|\.py\b", answer.text), "no path of the server"


def test_without_a_body_it_is_the_tutorials_network(server_url: str) -> None:
    told = httpx.post(server_url + "/lessons/detach", timeout=30).json()
    assert Recipe.model_validate(told["recipe"]) == Recipe(framework="torch"), "whose words these are"
    assert [tried["length"] for tried in told["acts"][0]["chunks"]] == [30, 20, 30, 10, 30, 20]


def test_the_wildest_recipe_still_has_numbers(server_url: str) -> None:
    wild = {"optimizer": "sgd", "learning_rate": 1.0, "hidden_size": 128, "noise": 1.0, "samples": 4}
    chunks = ask(server_url, recipe=wild).json()["acts"][0]["chunks"]
    assert len(chunks) == CHUNKS
    assert max(tried["loss"] for tried in chunks) > 1e6
    assert np.isfinite([tried["loss"] for tried in chunks]).all()


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"recipe": {"framework": "tensorflow"}}, "conflict", "recipe.framework"),
        ({"recipe": {"hidden_size": 129}}, "out_of_range", "recipe.hidden_size"),
        ({"recipe": {"longest": 1, "shortest": 2}}, "conflict", "recipe.shortest, recipe.longest"),
        ({"recipe": {"cells": "rnn"}}, "unknown_field", "recipe.cells"),
        ({"acts": 5}, "unknown_field", "acts"),
        ({"recipe": 3}, "wrong_type", "recipe"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(server_url: str, body: dict[str, Any], code: str, field: str) -> None:
    answer = ask(server_url, **body)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, code, field)


def test_more_than_can_wait_are_told_to_come_again(tmp_path: Path) -> None:
    async def crowd() -> tuple[list[httpx.Response], httpx.Response]:
        transport = httpx.ASGITransport(create_app(Settings(models_dir=tmp_path)))
        async with httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60) as client:
            asked = (client.post("/lessons/detach", json={"recipe": {"samples": 4}}) for _ in range(4 * MOST_WAITING))
            return await asyncio.gather(*asked), await client.post("/lessons/detach")

    answers, after = asyncio.run(crowd())
    assert sum(answer.status_code == 200 for answer in answers) == MOST_WAITING
    refused = [answer for answer in answers if answer.status_code == 503]
    assert len(refused) == 3 * MOST_WAITING
    assert {answer.json()["code"] for answer in refused} == {"busy"}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
    assert after.status_code == 200, "and then it has room again"


def test_it_is_documented(server_url: str) -> None:
    operation = httpx.get(server_url + "/openapi.json").json()["paths"]["/lessons/detach"]["post"]
    assert "DetachAnswer" in str(operation["responses"]["200"])
    assert {"422", "503"} <= set(operation["responses"])
    for example in operation["requestBody"]["content"]["application/json"]["examples"].values():
        assert ask(server_url, **example["value"]).status_code == 200
