"""Any order of messages on /ws/train, on a live server: a hypothesis state machine that knows what each must bring."""

import json
import math
import socket
from collections import Counter, deque
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from pydantic import ValidationError
from pydantic_core import from_json
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from app.protocol.train import (
    MAX_AFTER,
    MAX_TEXT_BYTES,
    MOST_TAG,
    AskCheckpoint,
    Open,
    Ping,
    Seen,
    SetLive,
    SetPace,
    read_from_viewer,
    to_viewer,
)
from app.protocol.updates import encode_updates
from model.checkpoint import Checkpoint
from model.learner import Diverged, Learner
from tests.fuzz.blobs import good
from tests.fuzz.hostile import ANYTHING, INTEGERS
from tests.support.viewers import PATIENCE, timeless

FENCE = '{"type": "fence"}'
"""No such message: refused in its turn and changing nothing, it says that all before it is answered."""

VIEWS = {"hidden": "hidden", "gradient": "gradient", "prediction_after": "after", "nodes": "graph"}
"""The field of an update, and the view that brings it."""

MISUSES = ("begins", "ends", "no", "not")
MAX_MESSAGE_BYTES = 2**20
KEPT = 8  # checkpoints of its own
MIRRORED = 60
"""Updates of a run that are made here too and compared. They cost what they cost the server."""

RECIPES = st.fixed_dictionaries(
    {"hidden_size": st.integers(1, 6), "seed": st.integers(0, 9)},
    optional={
        "framework": st.sampled_from(["compiled", "torch"]),
        "cell": st.sampled_from(["rnn", "gru", "lstm"]),
        "optimizer": st.sampled_from(["adam", "sgd"]),
        "learning_rate": st.sampled_from([1e-5, 0.02, 1.0]),
        "longest": st.integers(1, 4),
        "samples": st.integers(2, 10),
        "most_streams": st.integers(1, 3),
        "noise": st.sampled_from([0.0, 0.3]),
        "train": st.booleans(),
        "carry_state": st.booleans(),
        "sampling": st.sampled_from(["tutorial", "uniform"]),
        "stop_after": st.integers(0, 12),
    },
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "learning_rate": st.sampled_from([0.001, 0.02, 0.5]),
        "carry_state": st.booleans(),
        "train": st.booleans(),
    },
).filter(bool)
CHANGES = st.lists(
    st.tuples(st.integers(0, 12), FIELDS).map(lambda change: {"after_update": change[0], **change[1]}), max_size=3
)
PACES = st.sampled_from([0.2, 1, 20, 60, 60, "max"])
PLAYED = st.fixed_dictionaries(
    {},
    optional={
        "pace": PACES,
        "play": st.booleans(),
        "views": st.lists(st.sampled_from(sorted(VIEWS.values())), max_size=4),
        "tag": st.integers(0, 2**53),
    },
)
OPENS = st.tuples(PLAYED, st.fixed_dictionaries({}, optional={"recipe": RECIPES, "changes": CHANGES})).map(
    lambda both: {"type": "open", **both[0], **both[1]}
)
BAD_OPENS = st.tuples(
    PLAYED,
    st.sampled_from(
        [
            {"recipe": {"hidden_size": 0}},
            {"recipe": {"weights": "no such model"}},
            {"recipe": {"shortest": 5, "longest": 2}},
            {"recipe": {"framework": "tensorflow", "cell": "gru"}},
            {"changes": [{"after_update": 5, "train": True}, {"after_update": 1, "train": False}]},
            {"after": 3},
            {"resume": True, "recipe": {}},
            {"views": ["shadow"]},
        ]
    ),
).map(lambda both: {"type": "open", **both[0], **both[1]})
PLAIN = st.one_of(
    st.sampled_from([{"type": kind} for kind in ("play", "pause", "step", "step", "checkpoint", "ping")]),
    PACES.map(lambda pace: {"type": "pace", "pace": pace}),
    st.lists(st.sampled_from(sorted(VIEWS.values())), max_size=4).map(lambda views: {"type": "views", "views": views}),
    (st.integers(0, 40) | st.integers(0, 2**53)).map(lambda update: {"type": "seen", "update": update}),
    FIELDS.map(lambda fields: {"type": "change", **fields}),
)
TYPES = st.sampled_from(
    ["open", "seen", "play", "pause", "step", "pace", "views", "change", "checkpoint", "ping", "opened", "fence"]
)
NAMES = st.sampled_from(
    ["recipe", "changes", "resume", "after", "tag", "pace", "play", "views", "update", "learning_rate", "after_update"]
)
ODD = st.one_of(
    st.text(max_size=60),
    st.sampled_from(["", "{", "[]", "null", "NaN", '{"type": null}', '{"type": ["open"]}', "[" * 5000, '"\\ud800"']),
    ANYTHING.map(json.dumps),
    st.tuples(TYPES, st.dictionaries(NAMES, ANYTHING, max_size=3)).map(
        lambda both: json.dumps({"type": both[0], **both[1]})
    ),
    INTEGERS.map(lambda number: json.dumps({"type": "seen", "update": number})),
)


