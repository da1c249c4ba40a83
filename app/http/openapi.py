"""OpenAPI's description of a route that reads its own body and refuses in our shape."""

from collections.abc import Mapping
from typing import Any, get_args

from app.http.answers import status_of
from app.protocol.refusal import Code, Problem


def documented(*codes: Code) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may refuse with these codes, for OpenAPI."""
    assert set(codes) <= set(get_args(Code))
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(status_of(code), []).append(code)
    return {
        status: {"model": Problem, "description": "refused: " + ", ".join(names)}
        for status, names in sorted(by_status.items())
    }


def documented_body(
    media_type: str, schema: dict[str, Any], examples: dict[str, Any] | None = None, required: bool = True
) -> dict[str, Any]:
    """The OpenAPI of a body that the route reads for itself, in place of FastAPI's own reading."""
    content: dict[str, Any] = {"schema": _whole(schema, schema.get("$defs", {}))}
    if examples:
        content["examples"] = examples
    return {"requestBody": {"required": required, "content": {media_type: content}}}


def documented_path(*names: str) -> dict[str, Any]:
    """The OpenAPI of parts of a path that the route reads for itself. FastAPI would add a 422 of a shape not ours."""
    return {
        "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    }


def _whole(schema: Any, shapes: Mapping[str, Any]) -> Any:
    """A schema without references: those that pydantic writes lead nowhere within an OpenAPI document."""
    if isinstance(schema, list):
        return [_whole(inner, shapes) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    found = _whole(shapes[schema["$ref"].removeprefix("#/$defs/")], shapes) if "$ref" in schema else {}
    return found | {name: _whole(inner, shapes) for name, inner in schema.items() if name not in ("$ref", "$defs")}
