"""A few of the cases of `make fuzz` against a live server, the same ones each time."""

from collections.abc import Iterator

import pytest

from tests.conftest import Server, running
from tests.fuzz import frames, machines
from tests.fuzz.conftest import UNHURRIED
from tests.fuzz.endpoints import UNSAID, Endpoints


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("fuzz"), world=UNHURRIED) as server:
        yield server
        assert "Traceback" not in server.log.read_text()


@pytest.fixture(scope="module")
def endpoints(server: Server) -> Endpoints:
    return Endpoints(server.url)


def test_every_operation_is_described(endpoints: Endpoints) -> None:
    assert endpoints.labels() == set(UNSAID)


@pytest.mark.parametrize("label", UNSAID)
def test_every_answer_is_as_described(endpoints: Endpoints, label: str) -> None:
    assert endpoints.hold(label, 1 if label == "POST /lessons/detach" else 5, at_random=False).total() > 3


@pytest.mark.parametrize("path", machines.KINDS)
def test_any_order_of_messages_is_answered_as_the_protocol_says(server: Server, path: str) -> None:
    assert machines.hold(path, server, 44, at_random=False).total() > 20


@pytest.mark.parametrize("kind", frames.KINDS)
def test_nonsense_is_refused_by_its_name_or_closed_with_its_code(server: Server, kind: str) -> None:
    assert frames.hold(kind, server.port, 25, at_random=False).total() > 17
