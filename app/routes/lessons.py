"""POST /lessons/detach: the tutorial's loop with and without its detach, run in a sandbox."""

import torch
from fastapi import APIRouter, Request, Response

from app.http.bodies import read_small_body
from app.http.one_by_one import OneByOne
from app.http.openapi import documented, documented_body
from app.protocol.lessons import DETACH_EXAMPLES, DetachAnswer, DetachRequest
from app.protocol.refusal import Refused, checked
from app.settings import Settings
from model.detach import experiment, sandboxed
from model.recipe import Recipe

MOST_WAITING = 8
"""Experiments under way or waiting. The largest recipe takes 1.5 s, the tutorial's 0.1 s."""


def routes(settings: Settings) -> APIRouter:
    router = APIRouter()
    line = OneByOne("lesson", "experiments", MOST_WAITING, retry_after=2)

    @router.post(
        "/lessons/detach",
        summary="Leave out the detach",
        response_class=Response,
        responses={
            200: {"model": DetachAnswer},
            **documented("broken_json", "body_too_slow", "body_too_large", "unknown_field", "conflict"),
            **documented("wrong_type", "not_finite", "out_of_range", "busy"),
        },
        openapi_extra=documented_body(
            "application/json", DetachRequest.model_json_schema(), DETACH_EXAMPLES, required=False
        ),
    )
    async def detach(request: Request) -> Response:
        """A recipe in; what PyTorch does and says when its hidden state is not detached between chunks out."""
        recipe = _asked(await read_small_body(request, settings))
        return Response(await line.do(_answer, recipe), media_type="application/json")

    return router


def _asked(body: bytes) -> Recipe:
    recipe = checked(DetachRequest, body or b"{}").recipe
    if recipe.framework == "tensorflow":
        detail = (
            "recipe.framework: TensorFlow's graph is built once, there is nothing to detach; the lesson is PyTorch's"
        )
        raise Refused("conflict", "recipe.framework", detail)
    return recipe


def _answer(recipe: Recipe) -> str:
    answer = DetachAnswer(recipe=sandboxed(recipe), torch=torch.__version__.split("+")[0], acts=experiment(recipe))
    return answer.model_dump_json()
