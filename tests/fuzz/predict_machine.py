"""Any order of messages on /ws/predict, on a live server: one answer each, and the numbers of the whole sequence."""

import json
from collections import Counter
from contextlib import ExitStack, suppress
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from pydantic import ValidationError
from websockets.sync.client import connect

from app.protocol.predict_socket import Forget, Hear, OpenModel, read_from_sender, to_sender
from app.protocol.train import MAX_TEXT_BYTES
from model.inference import Weights, predict
from tests.fuzz.hostile import ANYTHING
from tests.fuzz.train_machine import ODD
from tests.support.viewers import PATIENCE

SAMPLES = st.lists(st.floats(-2, 2, width=32) | st.sampled_from([0.0, 1e6, -1e6, 1e-30]), min_size=1, max_size=40)
BAD_SAMPLES = st.one_of(
    st.just([]),
    st.just([0.0] * 1001),
    st.lists(st.sampled_from([None, True, "0.5", 1.1e6, 1e999, [0.5], {}]), min_size=1, max_size=3),
)
ODD_MESSAGES = ODD | st.tuples(
    st.sampled_from(["sample", "open", "reset"]),
    st.dictionaries(st.sampled_from(["x", "model", "state"]), ANYTHING, max_size=2),
).map(lambda both: json.dumps({"type": both[0], **both[1]}))


class PredictMachine(RuleBasedStateMachine):
    """One sender that says anything at all. `url`, `models` and `steps` are set by whoever runs it."""

    url: str
    models: dict[str, Weights]
    steps: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self._open = ExitStack()
        self._connect()

    @rule(x=SAMPLES)
    def sends_samples(self, x: list[float]) -> None:
        self._say("samples", {"type": "sample", "x": x})

    @rule(x=BAD_SAMPLES)
    def sends_bad_samples(self, x: list[Any]) -> None:
        self._say("bad samples", {"type": "sample", "x": x})

    @rule(at=st.integers(0, 20))
    def opens_a_model(self, at: int) -> None:
        self._say("an open", {"type": "open", "model": sorted(self.models)[at % len(self.models)]})

    @rule(id=st.sampled_from(["0" * 16, "", "../sine", "SINE", "x" * 65]))
    def opens_no_model(self, id: str) -> None:
        self._say("an open that is refused", {"type": "open", "model": id})

    @rule()
    def resets(self) -> None:
        self._say("a reset", {"type": "reset"})

    @rule(text=ODD_MESSAGES)
    def says_something_odd(self, text: str) -> None:
        self._say("odd text", text)

    @rule(data=st.binary(max_size=50))
    def sends_a_binary_frame(self, data: bytes) -> None:
        self._say("a binary frame", data)

    @rule(messages=st.lists(SAMPLES.map(lambda x: {"type": "sample", "x": x}) | ODD_MESSAGES, min_size=2, max_size=20))
    def says_much_at_once(self, messages: list[Any]) -> None:
        self._say("several at once", *messages)

    @rule()
    def goes_and_comes_back(self) -> None:
        self.steps["a reconnect"] += 1
        self._connect()

    def teardown(self) -> None:
        self._open.close()

    def _connect(self) -> None:
        self._open.close()
        options: dict[str, Any] = {"max_size": None, "compression": None, "ping_interval": None}
        self.socket = self._open.enter_context(connect(self.url, **options))
        self.model, self.heard = "sine", list[float]()

    def _say(self, kind: str, *said: dict[str, Any] | str | bytes) -> None:
        """Send all of it at once; then hold each answer, in order, to what it must be."""
        self.steps[kind] += 1
        frames = [json.dumps(one) if isinstance(one, dict) else one for one in said]
        for frame in frames:
            self.socket.send(frame)
        for frame in frames:
            text = self.socket.recv(PATIENCE)
            assert isinstance(text, str)
            to_sender.validate_json(text)
            self._hold(_read(frame), json.loads(text))

    def _hold(self, message: object, answer: dict[str, Any]) -> None:
        if isinstance(message, Hear):
            assert answer["type"] == "prediction", answer
            self.heard += message.x
            (whole,), _ = predict(self.models[self.model], [np.array(self.heard, np.float32)], [None])
            np.testing.assert_allclose(answer["y"], whole[-len(message.x) :], rtol=0, atol=1e-6)
        elif isinstance(message, Forget):
            assert answer == {"type": "reset"}
            self.heard = []
        elif isinstance(message, OpenModel) and message.model in self.models:
            assert answer["type"] == "opened", answer
            self.model, self.heard = answer["model"]["id"], []
        elif isinstance(message, OpenModel):
            assert (answer["type"], answer["code"], answer["field"]) == ("error", "unknown_model", "model")
        else:
            assert answer["type"] == "error", answer
            assert 0 < len(answer["detail"]) < 500


def _read(frame: str | bytes) -> object:
    """The message in a text frame, or None where there is none."""
    with suppress(ValidationError):
        if isinstance(frame, str) and len(frame) <= MAX_TEXT_BYTES:
            return read_from_sender.validate_json(frame)
    return None
