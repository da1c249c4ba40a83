"""POST /script: a run as a PyTorch script that needs nothing of ours."""

from typing import Any

from fastapi import APIRouter, Request, Response

from app.http.bodies import read_small_body
from app.http.one_by_one import OneByOne
from app.http.openapi import documented, documented_body
from app.protocol.refusal import Refused, checked
from app.protocol.tools import SCRIPT_EXAMPLES, ScriptRequest
from app.settings import Settings
from app.store.models import ModelStore
from model.export.script import script
from model.recipe import Recipe

MOST_WAITING = 64
"""Scripts under way or waiting; one with a full change log takes 0.05 s. A hall may ask at once."""

_ANSWER: dict[int | str, dict[str, Any]] = {200: {"content": {"text/x-python": {}}, "description": "a Python script"}}


def routes(store: ModelStore, settings: Settings) -> APIRouter:
    router = APIRouter()
    line = OneByOne("script", "scripts", MOST_WAITING, retry_after=1)

    @router.post(
        "/script",
        summary="Write a run as a PyTorch script",
        response_class=Response,
        responses={
            **_ANSWER,
            **documented("broken_json", "body_too_slow", "body_too_large", "unknown_field", "conflict", "wrong_type"),
            **documented("not_finite", "out_of_range", "unknown_model", "busy"),
        },
        openapi_extra=documented_body("application/json", ScriptRequest.model_json_schema(), SCRIPT_EXAMPLES),
    )
    async def of_run(request: Request) -> Response:
        """A recipe and its live changes in; a script out that needs torch and numpy and prints the run's losses.

        Those of `torch` are the same to the bit. Those of `compiled` are but for rounding, from which the two drift
        apart after a hundred updates or so.
        """
        body = await read_small_body(request, settings)
        return await line.do(_answer, body, store)

    return router


def file_name(recipe: Recipe) -> str:
    return f"unrolled-{recipe.cell}-seed-{recipe.seed}.py"


def _answer(body: bytes, store: ModelStore) -> Response:
    asked = checked(ScriptRequest, body)
    recipe = asked.recipe
    if recipe.framework == "tensorflow":
        detail = "recipe.framework: a script is a PyTorch program, so it must be torch or compiled, not tensorflow"
        raise Refused("conflict", "recipe.framework", detail)
    weights = store.weights_of(recipe)
    try:
        text = script(recipe, asked.changes, weights)
    except ValueError as error:
        raise Refused("conflict", "changes", f"changes: {error}") from None
    headers = {"Content-Disposition": f'attachment; filename="{file_name(recipe)}"'}
    return Response(text, 200, headers, "text/x-python")
