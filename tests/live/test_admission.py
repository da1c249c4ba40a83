"""Who comes in and who is turned away, on real sockets."""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

import httpx
import pytest
from fastapi import WebSocket
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from app.live.admission import address_of
from app.serving.open_files import CROWD
from tests.conftest import Server
from tests.support.sockets import closed, eventually, raw_viewer
from tests.support.viewers import PATIENCE, viewer


def forwarded(*addresses: str) -> dict[str, Any]:
    """Options of a socket that a proxy on this machine passes on."""
    return {"additional_headers": {"X-Forwarded-For": ", ".join(addresses)}}


def test_of_hundreds_who_knock_at_once_as_many_come_in_as_there_are_places(start_server: Callable[..., Any]) -> None:
    async def knock(url: str, all_knocked: asyncio.Barrier) -> int:
        """The code that it is closed with, or 0 if it came in."""
        async with connect_async(url, compression=None, open_timeout=PATIENCE) as one:
            with suppress(ConnectionClosed):
                await one.send('{"type":"open","play":false}')
                assert json.loads(await one.recv())["type"] == "opened"
            await all_knocked.wait()  # a place that is given back would be given to another
            return one.close_code or 0

    async def knock_all(url: str) -> Counter[int]:
        all_knocked = asyncio.Barrier(300)
        return Counter(await asyncio.gather(*(knock(url, all_knocked) for _ in range(300))))

    with start_server(max_viewers=3) as server:
        assert asyncio.run(knock_all(server.ws)) == {0: 3, 1013: 297}
        assert server.metric('unrolled_refusals_total{reason="full"}') == 297
        assert "Traceback" not in server.log.read_text()


def test_a_refused_viewer_that_never_answers_the_close_is_cut_off(start_server: Callable[..., Any]) -> None:
    with start_server(max_viewers=1) as server, viewer(server.ws) as inside:
        inside.open(play=False)
        connections = server.metric("unrolled_connections")
        refused = [raw_viewer(server) for _ in range(5)]
        for one in refused:
            one.settimeout(PATIENCE)
            while one.recv(4096):
                pass  # the close frame, and then the end: nothing was ever answered
            one.close()
        eventually(lambda: server.metric("unrolled_connections") == connections, PATIENCE, "their files are closed")
        assert inside.kept() == inside.checkpoint, "nothing has moved"


def test_an_address_has_its_places_and_no_more_whatever_it_opens(start_server: Callable[..., Any]) -> None:
    with start_server(max_viewers_per_address=2) as server, viewer(server.ws) as one:
        one.open(play=False)
        with connect(server.ws.replace("train", "predict")) as other:
            other.send('{"type":"sample","x":[0.5]}')
            other.recv(PATIENCE)
            assert closed(server.ws) == (1013, "this address has 2 sockets open, as many as it may")
            assert server.metric('unrolled_refusals_total{reason="address"}') == 1
            with viewer(server.ws, **forwarded("203.0.113.7")) as elsewhere:
                assert elsewhere.open(play=False), "another address has places of its own"
        with ExitStack() as stack:
            comes_in(server, stack)


def comes_in(server: Server, stack: ExitStack) -> None:
    """A viewer whose address is full a moment ago comes in when the server has seen another go."""

    def tried() -> bool:
        one = stack.enter_context(connect(server.ws))
        one.send('{"type":"open","play":false}')
        try:
            return json.loads(one.recv(PATIENCE))["type"] == "opened"
        except ConnectionClosed:
            return False

    eventually(tried, PATIENCE, "the place is free again")


def test_a_forwarded_address_is_believed_of_trusted_proxies_only(
    start_server: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "198.51.100.1")
    with start_server(max_viewers_per_address=1) as server, viewer(server.ws, **forwarded("203.0.113.7")) as one:
        one.open(play=False)
        assert closed(server.ws, **forwarded("203.0.113.8"))[0] == 1013


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (("192.0.2.1", 5), "192.0.2.1"),
        (("2001:db8:1:2:3:4:5:6", 5), "2001:db8:1:2::/64"),
        (("::ffff:192.0.2.1", 5), "192.0.2.1"),
        (("unknown", 0), "unknown"),
        (None, ""),
    ],
)
def test_one_who_knocks_is_known_by_address_or_network(client: tuple[str, int] | None, address: str) -> None:
    async def never(*_: object) -> Any:
        raise AssertionError

    assert address_of(WebSocket({"type": "websocket", "client": client}, never, never)) == address


def test_a_viewer_that_never_says_anything_is_let_go_and_one_that_is_paused_is_not(
    start_server: Callable[..., Any],
) -> None:
    with start_server(handshake_seconds=1) as server, viewer(server.ws) as paused:
        paused.open(play=False)
        code, reason = closed(server.ws)
        assert (code, reason) == (1001, "nothing came for 1 s; connect again to go on")
        paused.send(type="ping")
        assert paused.next() == {"type": "pong"}


def test_a_flood_of_silent_connections_leaves_the_viewer_inside_alone(start_server: Callable[..., Any]) -> None:
    with start_server(max_viewers=1, handshake_seconds=600) as server, viewer(server.ws) as inside:
        inside.open(pace=20)
        with ExitStack() as stack:
            silent = [
                stack.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE))
                for _ in range(CROWD + 20)
            ]
            with pytest.raises(ConnectionError):
                silent[-1].recv(1)
                raise ConnectionResetError("closed without a word")
            assert inside.updates(3)
        eventually(lambda: answers(server), PATIENCE, "there is room again")
        assert server.metric("unrolled_connections") <= 3


def answers(server: Server) -> bool:
    try:
        return httpx.get(server.url + "/healthz").status_code == 200
    except httpx.TransportError:
        return False
