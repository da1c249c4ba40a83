"""The wheel holds all that the service needs: installed elsewhere, without this folder, it starts and has its page."""

import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
IMPORTS = re.compile(r"""(?:from|import)\s*\(?["'](\.[^"']+\.js)["']""")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it. What it depends on is this environment's."""
    folder = tmp_path_factory.mktemp("elsewhere")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    source = folder / "source"  # a build leaves things behind, which the next one would take in
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "tests", "build", "*.egg-info", "__pycache__"))
    building = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, source]
    subprocess.run([*pip, *building], check=True)
    environment = folder / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    (wheel,) = folder.glob("*.whl")
    python = environment / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", "--no-deps", "--no-index", wheel], check=True)
    (site,) = environment.glob("lib/*/site-packages")
    # a path file is read, those in the folder that it names are not: what is being tested here stays unknown there
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return environment


@pytest.fixture(scope="module")
def url(elsewhere: Path) -> Iterator[str]:
    command = [elsewhere / "bin" / "unrolled", "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=elsewhere, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split(" is at ")[1].strip()
        process.terminate()


def test_the_wheel_is_what_runs_there(elsewhere: Path) -> None:
    command = [elsewhere / "bin" / "python", "-c", "import app, model, static; print(app.__file__, model.__file__)"]
    said = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=True).stdout
    assert [Path(path).is_relative_to(elsewhere) for path in said.split()] == [True, True]


def test_the_wheel_has_its_page_and_every_module_of_it(url: str) -> None:
    """Whatever the page asks for, and whatever that asks for."""
    with httpx.Client(base_url=url) as client:
        page = client.get("/").text
        ahead = [name for name in re.findall(r'(?:src|href)="([^"#]+)"', page) if name.startswith("static/")]
        seen: set[str] = set()
        while ahead:
            name = ahead.pop()
            if name in seen:
                continue
            seen.add(name)
            answer = client.get(f"/{name}")
            assert answer.status_code == 200, name
            if name.endswith(".js"):
                beside = httpx.URL(f"{url}/{name}")
                ahead += [beside.join(other).path.lstrip("/") for other in IMPORTS.findall(answer.text)]
    assert {path.name for path in (ROOT / "static").rglob("*.js")} - {Path(name).name for name in seen} <= APART


def test_the_wheel_predicts(url: str) -> None:
    assert len(httpx.post(f"{url}/predict", json={"sequence": [0.0, 0.3090, 0.5878]}).json()["prediction"]) == 3


APART = {"docs.js", "token.js"}
"""Scripts of other pages."""
