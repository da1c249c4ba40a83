"""Learner: one update at a time, made when asked for. Update: what an update shows."""

from array import array
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64

from model.checkpoint import PROVEN, Checkpoint, Earlier, RunRecord, signal_tensors, versions
from model.compiled.program import CompiledProgram
from model.network import Network, state_parts
from model.play import PlayState, View
from model.program import NotFinite, Outcome, Program, StateArray, Task
from model.recipe import MOST_CHANGES, Change, Recipe
from model.signal import Chunk, Signal, named_bits
from model.tensorflow.program import MakeProgram, TensorFlowProgram
from model.torch_program import TorchProgram

MakeCompiled = Callable[[Recipe, Network], Program]
"""Makes the compiled program of a recipe from a network; a test may want it in float64."""


@dataclass  # not frozen: that takes twice as long to make
class Update:
    """One chunk seen: its samples, the prediction made before the weights moved, and its loss.

    `t` is the phase in radians. `loss` is the mean squared error of this chunk, `mean_loss` the mean over all
    chunks so far, as the TensorFlow tutorial prints it. `milliseconds` is all that depends on a clock. The rest
    is there when its view was asked for: `hidden` states, the norm ‖∂L/∂h_t‖ as `gradient`, `prediction_after`
    the weights moved, and the number of `nodes` in the graph: those of autograd behind this chunk's loss, or all
    operations of the graph that TensorFlow built once; what is compiled has none.
    """

    update: int
    length: int
    streams: int
    stream_ids: tuple[int, ...]
    t: Float64[np.ndarray, "streams time"]
    input: Float32[np.ndarray, "streams time"]
    target: Float32[np.ndarray, "streams time"]
    prediction: Float32[np.ndarray, "streams time"]
    loss: float
    mean_loss: float
    milliseconds: dict[str, float]
    hidden: Float32[np.ndarray, "streams time hidden"] | None = None
    gradient: Float32[np.ndarray, "streams time"] | None = None
    prediction_after: Float32[np.ndarray, "streams time"] | None = None
    nodes: int | None = None


class Diverged(ArithmeticError):
    """A loss, gradient or weight is no longer finite. The learner stands where it stood before this update.

    `tensor` is the first bad one's name; `last_good` is the run before it.
    """

    def __init__(self, update: int, tensor: str, last_good: Checkpoint) -> None:
        super().__init__(f"update {update}: {tensor} is not finite")
        self.update = update
        self.tensor = tensor
        self.last_good = last_good


