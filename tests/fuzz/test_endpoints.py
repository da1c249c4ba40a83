"""`make fuzz`: requests drawn from the API's description."""

from collections.abc import Callable

import pytest

from tests.conftest import Server
from tests.fuzz.endpoints import UNSAID, Endpoints

CASES = {"POST /lessons/detach": 300, "POST /script": 800}
"""These take their time, drawn or answered."""

USUAL = 1500


@pytest.fixture(scope="module")
def endpoints(server: Server) -> Endpoints:
    return Endpoints(server.url)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("label", UNSAID)
def test_every_answer_is_as_described(
    endpoints: Endpoints, label: str, record_property: Callable[[str, object], None]
) -> None:
    outcomes = endpoints.hold(label, CASES.get(label, USUAL), at_random=True)
    record_property("cases: requests from the API's description", outcomes.total())
    assert outcomes.total() > 3
