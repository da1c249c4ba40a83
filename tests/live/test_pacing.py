"""Pace and window, with a clock made of numbers."""

import pytest

from app.live.pacing import FRAME_SECONDS, MAX_WINDOW, MESSAGE_SECONDS, SLACK_SECONDS, Pacing


def simulate(pacing: Pacing, seconds: float, acknowledge: bool = True) -> int:
    """How many updates are made when whoever asks is never late."""
    now, update = 0.0, 0
    while now < seconds:
        count = pacing.allowance(update, now)
        update += count
        pacing.made(count, now)
        if acknowledge:
            pacing.see(update, update, now)
        wait = pacing.until_update(update, now)
        if wait is None:
            break
        now += max(wait, 1e-3)
    return update


@pytest.mark.parametrize("pace", [0.2, 1.0, 7.5, 20.0, 60.0])
def test_updates_come_at_the_pace_asked_for(pace: float) -> None:
    assert simulate(Pacing(pace, True, 0, 0.0), 100) == pytest.approx(100 * pace, rel=0.02, abs=1)


@pytest.mark.parametrize(("pace", "window"), [(0.2, 4), (16.0, 4), (20.0, 5), (60.0, 15), ("max", MAX_WINDOW)])
def test_the_window_is_a_quarter_second_of_pace_and_at_least_4(pace: float | str, window: int) -> None:
    assert Pacing(pace, True, 0, 0.0).window == window


@pytest.mark.parametrize("pace", [20.0, "max"])
def test_without_acknowledgement_no_more_than_the_window_is_made(pace: float | str) -> None:
    pacing = Pacing(pace, True, 0, 0.0)
    assert simulate(pacing, 100, acknowledge=False) == pacing.window
    assert pacing.until_update(pacing.window, 100.0) is None


def test_a_stall_is_not_followed_by_a_rush() -> None:
    pacing = Pacing(20.0, True, 0, 0.0)
    pacing.made(1, 100.0)
    assert pacing.allowance(0, 100.0) <= 1 + SLACK_SECONDS * 20


def test_play_after_a_long_pause_is_not_followed_by_a_rush() -> None:
    pacing = Pacing(20.0, True, 0, 0.0)
    pacing.pause()
    pacing.play(100.0)
    assert pacing.allowance(0, 100.0) == 1


def test_steps_do_not_put_off_what_play_makes() -> None:
    pacing = Pacing(0.5, False, 0, 0.0)
    for update in range(4):
        pacing.step()
        pacing.made(1, 1.0)
        pacing.see(update + 1, update + 1, 1.0)
    pacing.play(2.0)
    assert pacing.until_update(4, 2.0) == 0


def test_every_step_counts_also_beyond_the_window() -> None:
    pacing = Pacing(20.0, False, 0, 0.0)
    for _ in range(12):
        pacing.step()
    assert simulate(pacing, 10) == 12


def test_a_short_delay_is_made_up_for() -> None:
    pacing = Pacing(20.0, True, 0, 0.0)
    assert pacing.allowance(0, 0.11) == 3


def test_paused_makes_nothing_and_step_makes_one() -> None:
    pacing = Pacing(20.0, False, 0, 0.0)
    assert pacing.allowance(0, 5.0) == 0
    assert pacing.until_update(0, 5.0) is None
    pacing.step()
    assert pacing.allowance(0, 5.0) == 1
    pacing.made(1, 5.0)
    assert pacing.allowance(1, 9.0) == 0


def test_step_pauses_a_playing_run() -> None:
    pacing = Pacing(20.0, True, 0, 0.0)
    pacing.step()
    assert not pacing.playing


def test_at_pace_max_messages_keep_their_distance_and_below_it_they_do_not_wait() -> None:
    fast, slow = Pacing("max", True, 0, 0.0), Pacing(60.0, True, 0, 0.0)
    for pacing in (fast, slow):
        pacing.sent(1.0)
    assert fast.until_message(1.01) == pytest.approx(MESSAGE_SECONDS - 0.01)
    assert slow.until_message(1.01) == 0


def late(pacing: Pacing, seconds: float, share: float) -> float | None:
    """The rate after some seconds in which only a share of what is due is made, each acknowledged at once."""
    now, update = 0.0, 0
    while now < seconds:
        now += 1 / (share * 20)
        if count := min(1, pacing.allowance(update, now)):
            update += count
            pacing.made(count, now)
            pacing.see(update, update, now)
    return pacing.rate(now)


def test_the_rate_is_what_comes_where_less_is_made_than_is_due() -> None:
    assert late(Pacing(20.0, True, 0, 0.0), 60, 0.6) == pytest.approx(12, rel=0.02)
    assert late(Pacing(20.0, True, 0, 0.0), 60, 1.0) == pytest.approx(20, rel=0.02)


def test_a_viewer_that_takes_its_time_is_no_full_hall() -> None:
    pacing = Pacing(20.0, True, 0, 0.0)
    now, update = 0.0, 0
    while now < 60:
        update += (count := pacing.allowance(update, now))
        pacing.made(count, now)
        assert pacing.until_update(update, now) is None or count == 0 or update < pacing.window
        now += 0.5
        pacing.see(update, update, now)
    assert pacing.rate(now) == pytest.approx(20, rel=0.1)


def test_the_rate_is_measured_for_some_seconds_and_then_anew() -> None:
    pacing = Pacing(20.0, True, 0, 0.0, rate_seconds=2.0)
    assert pacing.rate(1.9) is None
    assert pacing.rate(2.0) == 20
    assert pacing.rate(3.9) is None


def test_at_pace_max_there_is_no_rate_to_fall_behind() -> None:
    assert Pacing("max", True, 0, 0.0).rate(60.0) is None


def test_where_the_machine_is_loaded_updates_are_made_together() -> None:
    pacing = Pacing(20.0, True, 0, 0.0)
    pacing.made(1, 0.0)
    assert pacing.until_update(1, 0.0) == pytest.approx(0.05, abs=FRAME_SECONDS)
    assert pacing.until_update(1, 0.0, together=True) == pytest.approx(0.1, abs=FRAME_SECONDS)
    assert pacing.allowance(1, 0.1) == 2
    slow = Pacing(5.0, True, 0, 0.0)
    slow.made(1, 0.0)
    assert slow.until_update(1, 0.0, together=True) == pytest.approx(0.2, abs=FRAME_SECONDS), "no later than without"
