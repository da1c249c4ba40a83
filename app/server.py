"""The server process: uvicorn with the limits that the socket promises need."""

import logging
import socket
import sys

import uvicorn

from app.child import Child
from app.main import create_app
from app.settings import Settings

PING_SECONDS = 3.0
"""A vanished viewer is noticed after two of these at the most, where it no longer answers pings."""

UNACKNOWLEDGED_SECONDS = 6
"""How long the kernel keeps trying a peer that no longer reads or answers."""

GRACE_SECONDS = 3
"""How long requests in flight may still take when the server is told to stop."""


def serve(settings: Settings, child: Child | None = None) -> None:
    """Listen and serve until SIGTERM or SIGINT.

    Raises:
        OSError: the address cannot be listened on.
    """
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    listening = listen(settings.host, settings.port)
    host, port = listening.getsockname()[:2]
    config = uvicorn.Config(
        create_app(settings, child),
        log_config=None,
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=settings.max_message_bytes,
        ws_per_message_deflate=False,  # costs 60 to 130 kB a socket
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
    )
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    shown = f"[{host}]" if ":" in host else "localhost" if host == "0.0.0.0" else host  # noqa: S104
    sys.stdout.write(f"Unrolled is at http://{shown}:{port}\n")
    sys.stdout.flush()
    uvicorn.Server(config).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket whose connections end when a peer takes nothing for a while."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=2048)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_SECONDS * 1000)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.setblocking(False)
    return listening
