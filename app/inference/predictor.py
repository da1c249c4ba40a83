"""Predictor: requests that wait are answered together, and none holds up another for long."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from app.inference.question import Samples
from app.inference.sealed_state import State
from app.protocol.refusal import Refused
from app.store.models import Model
from app.telemetry.metrics import Metrics
from model.inference import predict

Answer = tuple[list[Samples], list[State]]

SLICE = 256  # time steps of one sequence in one round; the rest waits its turn
ROWS = 64  # sequences in one round, unless one request alone has more

# A round that takes about a millisecond is made on the event loop: handing it to the thread and back takes as
# long, and under load far longer, since each PyTorch call then waits for the interpreter lock.
QUICK_STEPS = 64
QUICK_WORK = 2_500_000  # multiplications


class Predictor:
    """Answers prediction requests in rounds: long ones on a thread, short ones on the event loop.

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
        self._quick: deque[_Job] = deque()
        self._long: deque[_Job] = deque()
        self._thread_works = False
        self._thread = ThreadPoolExecutor(1, "inference")
        metrics.prediction_queue.set_function(lambda: self._requests)

    async def predict(self, model: Model, sequences: Sequence[Samples], states: Sequence[State | None]) -> Answer:
        """The predictions, and the states after them.

        Raises Refused when too much waits already, or when the model's numbers overflow.
        """
        loop = asyncio.get_running_loop()
        job = _Job(model, sequences, states, loop.create_future())
        self._admit(job.samples)
        self._requests += 1
        self._samples += job.samples
        start = loop.time()
        try:
            self._enter(job, loop)
            answer = await job.future
        finally:
            self._requests -= 1
            self._samples -= job.samples
        self._metrics.predictions.inc()
        self._metrics.prediction_seconds.observe(loop.time() - start)
        return answer

    def close(self) -> None:
        """Ends the thread, after the round that it is in."""
        self._thread.shutdown()

    @property
    def is_full(self) -> bool:
        """Whether the next request would be turned away, however short."""
        return self._requests >= self._most_requests

    def _admit(self, samples: int) -> None:
        if self.is_full:
            raise Refused("busy", "", f"{self._most_requests} predictions wait already", retry_after=1)
        if self._requests and self._samples + samples > self._most_samples:
            detail = f"predictions of {self._most_samples} samples wait already"
            raise Refused("busy", "", detail, retry_after=1)

    def _enter(self, job: "_Job", loop: asyncio.AbstractEventLoop) -> None:
        # Never at once: whoever arrives in the same turn of the loop comes along.
        if job.quick:
            self._quick.append(job)
            if len(self._quick) == 1:
                loop.call_soon(self._quick_round, loop)
        else:
            self._long.append(job)
            if not self._thread_works:
                self._thread_works = True
                loop.call_soon(self._long_round, loop)

    def _quick_round(self, loop: asyncio.AbstractEventLoop) -> None:
        jobs = _together(self._quick, QUICK_WORK)
        if jobs:
            try:
                _advance(jobs)
                error = None
            except Exception as raised:
                error = raised
            self._settle(jobs, error)
        if self._quick:
            loop.call_soon(self._quick_round, loop)  # not at once: let the loop see to its sockets

    def _long_round(self, loop: asyncio.AbstractEventLoop) -> None:
        jobs = _together(self._long)
        if not jobs:
            self._thread_works = False
            return

        def back(done: "Future[None]") -> None:
            loop.call_soon_threadsafe(self._long_round_done, loop, jobs, done)

        self._thread.submit(_advance, jobs).add_done_callback(back)

    def _long_round_done(self, loop: asyncio.AbstractEventLoop, jobs: list["_Job"], done: "Future[None]") -> None:
        self._long.extend(self._settle(jobs, done.exception()))
        self._long_round(loop)

    def _settle(self, jobs: list["_Job"], error: BaseException | None) -> list["_Job"]:
        """Answer the jobs that a round has finished; those that go on are returned."""
        for job in jobs:
            if error is not None:
                job.fail(error)
            elif job.finished:
                job.answer()
        return [job for job in jobs if not job.finished and not job.future.done()]


def _together(waiting: "deque[_Job]", most_work: int | None = None) -> list["_Job"]:
    """Take the longest waiting job and those that can share its forward pass."""
    jobs: list[_Job] = []
    others: list[_Job] = []
    rows = steps = 0
    while waiting and rows < ROWS:
        job = waiting[0]
        if job.future.done():  # whoever asked has gone
            waiting.popleft()
            continue
        steps = max(steps, job.longest)
        work = (rows + len(job.sequences)) * steps * job.model.summary.parameters
        if jobs and job.model is jobs[0].model and most_work is not None and work > most_work:
            break
        waiting.popleft()
        if jobs and job.model is not jobs[0].model:
            others.append(job)
        else:
            jobs.append(job)
            rows += len(job.sequences)
    waiting.extendleft(reversed(others))
    return jobs


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
        self.finite = True
        self.done = 0  # time steps of each sequence, or all of a shorter one
        self.pieces: list[list[Samples]] = [[] for _ in sequences]
        lengths = [len(sequence) for sequence in sequences]
        self.samples = sum(lengths)
        self.longest = max(lengths)
        work = len(lengths) * self.longest * model.summary.parameters
        self.quick = self.longest <= QUICK_STEPS and work <= QUICK_WORK

    @property
    def finished(self) -> bool:
        return self.done >= self.longest

    def answer(self) -> None:
        """Give the numbers to whoever waits for them, or say that they overflowed."""
        predictions = [pieces[0] if len(pieces) == 1 else np.concatenate(pieces) for pieces in self.pieces]
        states: list[Any] = self.states
        if not self.finite:
            detail = f"model: {self.model.id} gives numbers that are not finite for these samples and states"
            self.fail(Refused("not_finite", "model", detail))
        elif not self.future.done():
            self.future.set_result((predictions, states))

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


def _advance(jobs: list[_Job]) -> None:
    """One round: a forward pass over the next piece of each sequence. Nobody else touches a job meanwhile."""
    rows = [
        (job, row, sequence[job.done : job.done + SLICE])
        for job in jobs
        for row, sequence in enumerate(job.sequences)
        if len(sequence) > job.done
    ]
    predictions, states = predict(
        jobs[0].model.weights, [piece for _, _, piece in rows], [job.states[row] for job, row, _ in rows]
    )
    all_finite = _are_finite(*predictions, *states)
    for (job, row, _), prediction, state in zip(rows, predictions, states, strict=True):
        job.pieces[row].append(prediction)
        job.states[row] = state
        job.finite = job.finite and (all_finite or _are_finite(prediction, state))
    for job in jobs:
        job.done += SLICE


def _are_finite(*numbers: Samples | State) -> bool:
    return bool(np.isfinite(np.concatenate(numbers, axis=None)).all())
