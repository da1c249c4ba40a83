"""A run as a PyTorch script: it prints the losses of `torch` to the bit, and those of `compiled` but for rounding."""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from click.testing import CliRunner, Result

from app.cli import main
from model.checkpoint import Checkpoint
from model.export.script import script
from model.learner import Learner
from model.recipe import Change, Framework, Recipe
from model.signal import TUTORIAL_HORIZON
from model.weights import bundled
from tests.conftest import Server
from tests.support.scripts import rows, run_alone

SINE = Checkpoint.from_bytes(bundled()["sine"])
OF_SINE = {"weights": "sine", "cell": SINE.recipe.cell, "hidden_size": SINE.recipe.hidden_size}

Log = list[dict[str, Any]]

# What a recipe may ask for, each at least once, and together where they meet.
RUNS: dict[str, tuple[dict[str, Any], Log]] = {
    "the tutorial": ({}, []),
    "static time steps": ({"shortest": 1, "longest": 1, "seed": 7}, []),
    "gru, streams that vary": ({"cell": "gru", "most_streams": 4}, []),
    "lstm, streams that vary, noise": ({"cell": "lstm", "fewest_streams": 2, "most_streams": 4, "noise": 0.1}, []),
    "uniform, sgd": ({"sampling": "uniform", "optimizer": "sgd", "learning_rate": 0.01}, []),
    "uniform, lasting streams": ({"sampling": "uniform", "fewest_streams": 3, "most_streams": 3}, []),
    "uniform, noise": ({"sampling": "uniform", "noise": 0.3, "samples": 7, "hidden_size": 5}, []),
    "nothing carried": ({"carry_state": False, "cell": "lstm", "stop_after": 12}, []),
    "sine, only predicting": (OF_SINE | {"train": False}, []),
    "sine, static and only predicting": (OF_SINE | {"train": False, "shortest": 2, "longest": 2}, []),
    "sine, learning on": (OF_SINE | {"learning_rate": 0.001}, []),
    "far out": ({"shortest": 6, "longest": 6, "samples": 4, "hidden_size": 3, "stop_after": 180, "noise": 0.1}, []),
    "a rate turned down twice": (
        {"most_streams": 2},
        [{"after_update": 0, "learning_rate": 0.01}, {"after_update": 4, "learning_rate": 0.001}],
    ),
    "everything changed": (
        {"cell": "lstm", "most_streams": 3, "noise": 0.1},
        [
            {"after_update": 5, "train": False, "carry_state": False},
            {"after_update": 9, "carry_state": True},
            {"after_update": 9, "learning_rate": 0.1},
            {"after_update": 9, "learning_rate": 0.005},
            {"after_update": 14, "train": True},
        ],
    ),
    "learning begins late": ({"train": False, "carry_state": False}, [{"after_update": 3, "train": True}]),
    "carrying begins late": ({"carry_state": False, "cell": "gru"}, [{"after_update": 3, "carry_state": True}]),
}

RUNNER = """
import contextlib, io, json, sys
said = {}
for name, source in json.load(sys.stdin).items():
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(source, name, "exec"), {"__name__": "__main__"})
    said[name] = out.getvalue()
json.dump(said, sys.stdout)
"""


def of(fields: dict[str, Any], log: Log) -> tuple[Recipe, list[Change], Checkpoint | None]:
    recipe = Recipe.model_validate({"stop_after": 25} | fields)
    return recipe, [Change.model_validate(change) for change in log], SINE if "weights" in fields else None


def written(name: str) -> str:
    return script(*of(*RUNS[name]))


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each run's script prints: all in one process, since importing torch takes longer than any of them."""
    sources = json.dumps({name: written(name) for name in RUNS})
    said = run_alone(tmp_path_factory.mktemp("alone"), "-c", RUNNER, input=sources)
    return json.loads(said)


