"""Requests drawn from the API's own description, on a live server: schemathesis, told what a schema cannot say."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import islice
from typing import Any

import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core import NOT_SET
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.fuzz.blobs import good
from tests.fuzz.cases import Blob, each
from tests.fuzz.hostile import KINDS

Draw = Any  # of hypothesis: from a strategy, a value

POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE

JSON, BINARY = "application/json", "application/octet-stream"

UNSAID: dict[str, set[str]] = {
    "GET /healthz": set(),
    "GET /readyz": set(),
    "GET /metrics": set(),
    "GET /recipe/schema": set(),
    "GET /models": set(),
    "GET /models/{id}": {"unknown_model", "not_found"},
    "GET /models/{id}/onnx": {"unknown_model", "not_found"},
    "POST /models": {"bad_model"},
    "POST /onnx": {"bad_model"},
    "POST /receipt": {"bad_model"},
    "POST /predict": {"conflict", "bad_state", "unknown_model"},
    "POST /script": {"conflict", "unknown_model"},
    "POST /lessons/detach": {"conflict"},
    "POST /qr": {"out_of_range"},
}
"""Every operation, and why a request that fits its schema may be refused all the same: lists that must match in length,
one field's bound that is another field, ids, bytes that are no checkpoint, a text whose bytes a QR code cannot hold."""

NO_CHANGE = "a change sets at least one of"  # told as `wrong_type`: a schema would need a clause for each live field

PASSED_OVER = [
    positive_data_acceptance,  # it knows no such reasons; `_fits` below does, and is stricter
    not_a_server_error,  # 503 and 507 are documented answers; a status that is not is caught, and 500 is below
]

IDS = st.sampled_from(
    ["sine", "SINE", "0" * 16, "f" * 15, "../sine", "%2e%2e%2f", "..\\..", "sine.safetensors", ".lock",
     "/etc/passwd", "\0", "sine\n", "ｓｉｎｅ", "x" * 5000, "models", "-1", "%00", "~", "sine;x", "sine/"]
)  # fmt: skip


class Endpoints:
    """The operations of a live server."""

    def __init__(self, url: str) -> None:
        self._schema = schemathesis.openapi.from_url(url + "/openapi.json")
        self._operations = {operation.label: operation for operation in self._all()}
        self._session = requests.Session()
        self._ids: list[str] = []

    def _all(self) -> Iterator[APIOperation[Any, Any, Any, Any]]:
        return (found.ok() for found in self._schema.get_all_operations())

    def labels(self) -> set[str]:
        return set(self._operations)

    def hold(self, label: str, count: int, at_random: bool) -> Counter[str]:
        """How many requests had which outcome. Fewer than `count` where there are no more that differ."""
        operation, outcomes = self._operations[label], Counter[str]()

        def check(case: Case) -> None:
            outcomes[self._answer(case)] += 1

        good()  # made before the draws begin: it draws too
        for case in islice(self._systematic(operation), count if at_random else 4 * count):
            check(case)
        takes = set(operation.get_request_payload_content_types())
        modes = (POSITIVE, NEGATIVE) if JSON in takes else (POSITIVE,)  # no bytes and no text are against a schema
        for mode in modes:
            drawn = operation.as_strategy(mode)
            if BINARY in takes:
                drawn = _with_bodies(drawn)
            elif "{id}" in label:
                drawn = _with_ids(drawn)
            elif mode is POSITIVE:
                drawn = drawn.map(_with_whole_numbers)
            each(drawn, max(1, count // len(modes)), at_random, check)
        return outcomes

    def _systematic(self, operation: APIOperation[Any, Any, Any, Any]) -> Iterator[Case]:
        """Each bound, each field left out, each method that there is not."""
        yield from self._schema.iter_coverage_cases(
            operation, generation_modes=[POSITIVE, NEGATIVE], generation_config=self._schema.config.generation
        )

    def _answer(self, case: Case) -> str:
        answer = case.call(session=self._session, timeout=30)
        case.validate_response(answer, excluded_checks=PASSED_OVER + [negative_data_rejection] * _is_empty(case))
        status = answer.status_code
        assert status != 500, answer.text
        if status >= 400:
            _fits(case, answer.json())
        return str(status)


def _is_empty(case: Case) -> bool:
    """Whether nothing is sent where nothing need be: schemathesis counts that as against the schema."""
    return case.operation.label == "POST /lessons/detach" and (case.body is NOT_SET or case.body in ("", b""))


def _fits(case: Case, problem: dict[str, str]) -> None:
    """Only what a schema cannot say may be refused of what fits it."""
    label = case.operation.label
    generation = case.meta.generation.mode if case.meta else NEGATIVE
    if generation is POSITIVE and case.method == case.operation.method.upper():
        unsaid = problem["code"] in UNSAID[label] or NO_CHANGE in problem["detail"]
        assert unsaid, f"{label}: {problem} of {case.as_curl_command()[:1000]}"


@cache
def _uploads() -> st.SearchStrategy[bytes]:
    return st.one_of(st.binary(max_size=200), st.sampled_from(good()), *(kind() for kind in KINDS.values()))


@st.composite
def _with_bodies(draw: Draw, drawn: st.SearchStrategy[Case]) -> Case:
    """Checkpoints for bodies, good ones and hostile ones: bytes at random are never one."""
    case = draw(drawn)
    if draw(st.booleans()):
        case.body = Blob(draw(_uploads()))
    return case


@st.composite
def _with_ids(draw: Draw, drawn: st.SearchStrategy[Case]) -> Case:
    case = draw(drawn)
    if draw(st.booleans()):
        case.path_parameters["id"] = draw(IDS)
    return case


def _with_whole_numbers(case: Case) -> Case:
    """JSON Schema takes 3.0 for an integer; the recipe is stricter, and says so where it comes."""
    with suppress(AttributeError):
        case.body = _whole(case.body)
    return case


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
