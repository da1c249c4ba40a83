"""POST /predict over real sockets: every answer of the contract, and every mistake refused in a few words."""

import base64
import json
import math
import socket
import struct
import urllib.parse

import httpx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from app.http.answers import answer as in_http
from app.inference.question import Question
from app.protocol.refusal import Problem, Refused
from model.checkpoint import Checkpoint
from model.network import Network
from model.recipe import Recipe
from tests.conftest import running

SINE = [math.sin(0.3 * n) for n in range(30)]


@pytest.fixture(scope="module")
def client(server_url):
    with httpx.Client(base_url=server_url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A server with hardly any room."""
    folder = tmp_path_factory.mktemp("small")
    limits = {"max_body_bytes": 2000, "max_sequence": 20, "max_sequences": 2, "body_seconds": 0.5}
    with running(folder, **limits) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


def upload(client, cell, hidden_size=32, scale=1.0):
    network = Network(cell, hidden_size, torch.Generator().manual_seed(7))
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(scale)
    data = Checkpoint.of_network(Recipe(cell=cell, hidden_size=hidden_size), network).to_bytes()
    return client.post("/models", content=data).raise_for_status().json()["id"]


def predict(client, **body):
    answer = client.post("/predict", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refusal(answer, code, field):
    """Checks that this is a refusal with that code and field, in a few words."""
    assert 400 <= answer.status_code < 500, answer.text
    assert len(answer.content) < 2000
    problem = answer.json()
    assert set(problem) == {"code", "field", "detail"}
    assert (problem["code"], problem["field"]) == (code, field), problem
    return problem["detail"]


def test_one_sequence_is_answered_sample_for_sample(client):
    answer = predict(client, sequence=SINE)
    assert set(answer) == {"prediction", "state", "model", "warnings"}
    assert len(answer["prediction"]) == len(SINE)
    assert answer["warnings"] == []
    assert answer["model"]["id"] == "sine"
    assert answer["model"]["parameters"] == 1153


def test_whole_numbers_are_numbers(client):
    assert len(predict(client, sequence=[0, 1, 0, -1])["prediction"]) == 4


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_ragged_sequences_are_answered_as_each_alone(client, cell):
    model = upload(client, cell, 16)
    sequences = [SINE, SINE[:1], SINE[3:17], SINE * 40]
    together = predict(client, sequences=sequences, model=model)
    for row, sequence in enumerate(sequences):
        alone = predict(client, sequence=sequence, model=model)
        np.testing.assert_allclose(together["predictions"][row], alone["prediction"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_state_carries_on_where_the_last_answer_ended(client, cell):
    model = upload(client, cell, 16)
    sequence = SINE * 30
    whole = predict(client, sequence=sequence, model=model)
    pieces, state = [], None
    for start, end in [(0, 1), (1, 30), (30, 600), (600, 900)]:
        answer = predict(client, sequence=sequence[start:end], state=state, model=model)
        pieces += answer["prediction"]
        state = answer["state"]
    np.testing.assert_allclose(pieces, whole["prediction"], atol=1e-6, rtol=0)


def test_states_may_be_null_each(client):
    first = predict(client, sequence=SINE)
    answer = predict(client, sequences=[SINE, SINE], states=[None, first["state"]])
    np.testing.assert_allclose(answer["predictions"][0], first["prediction"], atol=1e-6)
    alone = predict(client, sequence=SINE, state=first["state"])
    np.testing.assert_allclose(answer["predictions"][1], alone["prediction"], atol=1e-6)
    assert len(answer["states"]) == 2


def test_targets_are_answered_with_the_mean_squared_error(client):
    target = [math.cos(0.3 * n) for n in range(30)]
    answer = predict(client, sequence=SINE, target=target)
    expected = np.square(np.subtract(answer["prediction"], target)).mean()
    assert answer["mse"] == pytest.approx(expected, rel=1e-5)
    both = predict(client, sequences=[SINE, SINE[:5]], targets=[target, target[:5]])
    assert both["mses"][0] == pytest.approx(expected, rel=1e-4)
    assert len(both["mses"]) == 2


def test_samples_unlike_training_are_answered_with_a_warning(client):
    answer = predict(client, sequences=[SINE, [3 * x for x in SINE], SINE[::5]])
    assert len(answer["warnings"]) == 2
    assert answer["warning_codes"] == ["amplitude", "interval"]
    assert answer["warnings"][0].startswith("sequences.1: amplitude 3")
    assert answer["warnings"][1].startswith("sequences.2: about 1.5 radians")


def test_warnings_are_few_however_many_sequences_are_odd(client):
    answer = predict(client, sequences=[[5.0, 6.0]] * 64)
    warnings = answer["warnings"]
    assert answer["warning_codes"] == ["amplitude"] * 8 + ["more"]
    assert len(warnings) == 9
    assert warnings[-1] == "and 56 more warnings"


def test_the_longest_allowed_request_is_answered(client):
    sequence = [round(x, 3) for x in SINE * 334][:10_000]
    answer = predict(client, sequences=[sequence] * 50)
    assert [len(row) for row in answer["predictions"]] == [10_000] * 50


BAD = {
    "empty body": (b"", "broken_json", ""),
    "text": (b"hello", "broken_json", ""),
    "cut off": (b'{"sequence": [1,', "broken_json", ""),
    "not UTF-8": (b'{"sequence": ["\xff"]}', "broken_json", ""),
    "gzip": (bytes.fromhex("1f8b0800000000000003"), "broken_json", ""),
    "lone surrogate": (b'{"model": "\\ud800"}', "broken_json", ""),
    "deep list": (b"[" * 9_000, "broken_json", ""),
    "deep object": (b'{"a":' * 4_000, "broken_json", ""),
    "deepest list": (b"[" * 100_000, "unknown_field", ""),
    "many lists": (b'{"sequences": [' + b",".join([b"[0]"] * 100_000) + b"]}", "unknown_field", ""),
    "many empty lists": (b'{"x": [' + b",".join([b"[]"] * 100_000) + b"]}", "unknown_field", ""),
    "many objects": (b'{"x": [' + b",".join([b"{}"] * 100_000) + b"]}", "unknown_field", ""),
    "many texts": (b'{"x": [' + b",".join([b'""'] * 100_000) + b"]}", "unknown_field", ""),
    "deep sequence": (b'{"sequence":' + b"[" * 150 + b"]" * 150 + b"}", "wrong_type", "sequence.0"),
    "null": (b"null", "wrong_type", ""),
    "a list": (b"[1, 2]", "wrong_type", ""),
    "neither": (b"{}", "missing", "sequence"),
    "nulls": (b'{"sequence": null, "sequences": null}', "missing", "sequence"),
    "both": (b'{"sequence": [1], "sequences": [[1]]}', "conflict", "sequence"),
    "empty": (b'{"sequence": []}', "out_of_range", "sequence"),
    "no sequences": (b'{"sequences": []}', "out_of_range", "sequences"),
    "an empty one": (b'{"sequences": [[1], []]}', "out_of_range", "sequences.1"),
    "too long": (b'{"sequence": [' + b"0," * 10_000 + b"0]}", "out_of_range", "sequence"),
    "one too long": (b'{"sequences": [[0],[' + b"0," * 10_000 + b"0]]}", "out_of_range", "sequences.1"),
    "too many": (b'{"sequences": [' + b"[0]," * 64 + b"[0]]}", "out_of_range", "sequences"),
    "NaN": (b'{"sequence": [0, NaN]}', "not_finite", "sequence.1"),
    "Infinity": (b'{"sequence": [Infinity]}', "not_finite", "sequence.0"),
    "-Infinity": (b'{"sequences": [[0], [0, -Infinity]]}', "not_finite", "sequences.1.1"),
    "1e999": (b'{"sequence": [1e999]}', "not_finite", "sequence.0"),
    "too large": (b'{"sequence": [1e38]}', "out_of_range", "sequence.0"),
    "400 digits": (b'{"sequence": [' + b"9" * 400 + b"]}", "not_finite", "sequence.0"),
    "9000 digits": (b'{"sequence": [' + b"9" * 9000 + b"]}", "broken_json", ""),
    "string": (b'{"sequence": ["1"]}', "wrong_type", "sequence.0"),
    "long string": (b'{"sequence": ["' + b"x" * 100_000 + b'"]}', "wrong_type", "sequence.0"),
    "boolean": (b'{"sequence": [0.5, true]}', "wrong_type", "sequence.1"),
    "null sample": (b'{"sequence": [null]}', "wrong_type", "sequence.0"),
    "a number": (b'{"sequence": 1}', "wrong_type", "sequence"),
    "an object": (b'{"sequence": {"0": 1}}', "wrong_type", "sequence"),
    "nested too deep": (b'{"sequence": [[1]]}', "wrong_type", "sequence.0"),
    "nested too little": (b'{"sequences": [1]}', "wrong_type", "sequences.0"),
    "unknown field": (b'{"sequence": [1], "sequnce": [1]}', "unknown_field", "sequnce"),
    "long field": (b'{"sequence": [1], "' + b"x" * 100_000 + b'": 1}', "unknown_field", "x" * 80),
    "many fields": (
        json.dumps({"sequence": [1]} | dict.fromkeys(map(str, range(5_000)))).encode(),
        "unknown_field",
        "0",
    ),
    "more fields than are read": (
        json.dumps({"sequence": [1]} | dict.fromkeys(map(str, range(50_000)))).encode(),
        "unknown_field",
        "",
    ),
    "many errors": (b'{"sequence": [' + b"true," * 500_000 + b"1]}", "wrong_type", "sequence.0"),
    "states to one": (b'{"sequence": [1], "states": [null]}', "conflict", "states"),
    "state to several": (b'{"sequences": [[1]], "state": "x"}', "conflict", "state"),
    "too few states": (b'{"sequences": [[1], [2]], "states": [null]}', "conflict", "states"),
    "no states": (b'{"sequences": [[1]], "states": []}', "conflict", "states"),
    "state a list": (b'{"sequence": [1], "state": [0.1]}', "wrong_type", "state"),
    "states nested": (b'{"sequences": [[1]], "states": [[0.1]]}', "wrong_type", "states.0"),
    "state long": (b'{"sequence": [1], "state": "' + b"A" * 100_000 + b'"}', "out_of_range", "state"),
    "state garbage": (b'{"sequence": [1], "state": "hello!"}', "bad_state", "state"),
    "state not ASCII": ('{"sequence": [1], "state": "état"}'.encode(), "bad_state", "state"),
    "state empty": (b'{"sequences": [[1]], "states": [""]}', "bad_state", "states.0"),
    "target of another length": (b'{"sequence": [1], "target": [1, 2]}', "conflict", "target"),
    "targets ragged": (b'{"sequences": [[1], [2]], "targets": [[1], [2, 3]]}', "conflict", "targets.1"),
    "too few targets": (b'{"sequences": [[1], [2]], "targets": [[1]]}', "conflict", "targets"),
    "target NaN": (b'{"sequence": [1], "target": [NaN]}', "not_finite", "target.0"),
    "target null": (b'{"sequences": [[1]], "targets": [null]}', "wrong_type", "targets.0"),
    "unknown model": (b'{"sequence": [1], "model": "0123456789abcdef"}', "unknown_model", "model"),
    "hostile model": (b'{"sequence": [1], "model": "../../etc/passwd"}', "unknown_model", "model"),
    "model with a zero": (b'{"sequence": [1], "model": "a\\u0000b"}', "unknown_model", "model"),
    "empty model": (b'{"sequence": [1], "model": ""}', "unknown_model", "model"),
    "long model": (b'{"sequence": [1], "model": "' + b"a" * 100_000 + b'"}', "out_of_range", "model"),
    "model a number": (b'{"sequence": [1], "model": 1}', "wrong_type", "model"),
    "model null": (b'{"sequence": [1], "model": null}', "wrong_type", "model"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_refused_by_field_and_briefly(client, name):
    body, code, field = BAD[name]
    refusal(client.post("/predict", content=body), code, field)


def test_a_refusal_names_bound_and_value(client):
    answer = client.post("/predict", content=b'{"sequence": [0, 1e7]}')
    detail = refusal(answer, "out_of_range", "sequence.1")
    assert "1000000" in detail
    assert "10000000.0" in detail
    answer = client.post("/predict", json={"sequence": [0] * 10_001})
    detail = refusal(answer, "out_of_range", "sequence")
    assert "10000" in detail
    assert "10001" in detail


def test_a_state_belongs_to_its_model_alone(client):
    state = predict(client, sequence=SINE)["state"]
    other = upload(client, "rnn", 32)
    answer = client.post("/predict", json={"sequence": SINE, "state": state, "model": other})
    assert other in refusal(answer, "bad_state", "state")


def _forged(state, numbers):
    data = base64.urlsafe_b64decode(state)[:8] + struct.pack(f"<{len(numbers)}d", *numbers)
    return base64.urlsafe_b64encode(data).decode()


@pytest.mark.parametrize(
    "numbers", [[], [0.0] * 31, [0.0] * 33, [math.nan] * 32, [math.inf] + [0.0] * 31, [1e300] * 32]
)
def test_a_state_of_another_shape_or_not_finite_is_refused(client, numbers):
    state = _forged(predict(client, sequence=SINE)["state"], numbers)
    refusal(client.post("/predict", json={"sequence": [1], "state": state}), "bad_state", "state")
    answer = client.post("/predict", json={"sequences": [[1], [1]], "states": [None, state]})
    refusal(answer, "bad_state", "states.1")


def test_a_state_cut_anywhere_is_refused(client):
    state = predict(client, sequence=SINE)["state"]
    for length in [1, 10, 11, 12, len(state) - 4, len(state) - 1]:
        answer = client.post("/predict", json={"sequence": [1], "state": state[:length]})
        refusal(answer, "bad_state", "state")


def test_a_model_that_overflows_is_told_apart_from_a_broken_server(client):
    model = upload(client, "lstm", 4, scale=6e37)
    answer = client.post("/predict", json={"sequence": [1e6, -1e6] * 20, "model": model})
    if answer.status_code != 200:
        refusal(answer, "not_finite", "model")
    else:
        assert np.isfinite(answer.json()["prediction"]).all()


def test_the_operators_limits_are_named(small):
    detail = refusal(small.post("/predict", json={"sequence": [0] * 21}), "out_of_range", "sequence")
    assert "20" in detail
    assert "21" in detail
    answer = small.post("/predict", json={"sequences": [[0]] * 3})
    assert "at most 2" in refusal(answer, "out_of_range", "sequences")


def test_a_body_too_large_is_not_read_to_its_end(small):
    answer = small.post("/predict", content=b" " * 3_000_000)
    assert answer.status_code == 413
    assert "2000" in refusal(answer, "body_too_large", "")
    answer = small.post("/predict", content=(b" " * 1000 for _ in range(3000)))  # no length announced
    assert answer.status_code == 413
    refusal(answer, "body_too_large", "")


def test_a_body_that_never_ends_is_given_up(small):
    address = (small.base_url.host, small.base_url.port)
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(b'POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"sequence"')
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_more_than_the_queue_holds_is_told_to_come_again(start_server):
    long = {"sequences": [[0.5] * 10_000] * 20}
    with start_server(prediction_queue=1) as server:
        address = urllib.parse.urlsplit(server.url)
        body = json.dumps(long).encode()
        head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        for _ in range(10):
            with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
                connection.sendall(head + body)
                while server.metric("unrolled_prediction_queue") == 0:
                    pass
                answer = httpx.post(server.url + "/predict", json={"sequence": SINE})
                assert connection.recv(64).startswith(b"HTTP/1.1 200 ")  # the one that was there first
            if answer.status_code != 200:  # the long one may have ended just before
                break
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.json()["code"] == "busy"
        assert httpx.post(server.url + "/predict", json={"sequence": SINE}).status_code == 200


def test_the_examples_of_the_api_description_work_when_pasted(client):
    description = client.get("/openapi.json").json()
    operation = description["paths"]["/predict"]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    answers = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert content["examples"]
    for example in content["examples"].values():
        Draft202012Validator(content["schema"]).validate(example["value"])
        answer = client.post("/predict", json=example["value"])
        assert answer.status_code == 200
        schema = answers | {"components": description["components"]}
        Draft202012Validator(schema).validate(answer.json())


def test_the_api_description_knows_every_refusal(client):
    responses = client.get("/openapi.json").json()["paths"]["/predict"]["post"]["responses"]
    assert set(responses) == {"200", "400", "404", "408", "413", "422", "503"}


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=20,
)
_names = st.sampled_from(["sequence", "sequences", "state", "states", "target", "targets", "model", "x"])


@given(st.binary(max_size=40) | _json.map(lambda v: json.dumps(v).encode()))
def test_no_body_is_more_than_refused(body):
    with pytest.raises(Refused):
        Question.of_body(body, 100, 10)


@given(st.dictionaries(_names, _json | st.lists(st.floats(-1, 1)) | st.lists(st.lists(st.floats(-1, 1)))))
def test_no_object_is_more_than_refused(asked):
    try:
        question = Question.of_body(json.dumps(asked).encode(), 100, 10)
    except Refused as refused:
        answer = in_http(refused)
        problem = Problem.model_validate_json(answer.body)
        shortly = len(answer.body) < 2000 and problem.code == refused.code
    else:
        shortly = all(np.isfinite(sequence).all() for sequence in question.sequences)
    assert shortly