@pytest.mark.parametrize("name", RUNS)
def test_the_script_prints_the_losses_of_pytorchs_run_to_the_bit(name: str, printed: dict[str, str]) -> None:
    recipe, changes, weights = of({"framework": "torch"} | RUNS[name][0], RUNS[name][1])
    learner = Learner(recipe, weights, changes)
    made = [learner.advance() for _ in range(recipe.stop_after)]
    assert rows(printed[name]) == [(update.update, update.length, np.float32(update.loss)) for update in made]
    assert printed[name].startswith(learner.program.text + "\n")


@pytest.mark.parametrize("name", RUNS)
def test_the_script_prints_a_compiled_runs_losses_but_for_rounding(name: str, printed: dict[str, str]) -> None:
    recipe, changes, weights = of(*RUNS[name])
    learner = Learner(recipe, weights, changes)
    made = [learner.advance() for _ in range(10)]
    # a trained network's loss is small, and its rounding is not
    bounds = {"rel": 1e-4} if weights is None else {"rel": 1e-3, "abs": 1e-8}
    for update, (number, length, loss) in zip(made, rows(printed[name]), strict=False):
        assert (number, length) == (update.update, update.length)
        assert loss == pytest.approx(update.loss, **bounds)


@pytest.mark.parametrize(
    ("framework", "says"), [("torch", "shows for this recipe, to the bit"), ("compiled", "ran it compiled")]
)
def test_a_script_says_whose_losses_it_prints_and_is_else_the_same(framework: Framework, says: str) -> None:
    text = script(Recipe(framework=framework))
    heading, rest = text.split('"""\n', 1)
    assert says in heading.replace("\n", " ")
    assert "all as in the tutorial" in heading
    assert rest == script(Recipe()).split('"""\n', 1)[1]


def test_one_of_the_runs_goes_past_the_tutorials_own_float32_phase() -> None:
    recipe, _, _ = of(*RUNS["far out"])
    assert recipe.stop_after * recipe.longest > TUTORIAL_HORIZON


@pytest.mark.parametrize("name", RUNS)
def test_a_script_imports_torch_and_numpy_only_and_its_lines_are_not_long(name: str) -> None:
    text = written(name)
    tree = ast.parse(text)
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported - {"base64"} == {"torch", "numpy"}
    assert ("base64" in imported) == ("weights" in RUNS[name][0])
    assert max(len(line) for line in text.splitlines()) <= 120
    assert text.endswith("\n")
    assert not re.search(r"[ \t]\n|\n\n\n\n|\n\n\Z", text)
    stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    loaded = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    assert stored - loaded <= {"_"}, "a name that nothing uses"


def test_the_tutorials_recipe_gives_a_short_script_that_looks_like_the_tutorial() -> None:
    text = script(Recipe())
    assert len(text.splitlines()) < 85
    for line in (
        "optimizer = torch.optim.Adam(rnn.parameters(), lr=LR, fused=True)",
        "loss_func = nn.MSELoss()",
        "    start, end = step * np.pi, (step + dynamic_steps) * np.pi",
        "    # !! next step is important !!",
        "    loss.backward()  # backpropagation, compute gradients",
    ):
        assert line in text.splitlines()
    assert not re.search("noise|stream|CHANGES|offset|float64|endpoint|base64|no_grad.*nothing", text)
    assert "UPDATES = 60 " in text


@pytest.mark.parametrize(
    ("fields", "changes", "weights", "says"),
    [
        ({"framework": "tensorflow"}, [], None, "^framework: .* not tensorflow"),
        (OF_SINE, [], None, "^weights: sine needs its checkpoint"),
        ({}, [], SINE, "^weights: random needs none"),
        (OF_SINE | {"hidden_size": 5}, [], SINE, "^weights: sine is not rnn with hidden_size 5"),
        ({}, [3, 2], None, "in order of after_update"),
        ({}, [1] * 1001, None, "at most 1000 entries"),
    ],
)
def test_what_cannot_be_written_is_refused(
    fields: dict[str, Any], changes: list[int], weights: Checkpoint | None, says: str
) -> None:
    log = [Change.model_validate({"after_update": after, "train": True}) for after in changes]
    with pytest.raises(ValueError, match=says):
        script(Recipe.model_validate(fields), log, weights)


