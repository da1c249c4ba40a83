"""The inference thread: requests that wait are answered together, and none holds up another for long."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from app.metrics import Metrics
from app.models import Model
from app.question import Samples, State
from app.refusals import Refused
from model.inference import predict

Answer = tuple[list[Samples], list[State]]

SLICE = 256  # time steps of one sequence in one round; the rest waits its turn
ROWS = 64  # sequences in one round, unless one request alone has more


class Predictor:
    """Carries prediction requests from the event loop to one thread and back, in rounds.

    A round is one forward pass over what waits for the same model, ragged as it is, at most SLICE time steps
    of each sequence. What is not finished goes to the back of the queue. Everything but `_advance` runs on
    the event loop.
    """

    def __init__(self, metrics: Metrics, most_requests: int, most_samples: int) -> None:
        self._metrics = metrics
        self._most_requests = most_requests
        self._most_samples = most_samples
        self._requests = 0
        self._samples = 0
        self._waiting: deque[_Job] = deque()
        self._running = False
        self._thread = ThreadPoolExecutor(1, "inference")
        metrics.prediction_queue.set_function(lambda: self._requests)

    async def predict(
        self, model: Model, sequences: Sequence[Samples], states: Sequence[State | None]
    ) -> Answer:
        """Raises Refused when too much waits already, or when the model's numbers overflow."""
        samples = sum(len(sequence) for sequence in sequences)
        self._admit(samples)
        loop = asyncio.get_running_loop()
        job = _Job(model, sequences, states, loop.create_future())
        self._requests += 1
        self._samples += samples
        start = loop.time()
        try:
            self._waiting.append(job)
            if not self._running:
                self._running = True
                loop.call_soon(self._begin, loop)  # not at once: whoever arrives in this turn comes along
            answer = await job.future
        finally:
            self._requests -= 1
            self._samples -= samples
        self._metrics.predictions.inc()
        self._metrics.prediction_seconds.observe(loop.time() - start)
        return answer

    def close(self) -> None:
        """Ends the thread, after the round that it is in."""
        self._thread.shutdown()

    def _admit(self, samples: int) -> None:
        if self._requests >= self._most_requests:
            raise Refused("busy", "", f"{self._most_requests} predictions wait already", retry_after=1)
        if self._requests and self._samples + samples > self._most_samples:
            detail = f"predictions of {self._most_samples} samples wait already"
            raise Refused("busy", "", detail, retry_after=1)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start a round with the longest waiting job and those that can share its forward pass."""
        jobs: list[_Job] = []
        others: list[_Job] = []
        rows = 0
        while self._waiting and rows < ROWS:
            job = self._waiting.popleft()
            if job.future.done():  # whoever asked has gone
                continue
            if jobs and job.model is not jobs[0].model:
                others.append(job)
            else:
                jobs.append(job)
                rows += len(job.sequences)
        self._waiting.extendleft(reversed(others))
        if not jobs:
            self._running = False
            return
        round_ = self._thread.submit(_advance, jobs)
        round_.add_done_callback(lambda done: loop.call_soon_threadsafe(self._finish, loop, jobs, done))

    def _finish(self, loop: asyncio.AbstractEventLoop, jobs: list["_Job"], done: "Future[None]") -> None:
        error = done.exception()
        for job in jobs:
            if error is not None:
                job.fail(error)
            elif not job.finished():
                self._waiting.append(job)
        self._begin(loop)


class _Job:
    """One request on its way: which model, how far each of its sequences is, and who waits for it."""

    def __init__(
        self,
        model: Model,
        sequences: Sequence[Samples],
        states: Sequence[State | None],
        future: "asyncio.Future[Answer]",
    ) -> None:
        self.model = model
        self.sequences = sequences
        self.states = list(states)
        self.future = future
        self.done = 0  # time steps of each sequence, or all of a shorter one
        self.pieces: list[list[Samples]] = [[] for _ in sequences]

    def finished(self) -> bool:
        """Whether that was the last round; if so, whoever waits has the answer."""
        if any(len(sequence) > self.done for sequence in self.sequences):
            return False
        predictions = [pieces[0] if len(pieces) == 1 else np.concatenate(pieces) for pieces in self.pieces]
        states: list[Any] = self.states
        if all(np.isfinite(numbers).all() for numbers in (*predictions, *states)):
            if not self.future.done():
                self.future.set_result((predictions, states))
        else:
            detail = (
                f"model: with these samples and this state {self.model.id} gives numbers that are not finite"
            )
            self.fail(Refused("not_finite", "model", detail))
        return True

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


def _advance(jobs: list[_Job]) -> None:
    """One round, on the inference thread; nobody else touches a job meanwhile."""
    rows = [
        (job, row, sequence[job.done : job.done + SLICE])
        for job in jobs
        for row, sequence in enumerate(job.sequences)
        if len(sequence) > job.done
    ]
    predictions, states = predict(
        jobs[0].model.network, [piece for _, _, piece in rows], [job.states[row] for job, row, _ in rows]
    )
    for (job, row, _), prediction, state in zip(rows, predictions, states, strict=True):
        job.pieces[row].append(prediction)
        job.states[row] = state
    for job in jobs:
        job.done += SLICE
