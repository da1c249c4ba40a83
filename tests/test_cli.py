"""The command line: what it prints, what it writes, and how it says no."""

import json
import os
import pty
import re
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from app.cli import main
from model.checkpoint import Checkpoint
from model.learner import Learner
from model.recipe import Recipe
from tests.support.nursery import Forked, World

SINE = [round(float(np.sin(0.3 * t)), 6) for t in range(40)]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNROLLED_MODELS_DIR", str(tmp_path / "models"))


def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=stdin)


def losses(output: str) -> list[str]:
    return [line.split()[2] for line in output.splitlines() if re.match(r" *\d+ ", line)]


def mistake(result: Result) -> str:
    """The one line that a mistake is answered with."""
    assert result.exit_code == 2, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


# ---------------------------------------------------------------- train


def test_train_prints_the_network_then_length_and_loss_of_each_chunk() -> None:
    result = run("train", "--updates", "4")
    assert result.exit_code == 0
    assert result.stdout.startswith("RNN(\n  (rnn): RNN(1, 32, batch_first=True)\n")
    learner = Learner(Recipe())
    for line in result.stdout.splitlines()[-4:]:
        update = learner.advance()
        expected = [str(update.update), str(update.length), f"{update.loss:.6f}", f"{update.mean_loss:.6f}"]
        assert line.split() == expected
    assert result.stderr == ""


def test_train_makes_sixty_updates_unless_told_otherwise() -> None:
    assert len(losses(run("train").stdout)) == 60


def test_every_field_of_the_recipe_is_an_option_with_its_bounds() -> None:
    text = run("train", "--help").stdout
    for name, field in Recipe.model_json_schema()["properties"].items():
        if name != "stop_after":
            assert f"--{name.replace('_', '-')}" in text
            assert f"<={field['maximum']}" in text if "maximum" in field else True


def test_options_reach_the_recipe() -> None:
    run(
        "train",
        "--updates",
        "1",
        "--cell",
        "gru",
        "--hidden-size",
        "5",
        "--no-carry-state",
        "--save",
        "a.run",
    )
    recipe = Checkpoint.from_bytes(Path("a.run").read_bytes()).recipe
    assert (recipe.cell, recipe.hidden_size, recipe.carry_state, recipe.train) == ("gru", 5, False, True)


def test_a_saved_run_resumes_to_the_same_losses() -> None:
    whole = losses(run("train", "--updates", "6").stdout)
    first = run("train", "--updates", "4", "--save", "half.safetensors")
    second = run("train", "--updates", "2", "--resume", "half.safetensors", "--save", "whole.safetensors")
    assert losses(first.stdout) + losses(second.stdout) == whole
    assert Checkpoint.from_bytes(Path("whole.safetensors").read_bytes()).run.update == 6


def test_a_run_made_with_other_versions_goes_on_and_says_that_bits_are_not_promised() -> None:
    run("train", "--updates", "2", "--save", "a")
    good = Checkpoint.from_bytes(Path("a").read_bytes())
    elsewhere = good.run.model_copy(update={"versions": good.run.versions | {"torch": "2.9.0"}})
    Path("b").write_bytes(Checkpoint(elsewhere, good.tensors).to_bytes())
    assert run("train", "--updates", "1", "--resume", "a").stderr == ""
    result = run("train", "--updates", "1", "--resume", "b")
    assert result.exit_code == 0
    assert "b: made with other versions; the run goes on, but not to the bit" in result.stderr


def test_a_live_option_with_resume_becomes_an_entry_of_the_change_log() -> None:
    run("train", "--updates", "2", "--save", "a")
    run("train", "--updates", "2", "--resume", "a", "--learning-rate", "0.005", "--save", "b")
    changes = Checkpoint.from_bytes(Path("b").read_bytes()).run.changes
    assert [(change.after_update, change.fields()) for change in changes] == [(2, {"learning_rate": 0.005})]


