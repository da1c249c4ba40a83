"""The same app on Ray Serve, on as many machines as there are: `serve run deploy.ray_serve:app`, or serve.yaml."""

import asyncio
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from ray.serve import Application
from starlette.types import ASGIApp

from app.main import create_app
from app.settings import Settings
from app.telemetry.logs import log_to_stderr
from deploy.draining import until_draining
from deploy.sockets import Sockets

DOORS = 4
"""Kinds of websockets: each lets in `max_viewers`."""

PLAIN_REQUESTS = 1000
"""Requests that are no websocket, under way at the same time."""

READY_SECONDS = 60.0
"""How long a training process may take to start, the first one and any after it."""


class Arguments(BaseModel):
    """What an operator decides for all replicas together. What each does is decided by Settings, as anywhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_replicas: int = Field(1, ge=1, description="replicas that are always there")
    max_replicas: int = Field(4, ge=1, description="replicas at the most")
    viewers_per_replica: float = Field(20, gt=0, description="open sockets of a replica beyond which there is another")
    max_replicas_per_node: int | None = Field(None, ge=1, description="on one machine; no limit if None")
    cpus: float = Field(2, gt=0, description="of each replica: one to serve and one to train")
    downscale_seconds: float = Field(600, ge=0, description="of fewer viewers, until a replica goes")


@serve.deployment(name="unrolled")
@serve.ingress()
class Replica:
    """One server of many. A run travels with its viewer, so any replica takes any viewer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __serve_build_asgi_app__(self) -> ASGIApp:
        log_to_stderr(self._settings)
        app = create_app(self._settings)
        self._readiness = app.state.readiness
        self._sockets = Sockets(app, 2 * self._settings.max_message_bytes)
        self._leaving = asyncio.create_task(self._leave())
        return self._sockets

    async def check_health(self) -> None:
        """Ray asks before the first viewer comes, and then again and again; a replica that fails is replaced.

        A full one is healthy: to replace it would send all its viewers to the others. Raises TimeoutError.
        """
        async with asyncio.timeout(READY_SECONDS):
            while self._readiness.status == "starting":  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def _leave(self) -> None:
        await until_draining()
        await self._sockets.leave()


def app(args: Arguments) -> Application:
    """The application. Settings are those of the environment that it is built in.

    Raises:
        ValueError: the models' folder is one that several replicas cannot share.
    """
    settings = Settings()
    if args.max_replicas > 1 and not settings.models_dir.is_absolute():
        raise ValueError(
            "UNROLLED_MODELS_DIR: several replicas need the absolute path of a folder that all machines share, "
            f"not {str(settings.models_dir)!r}"
        )
    options: dict[str, Any] = {
        "ray_actor_options": {"num_cpus": args.cpus},
        "max_replicas_per_node": args.max_replicas_per_node,
        # the app itself says no when it is full: with 1013 or 503, while Ray would let its viewers wait
        "max_ongoing_requests": DOORS * settings.max_viewers + settings.prediction_queue + PLAIN_REQUESTS,
        "autoscaling_config": {
            "min_replicas": args.min_replicas,
            "max_replicas": args.max_replicas,
            "target_ongoing_requests": args.viewers_per_replica,  # a socket is one request, for life
            "downscale_delay_s": args.downscale_seconds,
        },
        "health_check_period_s": 10,
        "health_check_timeout_s": READY_SECONDS + 15,
        "graceful_shutdown_wait_loop_s": 0.5,
        "graceful_shutdown_timeout_s": 20,
        "logging_config": {"enable_access_log": False},
    }
    return Replica.options(**options).bind(settings)
