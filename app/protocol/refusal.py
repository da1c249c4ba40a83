"""Refused: a request or a message is not carried out; the code, the field and the sentence that say why."""

from collections.abc import Mapping
from typing import Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from app.protocol.shown import SHOWN, shown

M = TypeVar("M", bound=BaseModel)

Code = Literal[
    "broken_json",  # 400: the body is not JSON
    "body_too_large",  # 413
    "body_too_slow",  # 408
    "missing",  # 422: a field that must be there is not
    "unknown_field",
    "conflict",  # two fields that exclude each other, or lists that must match
    "wrong_type",
    "not_finite",
    "out_of_range",
    "bad_state",  # not a state that this model handed out
    "bad_model",  # an upload that is not a checkpoint
    "token_needed",  # 401: the operator asks everyone for a token
    "foreign_origin",  # 403: a page of another origin had a browser send this
    "unknown_model",  # 404
    "not_found",  # 404
    "method_not_allowed",  # 405
    "bad_request",  # any other 4xx
    "not_installed",  # 501: an optional framework is not on this server
    "not_offered",  # 501: a framework that the operator does not offer
    "busy",  # 503, with Retry-After
    "store_full",  # 507: no room for another model
    "failed",  # 500: our own bug
    # websockets only; the connection stays open
    "unknown_type",  # a message type that is not in the protocol
    "not_open",  # the first message is `open`
    "bad_checkpoint",  # not a checkpoint that can be resumed
    "checkpoint_expected",  # after `open` with `resume` comes one binary frame
    "checkpoint_unexpected",  # a binary frame that no `open` announced
    "changes_full",  # the run's change log has no room
]

# pydantic's error types that have a code of their own; all others are a wrong type
ERROR_CODES: Mapping[str, Code] = {
    "json_invalid": "broken_json",
    "missing": "missing",
    "extra_forbidden": "unknown_field",
    "finite_number": "not_finite",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "less_than": "out_of_range",
    "less_than_equal": "out_of_range",
    "too_short": "out_of_range",
    "too_long": "out_of_range",
    "string_too_long": "out_of_range",
    "string_too_short": "out_of_range",
    "fields_disagree": "conflict",
    "conflict": "conflict",
    "pace": "out_of_range",
}


class Problem(BaseModel):
    """Why a request was refused."""

    code: Code = Field(description="what is wrong, from a closed list")
    field: str = Field(description="where it is wrong, such as `sequences.1.4`; empty for the whole request")
    detail: str = Field(description="a sentence that names the bound and the value that came")


class Refused(Exception):
    """A request or a message is not carried out. Over HTTP `code` decides the status.

    Args:
        field: where it is wrong; empty for the whole.
        detail: a sentence that names the bound and the value that came.
        retry_after: seconds after which asking again may help.
    """

    def __init__(self, code: Code, field: str, detail: str, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.code: Code = code
        self.field = field
        self.detail = detail
        self.retry_after = retry_after
        self.tag: int | None = None  # that of the websocket message which is refused, if it had one

    @classmethod
    def of(cls, error: ValidationError, skip: int = 0) -> "Refused":
        """The first thing that pydantic found, in our words: it never repeats the input at length.

        `skip` leaves out the first parts of the field's name, such as a union's tag.
        """
        first = error.errors(include_url=False)[0]
        code = ERROR_CODES.get(first["type"], "wrong_type")
        field = ".".join(str(part) for part in first["loc"][skip:])[: 2 * SHOWN]
        if code == "broken_json":
            return cls(code, "", first["msg"][: 2 * SHOWN])
        if first["type"] == "fields_disagree":
            prefix = f"{field}." if field else ""
            field = ", ".join(prefix + first["ctx"][which] for which in ("first", "second"))
            return cls(code, field, first["msg"])
        if first["type"] == "conflict":
            return cls(code, ".".join(filter(None, (field, first["ctx"]["name"]))), first["msg"])
        return cls(code, field, f"{field or 'the body'}: {first['msg']}, not {shown(first['input'])}")


def checked(shape: type[M], body: bytes) -> M:
    """A JSON body as an object of this shape. Raises Refused, naming the field."""
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        raise Refused.of(error) from None
