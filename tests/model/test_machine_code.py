"""Compiled code: kept, used where nothing can be written, made anew where it is not to be had or not to be trusted."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from model.compiled import kept, machine_code
from model.compiled import kernel as source
from model.learner import Learner
from model.recipe import Recipe

CONFINED = Path(__file__).parents[1] / "security" / "confined.sh"
NAME = machine_code.file_name("rnn-float32", machine_code.processor())

LEARN = """
import json, sys
from pathlib import Path
from model.compiled import kept
kept.BESIDE = Path(sys.argv[1])
from model.learner import Learner
from model.recipe import Recipe
learner = Learner(Recipe(seed=1))
print(json.dumps([[learner.advance().loss for _ in range(3)], "numba" in sys.modules]))
"""


@pytest.fixture(scope="module")
def code() -> bytes:
    """The machine code of one kernel."""
    machine_code.kernel("rnn", "float32")
    return kept.read(NAME) or machine_code._compiled("rnn-float32", "rnn", "float32")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a user who has no code yet, where nothing is kept beside the package either."""
    monkeypatch.setattr(kept, "BESIDE", tmp_path / "beside")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "unrolled"


@pytest.fixture
def compiled(code: bytes, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What has been compiled, by name. What is loaded is not run but given back."""
    names: list[str] = []

    def compile_one(name: str, *_: object) -> bytes:
        names.append(name)
        return code

    monkeypatch.setattr(machine_code, "_compiled", compile_one)
    monkeypatch.setattr(machine_code, "_loaded", lambda name, code: code)
    return names


def loaded() -> Any:
    """The code that a process which has only begun would run."""
    with patch.object(machine_code, "_kernels", {}):
        return machine_code.kernel("rnn", "float32")


def learned_where_nothing_can_be_written(tmp_path: Path) -> tuple[list[float], bool]:
    """The first losses of a run in a process with no variable but a cache's folder that is not there.

    And whether it imported Numba.
    """
    (tmp_path / "tmp").mkdir()
    confined = [CONFINED, tmp_path / "tmp", "env", "-i", "XDG_CACHE_HOME=/none", sys.executable, "-c", LEARN]
    done = subprocess.run([*confined, tmp_path / "beside"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    losses, imported = json.loads(done.stdout)
    return losses, imported


def losses_here() -> list[float]:
    learner = Learner(Recipe(seed=1))
    return [learner.advance().loss for _ in range(3)]


def test_ready_code_is_used_without_numba_where_nobody_can_write_and_there_is_no_home(
    tmp_path: Path, code: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "BESIDE", tmp_path / "beside")
    kept.keep_beside(NAME, code)
    assert learned_where_nothing_can_be_written(tmp_path) == (losses_here(), False)


def test_where_nothing_can_be_written_and_no_code_is_kept_it_is_compiled(tmp_path: Path) -> None:
    assert learned_where_nothing_can_be_written(tmp_path) == (losses_here(), True)


def test_what_was_compiled_is_kept_for_its_user_alone_and_not_compiled_again(
    own: Path, compiled: list[str], code: bytes
) -> None:
    assert loaded() == code
    assert loaded() == code
    assert compiled == ["rnn-float32"]
    assert [path.name for path in own.iterdir()] == [NAME]
    assert own.stat().st_mode & 0o777 == 0o700


def test_an_image_keeps_code_that_every_user_can_read(own: Path, code: bytes) -> None:
    before = os.umask(0o027)
    try:
        kept.keep_beside(NAME, code)
    finally:
        os.umask(before)
    assert kept.BESIDE.stat().st_mode & 0o777 == 0o755
    assert (kept.BESIDE / NAME).stat().st_mode & 0o777 == 0o644
    assert kept.read(NAME) == code


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    "spoil",
    [flipped, lambda data: data[:-1], lambda data: data[:20], lambda data: b"", lambda data: data + b"\0"],
    ids=["altered", "cut", "cut in its digest", "empty", "longer"],
)
def test_a_file_that_is_not_whole_is_compiled_anew_and_replaced(
    own: Path, compiled: list[str], code: bytes, spoil: Callable[[bytes], bytes]
) -> None:
    kept.keep(NAME, code)
    (own / NAME).write_bytes(spoil((own / NAME).read_bytes()))
    assert loaded() == code
    assert compiled == ["rnn-float32"]
    assert kept.read(NAME) == code


def test_another_processors_code_is_not_used(own: Path, compiled: list[str], code: bytes) -> None:
    theirs = machine_code.file_name("rnn-float32", "another processor")
    kept.keep(theirs, b"theirs")
    assert loaded() == code
    assert compiled == ["rnn-float32"]
    (own / theirs).rename(own / NAME)
    assert kept.read(NAME) is None  # nor under the name of ours


def test_another_cells_code_is_not_used(own: Path) -> None:
    kept.keep("gru", b"gru's")
    (own / "gru").rename(own / "rnn")
    assert kept.read("rnn") is None


def given_away(path: Path) -> None:
    os.chown(path, 12345, -1)


def writable_by(bits: int) -> Callable[[Path], None]:
    return lambda path: path.chmod(path.stat().st_mode | bits)


only_root_gives_away = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.mark.parametrize("which", ["folder", "file"])
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(writable_by(0o002), id="all may write"),
        pytest.param(writable_by(0o020), id="its group may write"),
        pytest.param(given_away, id="somebody else's", marks=only_root_gives_away),
    ],
)
def test_code_that_somebody_else_could_have_written_is_passed_over(
    own: Path, compiled: list[str], code: bytes, which: str, spoil: Callable[[Path], None]
) -> None:
    kept.keep(NAME, b"theirs")
    spoil(own if which == "folder" else own / NAME)
    assert loaded() == code
    assert compiled == ["rnn-float32"]


def test_nothing_is_kept_in_a_folder_that_others_may_write_to(own: Path, compiled: list[str], code: bytes) -> None:
    own.mkdir(parents=True)
    own.chmod(0o777)
    assert loaded() == code
    assert list(own.iterdir()) == []


def test_a_cache_folder_that_is_no_absolute_path_is_not_looked_for_where_the_process_happens_to_be(
    own: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept.keep(NAME, b"kept")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert kept.read(NAME) is None


def keeps(letter: bytes, times: int) -> None:
    for _ in range(times):
        kept.keep(NAME, letter * 100_000)


def test_who_reads_while_several_keep_the_same_code_finds_it_whole_each_time(own: Path) -> None:
    keeps(b"-", 1)
    found = {kept.read(NAME)}
    fork = get_context("fork")
    writers = [fork.Process(target=keeps, args=(letter, 50)) for letter in (b"a", b"b")]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        found.add(kept.read(NAME))
    found.add(kept.read(NAME))
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert found <= {letter * 100_000 for letter in (b"-", b"a", b"b")}
    assert len(found) > 1
    assert [path.name for path in own.iterdir()] == [NAME]


# ---------------------------------------------------------------- the functions of one number

EVERY = 1021
"""How many float32 there are from one that is tried to the next; a prime, so that no part of their bits is left out."""


def tanh_in_longdouble(x: np.ndarray) -> np.ndarray:
    return np.tanh(x)


def logistic_in_longdouble(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):
        return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    ("function", "exact"),
    [(source.tanh, tanh_in_longdouble), (source.sigmoid, logistic_in_longdouble)],
    ids=["tanh", "logistic"],
)
def test_a_float32_function_is_right_to_the_last_place_over_all_magnitudes(
    function: Callable[..., None], exact: Callable[[np.ndarray], np.ndarray]
) -> None:
    x = np.arange(0, 2**32, EVERY, dtype=np.uint64).astype(np.uint32).view(np.float32)
    x = x[np.isfinite(x)]
    ours = x.copy()
    function(ours, 0, len(ours))
    wanted = exact(x.astype(np.longdouble))
    with np.errstate(under="ignore"):
        units = np.abs(ours - wanted) / np.spacing(np.abs(wanted.astype(np.float32)))
    assert units.max() < 0.501, x[units.argmax()]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_what_is_no_number_stays_none_and_infinity_has_its_limit(kind: type[np.floating[Any]]) -> None:
    for function, limits in ((source.tanh, (-1.0, 1.0)), (source.sigmoid, (0.0, 1.0))):
        values = np.array([np.nan, -np.inf, np.inf] * 8, kind)  # whole vectors, and what is left of one
        function(values, 0, len(values))
        assert np.isnan(values[::3]).all()
        np.testing.assert_allclose(values[1::3], limits[0], atol=1e-300)
        np.testing.assert_allclose(values[2::3], limits[1])


def test_numbas_own_settings_decide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, object] = {}

    class Asked(Exception):
        """Numba has been asked to compile, which is all that is wanted of it here."""

    def looks(*_: object, **__: object) -> None:
        given.update({name: value for name, value in os.environ.items() if name.startswith("NUMBA_")})
        raise Asked

    monkeypatch.setenv("NUMBA_OPT", "0")
    monkeypatch.setattr("numba.cfunc", looks)
    with pytest.raises(Asked):
        machine_code._compiled("rnn-float32", "rnn", "float32")
    assert given == {}


def test_threads_that_ask_at_once_have_a_kernel_loaded_once(compiled: list[str], own: Path) -> None:
    with patch.object(machine_code, "_kernels", {}), ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: machine_code.kernel("rnn", "float32"), range(8)))
    assert len(compiled) == 1
    assert len({id(one) for one in made}) == 1