def test_another_option_with_resume_is_refused() -> None:
    run("train", "--updates", "1", "--save", "a")
    assert "--cell belongs to a run's start" in mistake(run("train", "--resume", "a", "--cell", "gru"))


def test_training_starts_from_the_weights_of_a_checkpoint_and_takes_its_size() -> None:
    run("train", "--updates", "2", "--hidden-size", "7", "--save", "a")
    run("train", "--updates", "1", "--weights", "a", "--no-train", "--save", "b")
    one, other = (Checkpoint.from_bytes(Path(name).read_bytes()) for name in "ab")
    assert other.recipe.hidden_size == 7
    np.testing.assert_array_equal(one.tensors["out.weight"], other.tensors["out.weight"])
    assert "the weights have 7, not 8" in mistake(run("train", "--weights", "a", "--hidden-size", "8"))


def test_the_chart_is_a_page_that_loads_nothing() -> None:
    assert run("train", "--updates", "3", "--chart", "run.html").exit_code == 0
    page = Path("run.html").read_text()
    assert "<title>Unrolled: RNN, 32 units, seed 1</title>" in page
    assert not re.search(r"<(script|link)[^>]+(src|href)=(?!\"data:,\")", page)
    played = json.loads(re.search(r'<script type="application/json" id="run">(.*)</script>', page)[1])
    assert played["rows"]["update"] == [chunk["update"] for chunk in played["chunks"]] == [1, 2, 3]


def test_a_chart_of_too_many_updates_is_refused_before_training() -> None:
    assert "at most 5000" in mistake(run("train", "--updates", "5001", "--chart", "run.html"))


def test_fields_that_disagree_are_both_named() -> None:
    said = mistake(run("train", "--shortest", "4"))
    assert "shortest (4)" in said
    assert "longest (3)" in said


def test_a_value_out_of_bounds_names_the_option_and_the_bounds() -> None:
    result = run("train", "--learning-rate", "5")
    assert result.exit_code == 2
    assert "'--learning-rate': 5.0 is not in the range 1e-05<=x<=1.0" in result.stderr


def test_a_folder_that_is_not_there_is_noticed_before_training() -> None:
    result = run("train", "--save", "nowhere/a")
    assert "nowhere/a: there is no such folder" in mistake(result)
    assert result.stdout == ""


def test_a_file_that_is_no_checkpoint_is_named() -> None:
    Path("not.run").write_bytes(b"not a checkpoint")
    assert "not.run: " in mistake(run("train", "--resume", "not.run"))


def test_a_run_that_diverges_says_so_and_keeps_its_last_good_state() -> None:
    options = ["--optimizer", "sgd", "--learning-rate", "1", "--hidden-size", "128", "--noise", "1"]
    options += ["--shortest", "6", "--longest", "6", "--samples", "20", "--updates", "3000", "--save", "last"]
    result = run("train", *options)
    assert result.exit_code == 1
    assert re.search(r"diverged at update \d+: .+ is not finite", result.stderr)
    Checkpoint.from_bytes(Path("last").read_bytes())


def test_a_progress_bar_is_drawn_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        main(["train", "--updates", "3"], standalone_mode=False)
    assert "training" in os.read(ours, 65_536).decode()
    os.close(ours)
    printed = capsys.readouterr().out
    assert "training" not in printed
    assert len(losses(printed)) == 3


# ---------------------------------------------------------------- predict


def predicted(text: str, *options: str) -> list[float]:
    result = run("predict", *options, stdin=text)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_a_json_list_is_answered_by_a_list() -> None:
    answer = predicted(json.dumps(SINE))
    np.testing.assert_allclose(answer[10:], [np.cos(0.3 * t) for t in range(10, 40)], atol=0.05)


def test_a_body_of_predict_is_answered_as_the_server_does() -> None:
    body = {"sequences": [SINE, SINE[:3]], "targets": [SINE, SINE[:3]]}
    answer = json.loads(run("predict", stdin=json.dumps(body)).stdout)
    assert set(answer) == {"predictions", "states", "model", "warnings", "mses"}
    assert [len(row) for row in answer["predictions"]] == [40, 3]