class Mirror:
    """The run that the server has just opened, made here as well from the checkpoint that it handed over."""

    def __init__(self, blob: bytes, opened: dict[str, Any], after: int) -> None:
        self.last = max(opened["update"], after)
        self.update = opened["update"]
        self.learner: Learner | None = Learner.resume(Checkpoint.from_bytes(blob))
        assert self.learner.update == opened["update"]
        assert self.learner.recipe.model_dump() == opened["recipe"]
        self._until = self.update + MIRRORED

    def take(self, update: dict[str, Any]) -> None:
        """Compare the next one, to the last bit."""
        number = update["update"]
        assert number == self.last + 1, f"update {number} came after {self.last}"
        _finite(update)
        self.last = number
        if number > self._until:
            self.learner = None
        if self.learner is None:
            return
        while self.learner.update < number - 1:
            self.learner.advance()
        views = frozenset(view for field, view in VIEWS.items() if field in update)
        (mine,) = timeless(json.loads(encode_updates([self.learner.advance(views)]))["updates"])
        assert timeless([update]) == [mine]

    def change(self, changed: dict[str, Any]) -> None:
        fields = {name: value for name, value in changed.items() if name in ("learning_rate", "carry_state", "train")}
        assert changed["after_update"] >= self.last
        if self.learner is not None:
            self.learner.change({name: value for name, value in fields.items() if value is not None},
                                changed["after_update"])  # fmt: skip

    def diverge(self, told: dict[str, Any]) -> None:
        self.last = self.update = told["update"] - 1
        if self.learner is None:
            return
        with suppress(Diverged):
            while self.learner.update < told["update"]:
                self.learner.advance()
            raise AssertionError(f"it did not diverge at {told['update']}")


