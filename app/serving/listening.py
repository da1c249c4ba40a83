"""Listening sockets, with the bounds that the kernel holds for each of their connections."""

import socket
from typing import Any

UNACKNOWLEDGED_SECONDS = 6
"""How long the kernel keeps trying a peer that no longer reads or answers."""

BUFFER_BYTES = 200_000
"""Bytes that the kernel may hold of one connection, each way; it allows itself twice that."""

BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """A listening socket of this process alone. Raises OSError."""
    listening = socket.create_server((host, port), family=_family(host), backlog=BACKLOG)
    _bound_connections(listening)
    return listening


class SharedPort(socket.socket):
    """A port on which several processes listen, each on a socket of its own: it makes one when it is handed this.

    The kernel deals connections out by their addresses. Of a socket that they share, an idle process that wakes
    first takes one connection after the other.

    It is bound and does not listen: uvicorn does that in each process, once the app is ready. Raises OSError.
    """

    def __init__(self, host: str, port: int) -> None:
        super().__init__(_family(host))
        self._host = host
        self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if self.family == socket.AF_INET6:
            self.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.bind((host, port))
        _bound_connections(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return SharedPort, (self._host, self.getsockname()[1])


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _bound_connections(listening: socket.socket) -> None:
    """Connections have these options from the socket that accepts them."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_SECONDS * 1000)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    listening.setblocking(False)
