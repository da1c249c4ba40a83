"""Admission: who may open a websocket."""

import ipaddress
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from fastapi import WebSocket
from pydantic import TypeAdapter

from app.live.connection import FULL, REFUSED, Connection
from app.security.origins import is_allowed
from app.settings import Settings
from app.telemetry.metrics import Metrics

log = logging.getLogger("unrolled.door")

CODES = {*range(1000, 1004), *range(1005, 1016)}
"""Close codes that are counted each for itself; a peer may send thousands of others."""

M = TypeVar("M")


class Hall:
    """The rules that all doors of a server share, and how many websockets each address has open."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self._of_address: Counter[str] = Counter()
        self._doors: list[Door[Any]] = []

    def add(self, door: "Door[Any]") -> None:
        self._doors.append(door)

    @property
    def is_full(self) -> bool:
        """Whether one of its doors lets nobody in any more."""
        return any(door.is_full for door in self._doors)

    def has_room_for(self, address: str) -> bool:
        most = self.settings.max_viewers_per_address
        return not most or self._of_address[address] < most

    @contextmanager
    def place_of(self, address: str) -> Iterator[None]:
        """Holds one of the address's places for a block."""
        self._of_address[address] += 1
        try:
            yield
        finally:
            self._of_address[address] -= 1
            if not self._of_address[address]:
                del self._of_address[address]


class Door(Generic[M]):
    """Lets in whoever may come, and as many at a time as the settings say.

    Args:
        messages: what may come in.
        hall: that this door leads to.
        first_seconds: for the first message, where one must come at once; as long as for all others if None.
    """

    def __init__(self, messages: TypeAdapter[M], hall: Hall, first_seconds: float | None = None) -> None:
        self._messages = messages
        self._hall = hall
        self._first_seconds = first_seconds
        self._inside = 0
        hall.add(self)

    @property
    def is_full(self) -> bool:
        return self._inside >= self._hall.settings.max_viewers

    async def admit(self, socket: WebSocket, serve: Callable[[Connection[M]], Awaitable[None]]) -> None:
        """Serve the socket's connection until it goes, or turn it away: a foreign origin, or no room."""
        # accepted even when refused: a browser is shown no code of a socket that never opened
        await socket.accept()
        settings, address = self._hall.settings, address_of(socket)
        connection = Connection(
            socket, self._messages, settings.max_message_bytes, settings.idle_seconds, self._first_seconds
        )
        # nothing is awaited from here until the place is taken: of those who knock together no more come in than may
        about = {"route": socket.scope["route"].path, "address": address}
        if not is_allowed(socket.headers, settings.allowed_origins):
            await self._refuse(connection, about, "origin", REFUSED, "this origin may not connect")
        elif self.is_full:
            await self._refuse(connection, about, "full", FULL, "the hall is full; try again later")
        elif not self._hall.has_room_for(address):
            reason = f"this address has {settings.max_viewers_per_address} sockets open, as many as it may"
            await self._refuse(connection, about, "address", FULL, reason)
        else:
            self._inside += 1
            log.info("came", extra=about)
            is_open = self._hall.metrics.websockets.labels(route=about["route"])
            is_open.inc()
            try:
                with self._hall.place_of(address):
                    await serve(connection)
            finally:
                self._inside -= 1
                is_open.dec()
                code = connection.closed_with if connection.closed_with in CODES else "other"
                self._hall.metrics.websockets_closed.labels(route=about["route"], code=str(code)).inc()
                log.info("went", extra={"code": connection.closed_with})

    async def _refuse(
        self, connection: Connection[M], about: dict[str, str], counted_as: str, code: int, reason: str
    ) -> None:
        self._hall.metrics.refusals.labels(reason=counted_as).inc()
        log.info("turned away", extra={"reason": counted_as, **about})
        await connection.close(code, reason)


def address_of(socket: WebSocket) -> str:
    """Who knocks. An IPv6 network of 64 bits is one address: whoever has one has them all.

    uvicorn has put the address from X-Forwarded-For in its place, where it believes the proxy.
    """
    host = socket.client.host if socket.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