# ---------------------------------------------------------------- over HTTP


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


@pytest.mark.parametrize("name", ["the tutorial", "everything changed", "sine, only predicting"])
def test_the_server_writes_the_same_script(client: httpx.Client, name: str) -> None:
    fields, log = RUNS[name]
    answer = client.post("/script", json={"recipe": {"stop_after": 25} | fields, "changes": log})
    assert answer.status_code == 200
    assert answer.text == written(name)
    assert answer.headers["Content-Type"].startswith("text/x-python")
    cell = fields.get("cell", "rnn")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="unrolled-{cell}-seed-1.py"'


def test_recipe_and_changes_may_be_left_out(client: httpx.Client) -> None:
    assert client.post("/script", json={}).text == script(Recipe())


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        (b"", 400, "broken_json", ""),
        (b"{", 400, "broken_json", ""),
        (b"[]", 422, "wrong_type", ""),
        ({"recipes": {}}, 422, "unknown_field", "recipes"),
        ({"recipe": {"cell": "tcn"}}, 422, "wrong_type", "recipe.cell"),
        ({"recipe": {"hidden_size": 129}}, 422, "out_of_range", "recipe.hidden_size"),
        ({"recipe": {"shortest": 3, "longest": 2}}, 422, "conflict", "recipe.shortest, recipe.longest"),
        ({"recipe": {"framework": "tensorflow"}}, 422, "conflict", "recipe.framework"),
        ({"recipe": {"weights": "0123456789abcdef"}}, 404, "unknown_model", "recipe.weights"),
        (
            {"recipe": OF_SINE | {"cell": "gru"}},
            422,
            "conflict",
            "recipe.weights, recipe.cell, recipe.hidden_size",
        ),
        ({"changes": [{"after_update": 1, "seed": 2}]}, 422, "unknown_field", "changes.0.seed"),
        ({"changes": [{"after_update": n, "train": True} for n in (2, 1)]}, 422, "conflict", "changes"),
        ({"changes": [{"after_update": 1, "train": True}] * 1001}, 422, "out_of_range", "changes"),
    ],
)
def test_a_bad_request_is_refused_by_name(
    client: httpx.Client, body: bytes | dict[str, Any], status: int, code: str, field: str
) -> None:
    answer = client.post("/script", content=body if isinstance(body, bytes) else json.dumps(body).encode())
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["field"]) == (status, code, field)
    assert re.split("[., ]+", field)[-1] in problem["detail"]
    assert len(answer.content) < 1000


def test_the_route_is_documented_with_examples_that_work(client: httpx.Client) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/script"]["post"]
    assert operation["summary"]
    assert "text/x-python" in operation["responses"]["200"]["content"]
    assert {"400", "404", "408", "413", "422"} <= operation["responses"].keys()
    content = operation["requestBody"]["content"]["application/json"]
    assert set(content["schema"]["properties"]) == {"recipe", "changes"}
    for example in content["examples"].values():
        assert client.post("/script", json=example["value"]).status_code == 200


# ---------------------------------------------------------------- on the command line


def command(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["script", *arguments])


def test_the_command_prints_the_script_of_its_options() -> None:
    result = command("--cell", "gru", "--hidden-size", "4", "--seed", "3", "--updates", "6", "--no-carry-state")
    assert result.exit_code == 0, result.output
    assert result.stdout == script(Recipe(cell="gru", hidden_size=4, seed=3, stop_after=6, carry_state=False))


def test_the_command_takes_cell_and_size_of_the_weights() -> None:
    assert command("--weights", "sine", "--no-train", "--updates", "25").stdout == written("sine, only predicting")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--framework", "tensorflow"), "framework: "),
        (("--weights", "nosuchmodel"), "no model 'nosuchmodel'"),
        (("--weights", "sine", "--cell", "gru"), "--cell: the weights have rnn, not gru"),
        (("--shortest", "3", "--longest", "2"), "must not exceed"),
        (("--updates", "0"), "--updates"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: tuple[str, ...], says: str) -> None:
    result = command(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stdout == ""
