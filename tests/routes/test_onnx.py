"""ONNX models: what stands in them, and how the server and the command line hand them out."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx.reference import ReferenceEvaluator

from app.cli import main
from model.checkpoint import MAX_BYTES, Checkpoint
from model.export.onnx import file_name, to_onnx
from model.inference import Weights, predict
from model.learner import Learner
from model.network import state_parts
from model.recipe import Recipe
from model.weights import bundled
from tests.conftest import Server, running
from tests.support.imported import imported_by_an_app
from tests.support.nursery import alone


def trained(cell: str = "rnn", hidden_size: int = 5, updates: int = 3) -> Checkpoint:
    """A run after a few updates."""
    learner = Learner(Recipe.model_validate({"cell": cell, "hidden_size": hidden_size}))
    for _ in range(updates):
        learner.advance()
    return learner.checkpoint()


def about(data: bytes) -> dict[str, str]:
    return {prop.key: prop.value for prop in onnx.load_from_string(data).metadata_props}


def shape(value: onnx.ValueInfoProto) -> list[str | int]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


# ---------------------------------------------------------------- the model


@pytest.mark.parametrize("hidden_size", [1, 32, 128])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_it_is_a_valid_model_of_any_batch_and_any_time(cell: str, hidden_size: int) -> None:
    model = onnx.load_from_string(to_onnx(trained(cell, hidden_size, updates=1)))
    onnx.checker.check_model(model, full_check=True)
    parts = 2 if cell == "lstm" else 1
    shapes = {value.name: shape(value) for value in (*model.graph.input, *model.graph.output)}
    assert shapes == {
        "x": ["batch", "time", 1],
        "state": [parts, "batch", hidden_size],
        "prediction": ["batch", "time", 1],
        "state_out": [parts, "batch", hidden_size],
    }
    assert (model.ir_version, model.opset_import[0].version) == (6, 11), "so that runtimes of 2020 open it"


@pytest.mark.parametrize("length", [1, 7])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_standards_own_reference_says_what_we_say(cell: str, length: int) -> None:
    checkpoint = trained(cell)
    x = np.sin(0.3 * np.arange(3 * length, dtype=np.float32)).reshape(3, length)
    state = np.random.default_rng(1).normal(size=(state_parts(checkpoint.recipe.cell), 3, 5)).astype(np.float32)
    expected, ends = predict(Weights.of(checkpoint.network()), list(x), list(state.transpose(1, 0, 2)))
    reference = ReferenceEvaluator(onnx.load_from_string(to_onnx(checkpoint)))
    prediction, state_out = reference.run(None, {"x": x[:, :, None], "state": state})
    np.testing.assert_allclose(prediction[:, :, 0], np.stack(expected), atol=1e-5)
    np.testing.assert_allclose(state_out, np.stack(ends, 1), atol=1e-5)


def test_it_says_what_it_is() -> None:
    checkpoint = trained("gru", updates=4)
    data = to_onnx(checkpoint)
    told = about(data)
    assert (told["cell"], told["hidden_size"], told["update"]) == ("gru", "5", "4")
    assert Recipe.model_validate_json(told["recipe"]) == checkpoint.recipe
    model = onnx.load_from_string(data)
    assert model.producer_name == "unrolled"
    assert model.producer_version == told["unrolled"]
    sine = Checkpoint.from_bytes(bundled()["sine"])
    assert tuple(json.loads(about(to_onnx(sine))["interval"])) == sine.run.interval


def test_equal_checkpoints_give_equal_bytes() -> None:
    assert to_onnx(trained("lstm")) == to_onnx(trained("lstm"))
    assert to_onnx(trained(updates=1)) != to_onnx(trained(updates=2))


def test_onnx_is_imported_when_the_first_model_is_asked_for() -> None:
    assert alone(imported_by_an_app, ["onnx"]) == []


# ---------------------------------------------------------------- over HTTP


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("export")
    with running(folder) as server:
        yield server
        assert "Traceback" not in server.log.read_text()


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


def test_a_stored_model_is_downloaded_as_onnx(client: httpx.Client) -> None:
    checkpoint = trained("lstm")
    id = client.post("/models", content=checkpoint.to_bytes()).json()["id"]
    answer = client.get(f"/models/{id}/onnx")
    assert answer.content == to_onnx(checkpoint)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{id}.onnx"'
    sine = client.get("/models/sine/onnx")
    assert sine.content == to_onnx(Checkpoint.from_bytes(bundled()["sine"]))
    assert 'filename="sine.onnx"' in sine.headers["Content-Disposition"]


@pytest.mark.parametrize("id", ["0123456789abcdef", "nothing", "..%2fsine", "%0A"])
def test_a_model_that_is_not_there_is_unknown_as_onnx_too(client: httpx.Client, id: str) -> None:
    answer = client.get(f"/models/{id}/onnx")
    assert answer.status_code == 404
    assert answer.json()["code"] in {"unknown_model", "not_found"}


def test_a_checkpoint_comes_back_as_onnx_and_is_not_kept(client: httpx.Client, server: Server) -> None:
    before = client.get("/models").json()
    checkpoint = trained("gru", updates=2)
    answer = client.post("/onnx", content=checkpoint.to_bytes())
    assert answer.status_code == 200
    assert answer.content == to_onnx(checkpoint)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="unrolled-gru-2.onnx"'
    assert file_name(checkpoint) == "unrolled-gru-2.onnx"
    assert client.get("/models").json() == before


@pytest.mark.parametrize("data", [b"", b"x", b"{}", b"\x80" * 1000, trained().to_bytes()[:-1]])
def test_what_is_no_checkpoint_is_refused_as_an_upload_is(client: httpx.Client, data: bytes) -> None:
    answer = client.post("/onnx", content=data)
    assert answer.status_code == 422
    assert answer.json() == client.post("/models", content=data).json()
    assert answer.json()["code"] == "bad_model"
    assert len(answer.content) < 2000


def test_a_body_too_large_is_refused(client: httpx.Client) -> None:
    answer = client.post("/onnx", content=b"\0" * (MAX_BYTES + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_both_routes_are_documented(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for path, method in (("/models/{id}/onnx", "get"), ("/onnx", "post")):
        operation = paths[path][method]
        assert operation["summary"]
        assert "application/octet-stream" in operation["responses"]["200"]["content"]
    assert "application/octet-stream" in paths["/onnx"]["post"]["requestBody"]["content"]


# ---------------------------------------------------------------- on the command line


@pytest.fixture
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNROLLED_MODELS_DIR", str(tmp_path / "models"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["export", *arguments])


@pytest.mark.usefixtures("_in_a_folder_of_its_own")
def test_export_writes_a_checkpoint_file_as_onnx_and_says_how_to_run_it() -> None:
    checkpoint = trained("lstm")
    Path("run.safetensors").write_bytes(checkpoint.to_bytes())
    result = run("run.safetensors", "--onnx", "run.onnx")
    assert result.exit_code == 0, result.output
    data = Path("run.onnx").read_bytes()
    assert data == to_onnx(checkpoint)
    first, _, *hint = result.stdout.splitlines()
    assert first == f"run.onnx: lstm, 5 units, {len(data):,} bytes"
    assert len(hint) == 3
    assert re.search(r"numpy\.zeros\(\(2, batch, 5\)", hint[1])


@pytest.mark.usefixtures("_in_a_folder_of_its_own")
def test_export_knows_the_models_that_the_server_knows() -> None:
    assert run("sine", "--onnx", "sine.onnx").exit_code == 0
    assert Path("sine.onnx").read_bytes() == to_onnx(Checkpoint.from_bytes(bundled()["sine"]))


@pytest.mark.usefixtures("_in_a_folder_of_its_own")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nosuchmodel", "--onnx", "a.onnx"), "no model 'nosuchmodel'"),
        (("notes.txt", "--onnx", "a.onnx"), "notes.txt: "),
        (("sine", "--onnx", "nowhere/a.onnx"), "there is no such folder"),
        (("sine",), "Missing option '--onnx'"),
        (("sine", "--onnx", "."), "is a directory"),
    ],
)
def test_export_says_what_is_wrong_and_writes_nothing(arguments: tuple[str, ...], says: str) -> None:
    Path("notes.txt").write_text("not a checkpoint")
    result = run(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert [path.name for path in Path().iterdir()] == ["notes.txt"]
