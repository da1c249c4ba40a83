"""Learner: one update at a time, made when asked for. Update: what an update shows."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor, nn

from model.checkpoint import Checkpoint, Run, signal_tensors
from model.network import Network, State, count_nodes, state_parts
from model.optimizer import Optimizer
from model.recipe import MOST_CHANGES, Change, Recipe
from model.signal import Signal, SignalState, named_bits

View = Literal["hidden", "gradient", "after", "graph"]
"""What an update shows beyond the contract's minimum, on request."""


@dataclass(frozen=True)
class Update:
    """One chunk seen: what came, what was predicted before the weights moved, and how wrong that was.

    `t` is the phase in radians. `loss` is the mean squared error of this chunk, `mean_loss` the mean over all
    chunks so far, as the TensorFlow tutorial prints it. `milliseconds` is all that depends on a clock. The rest
    is there when its view was asked for: `hidden` states, the norm ‖∂L/∂h_t‖ as `gradient`, `prediction_after`
    the weights moved, and the number of autograd `nodes` behind the loss.
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
        dtype: of the network; float64 is for tests against the tutorial, and cannot be checkpointed.

    Raises:
        ValueError: the changes are out of order or too many.
        pydantic.ValidationError: a change does not fit the recipe.
    """

    def __init__(
        self,
        recipe: Recipe,
        weights: Checkpoint | None = None,
        changes: Sequence[Change] = (),
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if weights is None:
            seed = int(named_bits(recipe.seed, "weights").random_raw() >> 1)
            self.network = Network(recipe.cell, recipe.hidden_size, torch.Generator().manual_seed(seed))
        else:
            self.network = weights.network()
        self.network.to(dtype)
        self.recipe = recipe
        self.now = recipe
        self.update = 0
        self._dtype = dtype
        self._signal = Signal(recipe)
        self._changes: list[Change] = []
        self._state: State = torch.zeros(state_parts(recipe.cell), 1, recipe.hidden_size, dtype=dtype)
        self._loss_sum = 0.0
        self._optimizer = Optimizer(recipe, dict(self.network.named_parameters()))
        self._replay(changes)

    def _replay(self, changes: Sequence[Change]) -> None:
        if len(changes) > MOST_CHANGES:
            raise ValueError(f"a change log has at most {MOST_CHANGES} entries; this has {len(changes)}")
        points = [change.after_update for change in changes]
        if points != sorted(points):
            raise ValueError("a change log is in order of after_update; this is not")
        self._changes = list(changes)
        for change in self._changes:
            if change.after_update <= self.update:
                self._apply(change)

    @property
    def changes(self) -> tuple[Change, ...]:
        """The change log, those entries included that are still ahead."""
        return tuple(self._changes)

    @property
    def done(self) -> bool:
        """Whether the recipe's `stop_after` has just been reached."""
        return self.update == self.recipe.stop_after

    def change(self, fields: dict[str, Any]) -> Change:
        """Set live fields from the next update on. Changes at the same update merge into one entry of the log.

        Raises:
            pydantic.ValidationError: not a live field, or out of its bounds.
            ValueError: the change log is full.
        """
        change = Change.model_validate({**fields, "after_update": self.update})
        at = next((i for i, old in enumerate(self._changes) if old.after_update >= self.update), len(self._changes))
        if at < len(self._changes) and self._changes[at].after_update == self.update:
            merged = {**self._changes[at].fields(), **change.fields()}
            self._changes[at] = Change(after_update=self.update, **merged)
        elif len(self._changes) == MOST_CHANGES:
            raise ValueError(f"a change log has at most {MOST_CHANGES} entries, and this run's is full")
        else:
            self._changes.insert(at, change)
        self._apply(change)
        return change

    def _apply(self, change: Change) -> None:
        self.now = self.now.after(change)
        self._optimizer.set_learning_rate(self.now.learning_rate)

    def advance(self, views: AbstractSet[View] = frozenset()) -> Update:
        """Draw the next chunk, predict it, and learn from it.

        Raises:
            Diverged: something is no longer finite; nothing of this update remains.
        """
        before = self._signal.state
        chunk = self._signal.next()
        x, target = self._tensor(chunk.input), self._tensor(chunk.target)
        state = self._carried(chunk.stream_ids, before.stream_ids.tolist())
        began = perf_counter()
        with torch.set_grad_enabled(self.now.train or "graph" in views):
            prediction, hidden, carried = self.network(x, state)
            loss_tensor = nn.functional.mse_loss(prediction, target)
        forward = perf_counter()
        loss = loss_tensor.item()
        if not np.isfinite(loss):
            self._fail("loss", before)
        shown: dict[str, Any] = {}
        if "graph" in views:
            shown["nodes"] = count_nodes(loss_tensor)
        if "gradient" in views:
            gradient = self.network.hidden_gradient(x, target, state)
            shown["gradient"] = _finite(torch.linalg.vector_norm(gradient.double(), dim=2))
        spent = {"forward": 1e3 * (forward - began), "backward": 0.0, "optimizer": 0.0}
        if self.now.train:
            spent |= self._learn(loss_tensor, before)
        if "after" in views:
            with torch.no_grad():
                shown["prediction_after"] = _finite(self.network(x, state)[0].squeeze(-1))
        if "hidden" in views:
            shown["hidden"] = _array(hidden)
        # detached, so that the next backward stops at the seam
        self._state = carried.detach()
        self.update += 1
        self._loss_sum += loss
        for change in self._changes:
            if change.after_update == self.update:
                self._apply(change)
        return Update(
            update=self.update,
            length=chunk.length,
            streams=len(chunk.stream_ids),
            stream_ids=chunk.stream_ids,
            t=chunk.t,
            input=chunk.input,
            target=chunk.target,
            prediction=_array(prediction.squeeze(-1)),
            loss=loss,
            mean_loss=self._loss_sum / self.update,
            milliseconds=spent,
            **shown,
        )

    def _tensor(self, rows: Float32[np.ndarray, "streams time"]) -> Float[Tensor, "streams time 1"]:
        # a copy in torch's own memory: a kernel may round by how its operands are aligned, and numpy's vary
        return torch.tensor(rows, dtype=self._dtype).unsqueeze(-1)

    def _carried(self, now: Sequence[int], before: Sequence[int]) -> State | None:
        """The hidden state that the streams of this chunk start from; zeros for those that join."""
        if not self.now.carry_state:
            return None
        if len(now) == len(before):
            return self._state
        parts, _, size = self._state.shape
        state = torch.zeros(parts, len(now), size, dtype=self._dtype)
        stay = len(set(now) & set(before))
        state[:, :stay] = self._state[:, :stay]
        return state

    def _learn(self, loss: Float[Tensor, ""], before: SignalState) -> dict[str, float]:
        """Backward and optimiser; the milliseconds they took."""
        self._optimizer.zero_grad()
        began = perf_counter()
        loss.backward()  # type: ignore[no-untyped-call]
        backward = 1e3 * (perf_counter() - began)
        if bad := self._optimizer.step():
            self._fail(bad, before)
        return {"backward": backward, "optimizer": self._optimizer.milliseconds}

    def _fail(self, tensor: str, before: SignalState) -> None:
        self._signal.state = before
        raise Diverged(self.update + 1, tensor, self.checkpoint())

    def checkpoint(self) -> Checkpoint:
        """This run at rest. What it holds is a copy: the learner may go on."""
        assert self._dtype == torch.float32
        weights = {name: weight.detach().numpy().copy() for name, weight in self.network.named_parameters()}
        signal = self._signal.state
        run = Run(
            recipe=self.recipe,
            changes=self.changes,
            update=self.update,
            position=signal.position,
            next_stream_id=signal.next_stream_id,
            loss_sum=self._loss_sum,
            optimizer_steps=self._optimizer.steps,
        )
        state = {"hidden_state": self._state.numpy().copy()}
        return Checkpoint(run, {**weights, **state, **self._optimizer.tensors(), **signal_tensors(signal)})

    @classmethod
    def resume(cls, checkpoint: Checkpoint) -> "Learner":
        """Go on from a checkpoint, to the bit as if there had been no rest.

        Raises:
            ValueError: it holds a network without a run.
        """
        if not checkpoint.resumable:
            raise ValueError("this checkpoint holds a network without a run: start one from its weights instead")
        run = checkpoint.run
        learner = cls(run.recipe, checkpoint)
        learner.update = run.update
        learner._loss_sum = run.loss_sum
        learner._signal.state = checkpoint.signal_state
        learner._state = torch.tensor(checkpoint.tensors["hidden_state"])
        learner._optimizer.load(checkpoint.tensors, run.optimizer_steps)
        learner._replay(run.changes)
        return learner


def _array(tensor: Float[Tensor, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    return tensor.detach().float().contiguous().numpy()


def _finite(rows: Float[Tensor, "streams time"]) -> Float32[np.ndarray, "streams time"]:
    """In float32, and right before a divergence, where a view may overflow, no larger than float32 can say."""
    most = torch.finfo(torch.float32).max
    return _array(rows.nan_to_num(nan=most).clamp(-most, most))