class TrainMachine(RuleBasedStateMachine):
    """One viewer that says anything at all. `url` and `steps` are set by whoever runs it."""

    url: str
    steps: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[bytes] = []  # checkpoints that any connection of this machine was handed
        self.socket: ClientConnection | None = None
        self._open = ExitStack()
        self._connect()

    # ---------------------------------------------------------------- what is said

    @rule(message=st.sampled_from([OPENS, OPENS, OPENS, BAD_OPENS]).flatmap(lambda kind: kind))
    def opens(self, message: dict[str, Any]) -> None:
        self._say("an open", message)

    @rule(message=PLAIN)
    def says(self, message: dict[str, Any]) -> None:
        self._say(message["type"], message)

    @rule(fields=FIELDS, ahead=st.integers(-2, 20))
    def changes_later(self, fields: dict[str, Any], ahead: int) -> None:
        last = self.mirror.last if self.mirror else 0
        self._say("a change ahead", {"type": "change", "after_update": max(0, last + ahead), **fields})

    @rule()
    def has_seen_all(self) -> None:
        self._say("seen", {"type": "seen", "update": self.mirror.last if self.mirror else 0})

    @rule(text=ODD)
    def says_something_odd(self, text: str) -> None:
        self._say("odd text", text)

    @rule(played=PLAYED, at=st.integers(0, 30), after=st.integers(-1, 30) | st.sampled_from([MAX_AFTER, 2**53]))
    def resumes(self, played: dict[str, Any], at: int, after: int) -> None:
        """From a checkpoint of its own, new or old, or from one of somebody else's."""
        blob = self.kept[at] if at < len(self.kept) else good()[at % len(good())]
        update = Checkpoint.from_bytes(blob).run.update
        asked = {} if after < 0 else {"after": min(2**53, update + after)}
        self._say("a resume", {"type": "open", "resume": True, **played, **asked}, blob)

    @rule(
        played=PLAYED,
        at=st.integers(0, 20),
        cut=st.integers(1, 3000),
        kind=st.sampled_from(["begins", "ends", "no", "not"]),
    )
    def misuses_a_frame(self, played: dict[str, Any], at: int, cut: int, kind: str) -> None:
        """A piece of a checkpoint; an announcement with none behind it; one that was not announced."""
        blob, announcement = good()[at], {"type": "open", "resume": True, **played}
        if kind == "begins":
            self._say("a resume from a piece", announcement, blob[: -1 - cut % len(blob)])
        elif kind == "ends":
            self._say("a resume from a piece", announcement, blob[cut % len(blob) :])
        elif kind == "no":
            self._say("an announcement", announcement)
        else:
            self._say("a binary frame", blob)

    @rule(messages=st.lists(OPENS | BAD_OPENS | PLAIN | PLAIN | ODD | st.just("resume"), min_size=2, max_size=8))
    def says_much_at_once(self, messages: list[Any]) -> None:
        said = []
        for message in messages:
            if message == "resume":
                said += [{"type": "open", "resume": True, "tag": len(said)}, (self.kept or good())[0]]
            else:
                said.append(message)
        self._say("several at once", *said)

    @rule()
    def looks_on(self) -> None:
        """Until another update comes, if one is sure to."""
        last, self.stopped = self.mirror.last if self.mirror else 0, False
        self._say("a step", {"type": "pause"}, {"type": "seen", "update": 2**53}, {"type": "step"})
        while self.mirror is not None and self.mirror.last == last and not self.stopped:
            self._hear()

    @rule(rudely=st.booleans())
    def goes_and_comes_back(self, rudely: bool) -> None:
        self.steps["a reconnect"] += 1
        self._connect(rudely)

    @rule(much=st.integers(0, 2))
    def says_too_much(self, much: int) -> None:
        """More than a text may have, and less than a message may; or more than that, which ends the connection."""
        if much:
            return self._say("a long text", " " * (MAX_TEXT_BYTES + 1))
        self.steps["too large a message"] += 1
        assert self.socket is not None
        self.socket.send(bytes(MAX_MESSAGE_BYTES + 1))
        with pytest.raises(ConnectionClosed) as caught:
            while True:
                self.socket.recv(PATIENCE)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009
        return self._connect()

    def teardown(self) -> None:
        assert self.socket is not None
        try:
            while self._is_well and (self.pongs or self.owed):  # checkpoints come when a run has caught up
                self._hear()
        finally:
            self._open.close()

    # ---------------------------------------------------------------- what must come of it

    def _connect(self, rudely: bool = False) -> None:
        if self.socket is not None:
            if rudely:
                self.socket.socket.shutdown(socket.SHUT_RDWR)
            self._open.close()
        options: dict[str, Any] = {"max_size": None, "compression": None, "ping_interval": None}
        self.socket = self._open.enter_context(connect(self.url, **options))
        self.mirror: Mirror | None = None
        self.announced: Open | None = None
        self.owed = 0  # checkpoints that were asked for
        self.pongs = 0
        self.stopped = False  # finished or diverged since the last `opened`
        self._answers: deque[tuple[dict[str, Any], bytes]] = deque()
        self._seen, self._window, self._most = 0, 0, 0  # the most that the run may have made
        self._is_well = True

    def _say(self, kind: str, *said: dict[str, Any] | str | bytes) -> None:
        """Send all of it at once and a fence behind; then hold each answer, in order, to what it must be."""
        self.steps[kind] += 1
        assert self.socket is not None
        self._is_well = False
        frames = [json.dumps(one) if isinstance(one, dict) else one for one in said]
        for frame in frames:
            self.pongs += isinstance(_read(frame), Ping)
            self.owed += isinstance(_read(frame), AskCheckpoint)
            self.socket.send(frame)
        self.socket.send(FENCE)
        waiting = deque(frames)
        while waiting:
            self._expect(waiting.popleft(), waiting)
        fence, _ = self._answer()
        assert (fence["type"], fence["code"], fence["tag"]) == ("error", "unknown_type", None), fence
        while self.owed and not self._is_catching_up():
            self._hear()
        self._is_well = True

    def _is_catching_up(self) -> bool:
        return self.mirror is not None and self.mirror.update < self.mirror.last

    def _expect(self, frame: str | bytes, behind: deque[str | bytes]) -> None:
        message = _read(frame)
        self._note(message)
        if isinstance(message, bytes):
            announced, self.announced = self.announced, None
            return self._refused("checkpoint_unexpected") if announced is None else self._opens(announced)
        if message is None:
            return self._refused(None, _tag_of(frame))
        if isinstance(message, Ping):
            return None
        if self.announced is not None and not (isinstance(message, Seen) and self.mirror is not None):
            self._refused("checkpoint_expected", self.announced.tag)
            self.announced = None
            if not isinstance(message, Open):
                self.owed -= isinstance(message, AskCheckpoint)
                return None
        if isinstance(message, Open):
            if message.resume:
                self.announced = message
                return None
            return self._opens(message)
        if self.mirror is None:
            self.owed -= isinstance(message, AskCheckpoint)
            return self._refused("not_open")
        return self._changes(message, behind) if isinstance(message, SetLive) else None

    def _note(self, message: object) -> None:
        """How far the run may be ahead, at the most, once this was heard."""
        if isinstance(message, Seen):
            self._seen = max(self._seen, min(message.update, self._most))
        elif isinstance(message, SetPace):
            self._window = max(self._window, 256 if message.pace == "max" else math.ceil(0.25 * message.pace))
        self._most = max(self._most, self._seen + self._window)

    def _refused(self, code: str | None, tag: int | None = None) -> None:
        answer, _ = self._answer()
        assert answer["type"] == "error", answer
        assert code in (None, answer["code"]), answer
        assert answer["tag"] == tag or answer["code"] == "unknown_type", answer

    def _opens(self, asked: Open) -> None:
        """Exactly one answer with its tag: `opened` and a checkpoint, or why not. A refusal leaves the run as it is."""
        answer, blob = self._answer()
        assert answer["type"] in ("opened", "error"), answer
        assert answer["tag"] == asked.tag, (answer, asked)
        if answer["type"] == "opened":
            self.mirror = Mirror(blob, answer, asked.after or 0)
            self._seen, self._window = self.mirror.last, answer["window"]
            self._most = self._seen + self._window

    def _changes(self, message: SetLive, behind: deque[str | bytes]) -> None:
        answer, _ = self._answer()
        assert answer["type"] == "changed" or answer["code"] in ("out_of_range", "changes_full"), answer
        while behind and message.after_update is None and _goes_along(_read(behind[0])):
            further = _read(behind.popleft())  # it may have been taken together with the one before it
            self._note(further)
            if isinstance(further, SetLive) and self._peek() == "changed":
                self._answer()

    # ---------------------------------------------------------------- what is heard

    def _answer(self) -> tuple[dict[str, Any], bytes]:
        """The next message that answers one in its turn, and the checkpoint behind it."""
        self._peek()
        return self._answers.popleft()

    def _peek(self) -> str:
        while not self._answers:
            self._hear()
        kind: str = self._answers[0][0]["type"]
        return kind

    def _hear(self) -> None:
        """One message of any kind, held to what holds for its kind."""
        heard = self._receive()
        if isinstance(heard, bytes):
            assert self.owed > 0, "nobody asked for a checkpoint"
            self.owed -= 1
            assert self.mirror is not None
            self.mirror.update = max(self.mirror.update, self._keep(heard))
            assert self.mirror.update <= self.mirror.last
            return
        kind = heard["type"]
        blob = self._binary() if kind in ("opened", "changed", "diverged", "checkpoint") else b""
        if kind == "updates":
            assert self.mirror is not None
            for update in heard["updates"]:
                self.mirror.take(update)
                self.mirror.update = update["update"]
                assert update["update"] <= self._most, f"more than a window ahead: {update['update']} > {self._most}"
        elif kind == "pong":
            self.pongs -= 1
            assert self.pongs >= 0
        elif kind == "finished":
            assert self.mirror is not None
            assert heard["update"] == self.mirror.last
            self.stopped = True
        elif kind == "diverged":
            assert self.mirror is not None
            self.mirror.diverge(heard)
            assert self._keep(blob) == heard["update"] - 1
            self.stopped = True
        elif kind == "checkpoint":
            assert self.mirror is not None
            assert self._keep(blob) == heard["update"] == self.mirror.last
        elif kind == "opened":
            assert self._keep(blob) == heard["update"]
            self._answers.append((heard, blob))
        elif kind == "changed":
            assert self.mirror is not None
            self._keep(blob)
            self.mirror.change(heard)
            self._answers.append((heard, blob))
        else:
            assert kind == "error"
            assert 0 < len(heard["detail"]) < 500, heard
            self._answers.append((heard, b""))

    def _keep(self, blob: bytes) -> int:
        """Returns its update."""
        self.kept = [blob, *self.kept[: KEPT - 1]]
        return Checkpoint.from_bytes(blob).run.update

    def _binary(self) -> bytes:
        """The checkpoint that must be next; a pong is not in line."""
        while isinstance(heard := self._receive(), dict):
            assert heard["type"] == "pong", heard
            self.pongs -= 1
        return heard

    def _receive(self) -> Any:
        assert self.socket is not None
        heard = self.socket.recv(PATIENCE)
        if isinstance(heard, bytes):
            return heard
        to_viewer.validate_json(heard)
        return json.loads(heard)


def _read(frame: str | bytes) -> Any:
    """The message in a text frame, or None where there is none."""
    if isinstance(frame, bytes):
        return frame
    with suppress(ValidationError):
        return read_from_viewer.validate_json(frame) if len(frame) <= MAX_TEXT_BYTES else None
    return None


def _tag_of(frame: str | bytes) -> int | None:
    """That of a message which is refused for something else."""
    with suppress(ValueError):
        message = from_json(frame) if len(frame) <= MAX_TEXT_BYTES else None
        tag = message.get("tag") if isinstance(message, dict) else None
        return tag if type(tag) is int and 0 <= tag <= MOST_TAG else None
    return None


def _goes_along(message: object) -> bool:
    return isinstance(message, Seen) or (isinstance(message, SetLive) and message.after_update is None)


def _finite(value: Any) -> None:
    """JSON has no word for what is not finite, and the encoder writes null."""
    assert value is not None
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _finite(inner)
