"""The inference rounds: together where possible, nobody starved, and never more than there is room for."""

import asyncio
import random

import numpy as np
import pytest
import torch

from app.http.answers import status_of
from app.inference import predictor as module
from app.inference.predictor import Predictor
from app.protocol.refusal import Refused
from app.store.models import Model
from app.telemetry.metrics import Metrics
from model.checkpoint import Checkpoint
from model.network import Network
from model.recipe import Recipe


def make_model(seed=1, cell="rnn"):
    network = Network(cell, 16, torch.Generator().manual_seed(seed))
    return Model.of_bytes(Checkpoint.of_network(Recipe(cell=cell, hidden_size=16), network).to_bytes())


def sine(length, phase=0.0):
    return np.sin(phase + 0.3 * np.arange(length)).astype(np.float32)


@pytest.fixture
def rounds(monkeypatch):
    """How many sequences each forward pass had."""
    made = []

    def counted(weights, sequences, states):
        made.append(len(sequences))
        return predict(weights, sequences, states)

    predict = module.predict
    monkeypatch.setattr(module, "predict", counted)
    return made


def run(asking, most_requests=1000, most_samples=10_000_000):
    """Runs `asking(predictor)` on an event loop of its own."""
    predictor = Predictor(Metrics(), most_requests, most_samples)
    try:
        return asyncio.run(asking(predictor))
    finally:
        predictor.close()


async def ask(predictor, model, *sequences):
    return await predictor.predict(model, list(sequences), [None] * len(sequences))


def test_requests_that_wait_together_are_answered_together(rounds):
    model = make_model()

    async def asking(predictor):
        return await asyncio.gather(*(ask(predictor, model, sine(30, n)) for n in range(40)))

    answers = run(asking)
    assert rounds == [40]
    for n, ((prediction,), _) in enumerate(answers):
        (alone,), _ = module.predict(model.weights, [sine(30, n)], [None])
        np.testing.assert_allclose(prediction, alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_any_mixture_is_answered_as_each_request_alone(cell):
    models = [make_model(1, cell), make_model(2, cell)]
    draw = random.Random(1)
    asked = [
        (
            draw.choice(models),
            [sine(draw.choice([1, 5, 30, 64, 65, 300, 1000]), n) for n in range(draw.randint(1, 5))],
        )
        for _ in range(30)
    ]

    async def asking(predictor):
        return await asyncio.gather(*(ask(predictor, model, *sequences) for model, sequences in asked))

    for (model, sequences), (predictions, ends) in zip(asked, run(asking), strict=True):
        for sequence, prediction, end in zip(sequences, predictions, ends, strict=True):
            (alone,), (alone_end,) = module.predict(model.weights, [sequence], [None])
            np.testing.assert_allclose(prediction, alone, atol=1e-6, rtol=0)
            np.testing.assert_allclose(end, alone_end, atol=1e-6, rtol=0)


def test_a_long_request_starves_nobody():
    model = make_model()
    order = []

    async def one(predictor, name, length, rows=1):
        await ask(predictor, model, *[sine(length)] * rows)
        order.append(name)

    async def asking(predictor):
        await asyncio.gather(
            one(predictor, "longest", 10_000, 64), one(predictor, "long", 1000), one(predictor, "short", 30)
        )

    run(asking)
    assert order == ["short", "long", "longest"]


def test_models_take_turns():
    first, second = make_model(1), make_model(2)
    order = []

    async def one(predictor, name, model, length):
        await ask(predictor, model, sine(length))
        order.append(name)

    async def asking(predictor):
        await asyncio.gather(one(predictor, "first", first, 10_000), one(predictor, "second", second, 300))

    run(asking)
    assert order == ["second", "first"]


def test_a_request_too_many_is_refused_and_the_others_answered():
    model = make_model()

    async def asking(predictor):
        requests = (ask(predictor, model, sine(30)) for _ in range(5))
        return await asyncio.gather(*requests, return_exceptions=True)

    answers = run(asking, most_requests=3)
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert len(refused) == 2
    assert refused[0].code == "busy"
    assert status_of(refused[0].code) == 503
    assert refused[0].retry_after >= 1


def test_waiting_samples_are_bounded_too_but_one_request_always_passes():
    model = make_model()

    async def asking(predictor):
        requests = (ask(predictor, model, sine(n)) for n in [200, 1])
        return await asyncio.gather(*requests, return_exceptions=True)

    first, second = run(asking, most_samples=100)
    assert not isinstance(first, Refused)
    assert isinstance(second, Refused)


def test_a_request_given_up_takes_no_place():
    model = make_model()

    async def asking(predictor):
        for _ in range(5):
            waiting = [asyncio.ensure_future(ask(predictor, model, sine(5000))) for _ in range(2)]
            await asyncio.sleep(0)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        return await ask(predictor, model, sine(5000))

    (prediction,), _ = run(asking, most_requests=2)
    assert len(prediction) == 5000


@pytest.mark.parametrize("length", [30, 1000])
def test_a_failing_round_fails_its_requests_and_no_others(monkeypatch, length):
    model = make_model()
    predict = module.predict

    def broken(*_):
        raise RuntimeError("broken")

    async def asking(predictor):
        monkeypatch.setattr(module, "predict", broken)
        with pytest.raises(RuntimeError, match="broken"):
            await ask(predictor, model, sine(length))
        monkeypatch.setattr(module, "predict", predict)
        return await ask(predictor, model, sine(length))

    (prediction,), _ = run(asking)
    assert len(prediction) == length
