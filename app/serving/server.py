"""The server: uvicorn with the limits that the socket promises need, in one process or several."""

import logging
import sys
from collections.abc import Callable
from functools import partial

import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE

from app.serving.listening import SharedPort, listen
from app.serving.open_files import raise_limit
from app.serving.wire import Http, WebSocketWire
from app.serving.workers import Workers, end_with_parent
from app.settings import Settings
from app.telemetry.logs import log_to_stderr
from app.training.child import Child

log = logging.getLogger("unrolled.server")

CreateApp = Callable[[Settings, Child | None], FastAPI]

PING_SECONDS = 3.0
"""A vanished viewer is noticed after two of these at the most, where it no longer answers pings."""

GRACE_SECONDS = 3
"""How long requests in flight may still take when the server is told to stop."""

WORKER_SECONDS = 120
"""How long a worker may take to answer its parent before another takes its place. Its imports count: 30 s were too few
on a machine where nine others wanted its two cores, and replacing it made that worse."""


def serve(create: CreateApp, settings: Settings, child: Child | None = None) -> None:
    """Listen and serve until SIGTERM or SIGINT. One process may take over a training process that was started before.

    Args:
        create: makes the app, in each process that serves it.

    Raises:
        OSError: the address cannot be listened on.
    """
    log_to_stderr(settings)
    raise_limit(settings.max_viewers)
    listening = listen(settings.host, settings.port)
    host, port = listening.getsockname()[:2]
    log.info("listening", extra={"address": host, "port": port, "workers": settings.workers})
    config = uvicorn.Config(
        partial(make_app, create, settings, child),
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
    if settings.workers == 1:
        say_url(settings, host, port)
        uvicorn.Server(config).run(sockets=[listening])
    else:
        listening.close()  # it only found out whether the port is free: two services could share it unnoticed
        logging.getLogger("uvicorn.error").setLevel(settings.log_level.upper())  # the parent says which worker died
        Workers(config, SharedPort(settings.host, port), partial(say_url, settings, host, port)).run()


def make_app(create: CreateApp, settings: Settings, child: Child | None) -> FastAPI:
    """The app of one process, in that process. Where it cannot be made the service ends: nor could it the next time."""
    log_to_stderr(settings)
    end_with_parent()
    try:
        return create(settings, child)
    except OSError as error:
        log.critical("this server cannot start: %s", error)
    except Exception:
        log.exception("this server cannot start; this is our mistake")
    sys.exit(STARTUP_FAILURE)


def say_url(settings: Settings, host: str, port: int) -> None:
    shown = f"[{host}]" if ":" in host else "localhost" if host == "0.0.0.0" else host  # noqa: S104
    sys.stdout.write(f"Unrolled is at http://{shown}:{port}\n")
    if settings.token is not None:  # which is not said here: what is printed is kept in logs
        sys.stdout.write(f"It asks for a token: open http://{shown}:{port}/?token=… with that of UNROLLED_TOKEN\n")
    sys.stdout.flush()