class Learner:
    """A run in motion: truncated backpropagation through time, one chunk an update.

    Args:
        weights: what to start from where the recipe's `weights` names a model; of the recipe's cell and size.
        changes: a change log to replay, in order of `after_update`.
        compiled: makes the program of a recipe that is compiled.
        tensorflow: makes the program of a recipe whose framework that is; another one may run it elsewhere.

    Raises:
        NotInstalled: the recipe's framework is not there.
        ValueError: the changes are out of order or too many.
        pydantic.ValidationError: a change does not fit the recipe.
    """

    def __init__(
        self,
        recipe: Recipe,
        weights: Checkpoint | None = None,
        changes: Sequence[Change] = (),
        compiled: MakeCompiled = CompiledProgram,
        tensorflow: MakeProgram = TensorFlowProgram,
    ) -> None:
        network = _drawn(recipe) if weights is None else weights.network()
        self.program: Program
        if recipe.framework == "tensorflow":
            self.program = tensorflow(recipe.hidden_size, recipe.optimizer, network.arrays())
        elif recipe.framework == "torch":
            self.program = TorchProgram(recipe, network)
        else:
            self.program = compiled(recipe, network)
        self.recipe = recipe
        self.now = recipe
        self.update = 0
        self.earlier: tuple[Earlier, ...] = ()
        """The versions that it was made with before those of now; not empty where bit-equality is not promised."""
        self._signal = Signal(recipe)
        self._changes: list[Change] = []
        self._state: StateArray = np.zeros((state_parts(recipe.cell), 1, recipe.hidden_size), np.float32)
        self._loss_sum = 0.0
        self._losses = array("f")
        self._replay(changes)

    def _replay(self, changes: Sequence[Change]) -> None:
        if len(changes) > MOST_CHANGES:
            raise ValueError(f"a change log has at most {MOST_CHANGES} entries; this has {len(changes)}")
        points = [change.after_update for change in changes]
        if points != sorted(points):
            raise ValueError("a change log is in order of after_update; this is not")
        self._changes = list(changes)
        self._ahead = 0
        self._catch_up()

    def _catch_up(self) -> None:
        """Apply the entries of the change log that are due by now."""
        while self._ahead < len(self._changes) and self._changes[self._ahead].after_update <= self.update:
            self.now = self.now.after(self._changes[self._ahead])
            self._ahead += 1

    @property
    def changes(self) -> tuple[Change, ...]:
        """The change log, those entries included that are still ahead."""
        return tuple(self._changes)

    @property
    def versions(self) -> dict[str, str]:
        """The versions that the run's numbers depend on beside its recipe."""
        return versions() | self.program.versions

    @property
    def done(self) -> bool:
        """Whether the recipe's `stop_after` has just been reached."""
        return self.update == self.recipe.stop_after

    def change(self, fields: dict[str, Any], after: int | None = None) -> Change:
        """Set live fields from the next update on, or once update `after` is made; it cannot have passed.

        Changes at the same update merge into one entry of the log.

        Raises:
            pydantic.ValidationError: not a live field, or out of its bounds.
            ValueError: the change log is full, or `after` has passed.
        """
        after = self.update if after is None else after
        if after < self.update:
            raise ValueError(f"a change comes after update {self.update} or a later one, not {after}")
        change = Change.model_validate({**fields, "after_update": after})
        changed = self.now.after(change)
        at = next((i for i, old in enumerate(self._changes) if old.after_update >= after), len(self._changes))
        if at < len(self._changes) and self._changes[at].after_update == after:
            merged = {**self._changes[at].fields(), **change.fields()}
            self._changes[at] = Change(after_update=after, **merged)
        elif len(self._changes) == MOST_CHANGES:
            raise ValueError(f"a change log has at most {MOST_CHANGES} entries, and this run's is full")
        else:
            self._changes.insert(at, change)
        if after == self.update:
            self.now = changed
            self._ahead = at + 1
        return change

    def advance(self, views: AbstractSet[View] = frozenset()) -> Update:
        """Draw the next chunk, predict it, and learn from it.

        Raises:
            Diverged: something is no longer finite; nothing of this update remains.
        """
        before = self._signal.stream_ids
        chunk = self._signal.next()
        rate = self.now.learning_rate if self.now.train else None
        try:
            made = self.program.run(
                Task(chunk.input, chunk.target, self._carried(chunk.stream_ids, before), rate, views)
            )
        except NotFinite as bad:
            self._signal.undo()
            raise Diverged(self.update + 1, bad.tensor, self.checkpoint()) from None
        return self._conclude(chunk, made)

    def _conclude(self, chunk: Chunk, made: Outcome) -> Update:
        """Go on past a chunk."""
        self._state = made.carried
        if len(self._losses) == self.update < PROVEN:
            self._losses.append(made.loss)
        self.update += 1
        self._loss_sum += made.loss
        self._catch_up()
        return Update(
            update=self.update,
            length=chunk.length,
            streams=len(chunk.stream_ids),
            stream_ids=chunk.stream_ids,
            t=chunk.t,
            input=chunk.input,
            target=chunk.target,
            prediction=made.prediction,
            loss=made.loss,
            mean_loss=self._loss_sum / self.update,
            milliseconds=made.milliseconds,
            hidden=made.hidden,
            gradient=made.gradient,
            prediction_after=made.prediction_after,
            nodes=made.nodes,
        )

    def _carried(self, now: tuple[int, ...], before: tuple[int, ...]) -> StateArray | None:
        """The hidden state that the streams of this chunk start from; zeros for those that join."""
        if not self.now.carry_state:
            return None
        if len(now) == len(before):
            return self._state
        parts, _, size = self._state.shape
        state = np.zeros((parts, len(now), size), self._state.dtype)
        stay = len(set(now) & set(before))
        state[:, :stay] = self._state[:, :stay]
        return state

    @property
    def losses(self) -> Float32[np.ndarray, " updates"]:
        """The losses of the first PROVEN updates; fewer where they were not kept from the start."""
        return np.array(self._losses, np.float32)

    def checkpoint(self, played: PlayState | None = None) -> Checkpoint:
        """This run at rest, and how it was played. What it holds is a copy: the learner may go on."""
        signal = self._signal.state
        run = RunRecord(
            recipe=self.recipe,
            changes=self.changes,
            update=self.update,
            position=signal.position,
            next_stream_id=signal.next_stream_id,
            loss_sum=self._loss_sum,
            optimizer_steps=self.program.steps,
            versions=self.versions,
            earlier=self.earlier,
            played=played,
        )
        state = {"hidden_state": self._state.copy(), "losses": self.losses}
        return Checkpoint(run, {**self.program.tensors(), **state, **signal_tensors(signal)})

    @classmethod
    def resume(
        cls,
        checkpoint: Checkpoint,
        compiled: MakeCompiled = CompiledProgram,
        tensorflow: MakeProgram = TensorFlowProgram,
    ) -> "Learner":
        """Go on from a checkpoint, to the bit as if there had been no rest where the versions are the same.

        Raises:
            ValueError: it holds a network without a run.
            NotInstalled: its framework is not there.
        """
        if not checkpoint.resumable:
            raise ValueError("this checkpoint holds a network without a run: start one from its weights instead")
        run = checkpoint.run
        learner = cls(run.recipe, checkpoint, compiled=compiled, tensorflow=tensorflow)
        learner.update = run.update
        learner.earlier = run.moved(learner.versions)
        learner._loss_sum = run.loss_sum
        learner._losses.extend(checkpoint.losses.tolist())
        learner._signal.state = checkpoint.signal_state
        learner._state = checkpoint.tensors["hidden_state"]
        learner.program.load(checkpoint.tensors, run.optimizer_steps)
        learner._replay(run.changes)
        return learner


def _drawn(recipe: Recipe) -> Network:
    """A new network of this recipe. Each framework starts from it: same seed, same weights."""
    seed = int(named_bits(recipe.seed, "weights").random_raw() >> 1)
    return Network(recipe.cell, recipe.hidden_size, torch.Generator().manual_seed(seed))
