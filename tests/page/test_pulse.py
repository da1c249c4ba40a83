"""When a page gives a silent connection up, by a clock that the test turns."""

from tests.support.node import folded

TURNED = """
const { Pulse } = await import('/static/socket/pulse.js');
let now = 0, next = null;
globalThis.setTimeout = (what, after) => { next = { what, at: now + after }; return 1; };
globalThis.clearTimeout = () => { next = null; };
const passes = (milliseconds) => {
  const until = now + milliseconds;
  while (next && next.at <= until) {
    const { what, at } = next;
    [now, next] = [at, null];
    what();
  }
  now = until;
};
const said = [];
let expects = true;
const on = { expects: () => expects, ask: () => said.push(['asked', now]), lost: () => said.push(['lost', now]) };
const pulse = new Pulse(on);
"""


def test_a_connection_that_falls_silent_is_asked_and_given_up_after_13_seconds() -> None:
    said = folded(TURNED + "pulse.heard(); passes(60_000); return said;")
    assert said == [["asked", 5000], ["lost", 13_000]]


def test_one_that_answers_stays_and_is_asked_again_when_it_is_silent_again() -> None:
    said = folded(TURNED + "pulse.heard(); passes(12_999); pulse.heard(); passes(5000); return said;")
    assert said == [["asked", 5000], ["asked", 17_999]]


def test_one_that_has_nothing_to_say_is_not_asked_until_it_has() -> None:
    said = folded(TURNED + "expects = false; pulse.heard(); passes(59_000); expects = true; passes(1000); return said;")
    assert said == [["asked", 60_000]]


def test_one_that_may_well_be_gone_is_asked_at_once_and_has_3_seconds() -> None:
    said = folded(TURNED + "pulse.heard(); passes(1000); pulse.check(); passes(60_000); return said;")
    assert said == [["asked", 1000], ["lost", 4000]]


def test_one_that_does_not_come_about_is_given_up_after_8_seconds() -> None:
    said = folded(TURNED + "pulse.begins(); passes(60_000); return said;")
    assert said == [["lost", 8000]]


def test_one_that_was_closed_is_left_alone() -> None:
    said = folded(TURNED + "pulse.heard(); pulse.stops(); passes(60_000); return said;")
    assert said == []
