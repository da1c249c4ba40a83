"""The server processes: uvicorn with the limits that the socket promises need."""

import logging
import os
import signal
import socket
import sys
import threading
from functools import partial
from multiprocessing import parent_process
from multiprocessing.connection import wait

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from app.main import create_app
from app.open_files import raise_limit
from app.settings import Settings
from app.wire import Http, WebSocketWire

PING_SECONDS = 3.0
"""A vanished viewer is noticed after two of these at the most, where it no longer answers pings."""

UNACKNOWLEDGED_SECONDS = 6
"""How long the kernel keeps trying a peer that no longer reads or answers."""

GRACE_SECONDS = 3
"""How long requests in flight may still take when the server is told to stop."""

WORKER_SECONDS = 30
"""How long a worker may take to answer its parent, its start included, before another takes its place."""

BUFFER_BYTES = 200_000
"""What the kernel holds of one connection, each way; it allows itself twice that."""


def serve(settings: Settings) -> None:
    """Listen and serve until SIGTERM or SIGINT.

    Raises:
        OSError: the address cannot be listened on.
    """
    log_to_stderr(settings)
    raise_limit(settings.max_viewers)
    listening = listen(settings.host, settings.port)
    host, port = listening.getsockname()[:2]
    config = uvicorn.Config(
        partial(make_app, settings),
        factory=True,
        workers=settings.workers,
        timeout_worker_healthcheck=WORKER_SECONDS,
        log_config=None,
        access_log=False,
        http=Http,
        ws=WebSocketWire,
        ws_max_size=settings.max_message_bytes,
        ws_per_message_deflate=False,  # costs 60 to 130 kB a socket
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
    )
    shown = f"[{host}]" if ":" in host else "localhost" if host == "0.0.0.0" else host  # noqa: S104
    sys.stdout.write(f"Unrolled is at http://{shown}:{port}\n")
    sys.stdout.flush()
    if settings.workers > 1:
        Multiprocess(config, [listening]).run()
    else:
        uvicorn.Server(config).run(sockets=[listening])


def make_app(settings: Settings) -> FastAPI:
    """The app of one process, in that process."""
    if parent_process() is not None:
        log_to_stderr(settings)
        threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    return create_app(settings)


def log_to_stderr(settings: Settings) -> None:
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")


def _end_with_parent() -> None:
    """A parent that was killed told nobody to stop."""
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket whose connections end when a peer takes nothing for a while."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=2048)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_SECONDS * 1000)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    listening.setblocking(False)
    return listening
