"""create_app: the only place where the parts are put together."""

import asyncio
import gc
import importlib.metadata
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, get_args

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from app.http.answers import install
from app.http.headers import SecurityHeaders
from app.inference.predictor import Predictor
from app.live.admission import Hall
from app.live.pacing import Timing
from app.routes import lab, lessons, models, onnx, predict, predict_socket, probes, qr, replay, script, train_socket
from app.routes.page import Page
from app.routes.shortcut import Shortcut
from app.security.foreign import OwnPages
from app.security.token import Lock, describe
from app.serving.open_files import most_connections
from app.serving.wire import Wire
from app.settings import Settings
from app.store.models import ModelStore
from app.telemetry.measured import Measured, measure_lag
from app.telemetry.metrics import Metrics
from app.training.child import Child
from app.training.link import ProcessLost
from app.training.readiness import Readiness
from app.training.trainer import Trainer
from model.recipe import Framework, Recipe
from model.tensorflow.program import INSTALL
from model.tensorflow.program import is_installed as tensorflow_is_installed
from model.weights import bundled


def create_app(settings: Settings | None = None, child: Child | None = None, timing: Timing | None = None) -> FastAPI:
    """The whole service. Settings come from the environment unless given; `child` may have been started before."""
    settings = settings or Settings()
    metrics = Metrics()
    store = ModelStore(settings.models_dir, settings.max_models, settings.max_models_bytes, bundled())
    predictor = Predictor(metrics, settings.prediction_queue, settings.prediction_queue_samples)
    trainer = Trainer(metrics, child, settings.frameworks)
    hall = Hall(settings, metrics)
    wire = Wire(settings.handshake_seconds, most_connections(settings.max_viewers))
    metrics.connections.set_function(lambda: len(wire.connections))
    metrics.unsent_bytes.set_function(wire.unsent_bytes)
    page = Page()
    readiness = Readiness(lambda: hall.is_full or predictor.is_full)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        readiness.drain_before_stop(settings.drain_seconds)
        work = (readiness.keep_training(trainer), warm_up(), measure_lag(metrics))
        tasks = [asyncio.create_task(one) for one in work]
        yield {"wire": wire}
        readiness.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        trainer.close()
        predictor.close()

    async def warm_up() -> None:
        with suppress(ProcessLost):
            await trainer.start()  # first: the page works without what follows
        await page.compress()
        # what start-up made lives as long as the process: without this each full collection looks at it again
        gc.collect()
        gc.freeze()

    app = FastAPIOffline(
        title="Unrolled",
        summary="A recurrent network learns cos from sin, live.",
        version=importlib.metadata.version("unrolled"),
        lifespan=lifespan,
        redirect_slashes=False,  # a redirect would repeat whatever host it was asked under
        docs_url=None,  # page.py has a page without a script in it, for the files that come with this
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # looking for listeners takes 5 µs a request
    )
    app.state.readiness = readiness  # for who runs this app by other means than HTTP
    install(app, metrics)
    answer = predict.endpoint(store, predictor, settings)
    app.add_middleware(Shortcut, path="/predict", endpoint=answer, metrics=metrics)
    if settings.token is not None:
        app.add_middleware(Lock, token=settings.token.get_secret_value(), metrics=metrics)
    app.add_middleware(OwnPages, settings=settings, metrics=metrics)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Measured, metrics=metrics)
    app.include_router(predict.routes(answer))
    app.include_router(models.routes(store, settings))
    app.include_router(predict_socket.routes(store, predictor, hall))
    app.include_router(onnx.routes(store, settings))
    app.include_router(script.routes(store, settings))
    app.include_router(qr.routes(settings))
    app.include_router(lessons.routes(settings))
    app.include_router(train_socket.routes(trainer, store, hall, metrics, timing or Timing()))
    app.include_router(replay.routes(trainer, store, hall))
    app.include_router(lab.routes(hall))
    app.include_router(probes.routes(metrics, readiness))
    app.include_router(page.routes())

    schema = Recipe.model_json_schema()
    schema["properties"]["framework"] |= _absent(settings.frameworks)

    @app.get("/recipe/schema", summary="The Recipe's JSON schema")
    async def recipe_schema() -> dict[str, Any]:
        """Every field of a run's recipe, with bounds, unit, help and whether it applies live."""
        return schema

    if settings.token is not None:
        describe(app)
    return app


def _absent(offered: Sequence[Framework]) -> dict[str, Any]:
    """What the page needs to know of the frameworks that it cannot have runs of.

    `missing` has each, with the line that brings it; `not_offered` those that are not there by the operator's choice.
    """
    not_offered = [name for name in get_args(Framework) if name not in offered]
    missing = {} if tensorflow_is_installed() else {"tensorflow": INSTALL}
    missing |= {name: f"UNROLLED_FRAMEWORKS={','.join([*offered, name])}" for name in not_offered}
    return {"missing": missing, "not_offered": not_offered}


def __getattr__(name: str) -> Any:
    # `uvicorn app.main:app`, without making an app for everyone who only imports this module
    if name == "app":
        return create_app()
    raise AttributeError(name)
