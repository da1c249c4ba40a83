"""When a replica is about to go."""

import asyncio
import logging

import ray
from ray import serve

log = logging.getLogger("unrolled.deploy")

LOOK_SECONDS = 0.2


async def until_draining() -> None:
    """Returns when Ray has begun to stop the replica of this process: its router sends nobody here any more.

    Ray then waits for all requests to end, and a viewer's never does; it tells the app nothing before that. So this
    reads the flag that the replica keeps for itself. Where a version of Ray has no such flag this never returns, and
    viewers find out when the replica ends.
    """
    context = serve.get_replica_context()
    worker = ray._private.worker.global_worker
    replica = getattr(worker.actors.get(worker.actor_id), "_replica_impl", None)
    if not hasattr(replica, "_shutting_down"):
        log.warning("replica %s cannot tell when it is drained: no viewer hears 1012", context.replica_tag)
        await asyncio.Event().wait()
    while not replica._shutting_down:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_SECONDS)
