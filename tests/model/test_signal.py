"""The tutorial's chunks, to the bit, and a phase that never decays."""

from functools import partial

import numpy as np
import pytest
from jaxtyping import Float64

from model.recipe import Recipe
from model.signal import TUTORIAL_HORIZON, Signal, SignalState, _drawn, named_bits


def at(signal: Signal, position: int) -> Signal:
    """The same signal, moved to a number of half-periods after the start."""
    state = signal.state
    signal.state = SignalState(position, state.next_stream_id, state.stream_ids, state.offset, state.generators)
    return signal


def linspaces(
    offset: Float64[np.ndarray, " streams"], half_periods: int, samples: int, inclusive: bool, position: int
) -> Float64[np.ndarray, "streams time"]:
    """Phases as NumPy makes them, a row a stream."""
    ends = offset + position * np.pi, offset + (position + half_periods) * np.pi
    return np.stack([np.linspace(*end, samples, endpoint=inclusive) for end in zip(*ends, strict=True)])


def test_chunks_are_the_tutorials_numbers_to_the_bit() -> None:
    signal = Signal(Recipe())
    step = 0
    lengths = []
    while step < 1000:
        chunk = signal.next()
        dynamic_steps = chunk.length // 10
        start, end = step * np.pi, (step + dynamic_steps) * np.pi
        steps = np.linspace(start, end, 10 * dynamic_steps, dtype=np.float32)
        assert np.array_equal(chunk.t[0].astype(np.float32), steps)
        assert np.array_equal(chunk.input[0], np.sin(steps))
        assert np.array_equal(chunk.target[0], np.cos(steps))
        step += dynamic_steps
        lengths.append(chunk.length)
    assert set(lengths) == {10, 20, 30}


def test_tutorial_sampling_repeats_the_sample_at_the_seam() -> None:
    signal = Signal(Recipe())
    first, second = signal.next(), signal.next()
    assert first.t[0, -1] == second.t[0, 0]
    assert first.input[0, -1] == second.input[0, 0]


def test_uniform_sampling_has_one_interval_throughout() -> None:
    signal = Signal(Recipe(sampling="uniform"))
    t = np.concatenate([signal.next().t[0] for _ in range(50)])
    assert np.allclose(np.diff(t), np.pi / 10, rtol=0, atol=1e-12)


@pytest.mark.parametrize("sampling", ["tutorial", "uniform"])
def test_the_phase_is_still_a_sine_at_update_10_million(sampling: str) -> None:
    recipe = Recipe.model_validate({"sampling": sampling, "shortest": 2, "longest": 2})
    early, late = Signal(recipe).next(), at(Signal(recipe), 2 * 10_000_000).next()
    assert np.abs(late.input - early.input).max() < 1e-6
    assert np.abs(late.target - early.target).max() < 1e-6
    assert np.allclose(late.t - late.t[0, 0], early.t, atol=1e-7)
    odd = at(Signal(recipe), 2 * 10_000_000 + 1).next()
    assert np.abs(odd.target + early.target).max() < 1e-6


def test_no_jump_where_the_float32_phase_ends() -> None:
    signal = at(Signal(Recipe(shortest=1, longest=1)), 1015)
    rows = [signal.next() for _ in range(20)]
    for chunk in rows:
        assert np.abs(chunk.input[0] - np.sin(chunk.t[0])).max() < 2e-4


def test_twin_runs_share_their_lengths_whatever_else_differs() -> None:
    one = Signal(Recipe(seed=7))
    other = Signal(Recipe(seed=7, noise=0.3, most_streams=5, cell="lstm", sampling="uniform"))
    assert [one.next().length for _ in range(100)] == [other.next().length for _ in range(100)]


@pytest.mark.parametrize("most", [2, 3, 6, 7, 3_000_000_000])
def test_a_drawn_number_and_the_state_behind_it_are_the_generators_own(most: int) -> None:
    ours, theirs = named_bits(3, "lengths"), named_bits(3, "lengths")
    drawn = [_drawn(ours, 1, most) for _ in range(2000)]
    assert drawn == [int(np.random.Generator(theirs).integers(1, most + 1)) for _ in range(2000)]
    assert ours.state == theirs.state


@pytest.mark.parametrize("sampling", ["tutorial", "uniform"])
@pytest.mark.parametrize("position", [0, 1020, 4711])
def test_rows_are_numpys_linspace_sine_and_cosine_to_the_bit(sampling: str, position: int) -> None:
    signal = at(Signal(Recipe.model_validate({"sampling": sampling, "most_streams": 4})), position)
    inclusive = sampling == "tutorial"
    for _ in range(100):
        before, chunk, after = signal.state.position, signal.next(), signal.state
        phases = partial(linspaces, after.offset, after.position - before, chunk.length, inclusive)
        near = inclusive and after.position <= TUTORIAL_HORIZON
        phase = phases(before).astype(np.float32) if near else phases(before % 2)
        assert np.array_equal(chunk.t, phases(before))
        assert np.array_equal(chunk.input, np.sin(phase).astype(np.float32))
        assert np.array_equal(chunk.target, np.cos(phase).astype(np.float32))


def test_another_seed_gives_other_lengths() -> None:
    one, other = Signal(Recipe(seed=1)), Signal(Recipe(seed=2))
    assert [one.next().length for _ in range(50)] != [other.next().length for _ in range(50)]


def test_equal_shortest_and_longest_are_static_time_steps() -> None:
    signal = Signal(Recipe(shortest=2, longest=2))
    assert {signal.next().length for _ in range(50)} == {20}


def test_a_stream_that_stays_keeps_its_phase() -> None:
    signal = Signal(Recipe(most_streams=6, sampling="uniform"))
    ends: dict[int, float] = {}
    counts = set()
    before: set[int] = set()
    for _ in range(200):
        chunk = signal.next()
        counts.add(len(chunk.stream_ids))
        assert chunk.stream_ids[0] == 0
        assert chunk.input.shape == (len(chunk.stream_ids), chunk.length)
        for row, stream in enumerate(chunk.stream_ids):
            if stream in before:
                assert chunk.t[row, 0] == pytest.approx(ends[stream], abs=1e-9)
            else:
                assert stream not in ends or stream == 0, "a stream that left never comes back"
            ends[stream] = chunk.t[row, -1] + np.pi / 10
        before = set(chunk.stream_ids)
    assert counts == {1, 2, 3, 4, 5, 6}


def test_noise_is_on_the_input_alone_and_of_the_size_asked_for() -> None:
    signal, clean = Signal(Recipe(noise=0.1)), Signal(Recipe())
    pairs = [(signal.next(), clean.next()) for _ in range(300)]
    errors = np.concatenate([(noisy.input - pure.input).ravel() for noisy, pure in pairs])
    assert errors.std() == pytest.approx(0.1, rel=0.05)
    assert abs(errors.mean()) < 0.01
    assert all(np.array_equal(noisy.target, pure.target) for noisy, pure in pairs)


def test_a_signal_goes_on_from_its_state_to_the_bit() -> None:
    recipe = Recipe(noise=0.2, most_streams=8)
    signal = Signal(recipe)
    for _ in range(37):
        signal.next()
    twin = Signal(recipe)
    twin.state = signal.state
    for _ in range(100):
        a, b = signal.next(), twin.next()
        assert a.stream_ids == b.stream_ids
        assert a.t.tobytes() == b.t.tobytes()
        assert a.input.tobytes() == b.input.tobytes()