@pytest.mark.parametrize("names", ["", "sin\n"])
def test_a_csv_column_is_one_sequence_and_is_answered_by_a_column(names: str) -> None:
    result = run("predict", stdin=names + "\n".join(map(str, SINE)) + "\n")
    assert [float(line) for line in result.stdout.split()] == predicted(json.dumps(SINE))


def test_csv_rows_are_sequences_of_their_own_length() -> None:
    text = ",".join(map(str, SINE)) + "\n" + ",".join(map(str, SINE[:5])) + "\n"
    rows = [line.split(",") for line in run("predict", stdin=text).stdout.split()]
    assert [len(row) for row in rows] == [40, 5]
    assert predicted(text, "--to", "json") == [[float(cell) for cell in row] for row in rows]


def test_a_file_is_read_like_standard_input() -> None:
    Path("sine.json").write_text(json.dumps(SINE))
    assert json.loads(run("predict", "sine.json").stdout) == predicted(json.dumps(SINE))


def test_a_state_written_by_one_call_lets_the_next_go_on() -> None:
    whole = predicted(json.dumps(SINE))
    first = predicted(json.dumps(SINE[:17]), "--state-out", "state")
    second = predicted(json.dumps(SINE[17:]), "--state-in", "state")
    np.testing.assert_allclose(first + second, whole, atol=1e-6)


def test_a_state_of_another_model_is_refused() -> None:
    run("train", "--updates", "1", "--save", "other")
    predicted("[0, 1]", "--state-out", "state", "--model", "other")
    assert "state: it does not belong to model sine" in mistake(run("predict", "--state-in", "state", stdin="[0]"))


def test_a_trained_checkpoint_is_a_model() -> None:
    run("train", "--updates", "1", "--cell", "lstm", "--save", "a")
    assert len(predicted("[0, 0.5, 1]", "--model", "a")) == 3


def test_doubts_go_to_standard_error() -> None:
    result = run("predict", stdin="[0, 3, 0, -3]")
    assert "Warning: sequence: amplitude 3" in result.stderr
    assert len(json.loads(result.stdout)) == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing to read"),
        ("{", "not JSON"),
        ("[]", "sequence: "),
        ('[1, "a"]', "sequence.1: "),
        ("[[1], [true]]", "sequences.1.0: "),
        ('{"x": 1}', "no field 'x'"),
        ("1,2,nan", "row 1, value 3: 'nan' is not finite"),
        ("1,2\n3,x", "row 2, value 2: 'x' is not a number"),
        ("a,b", "nothing stands below it"),
        (b"\xff\xfe\x00", "not UTF-8 text"),
        ("[" + "0," * 10_000 + "0]", "at most 10000 items, not 10001"),
    ],
)
def test_input_that_is_no_sequence_is_refused_in_one_line(text: str | bytes, said: str) -> None:
    assert said in mistake(run("predict", stdin=text))


@pytest.mark.parametrize("name", ["nope", "0123456789abcdef", "../sine"])
def test_an_unknown_model_is_refused(name: str) -> None:
    assert f"no model '{name}'" in mistake(run("predict", "--model", name, stdin="[0]"))


# ---------------------------------------------------------------- serve


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_in_use_is_one_line_and_exit_code_2(tmp_path: Path, workers: str) -> None:
    log = tmp_path / "log"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        arguments = ["serve", "--port", port, "--workers", workers]
        with Forked(arguments, os.environ, tmp_path, log, World()) as server:
            assert server.wait(60) == 2
    said = log.read_text()
    assert said.startswith(f"Error: cannot listen on 127.0.0.1 port {port}: ")
    assert said.count("\n") == 1


def test_a_setting_out_of_bounds_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNROLLED_MAX_VIEWERS", "none")
    assert "UNROLLED_MAX_VIEWERS: " in mistake(run("serve"))
