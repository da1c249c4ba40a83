"""What holds for the repository as a whole: import directions, and documents that keep up with the code."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from app.main import create_app
from app.settings import Settings, settings_page

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
ROOMS = [path.parent for top in ("app", "model") for path in sorted((ROOT / top).glob("*/__init__.py"))]
MOST_FILES = 14


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def test_each_file_imports_only_what_stands_above_it() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("folder", ["app", "model"])
def test_every_module_has_its_place_in_the_import_contract(folder: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    of_folder = [one for one in project["tool"]["importlinter"]["contracts"] if one.get("containers") == [folder]]
    assert [one["exhaustive"] for one in of_folder] == [True], "a new file must stand in one of its layers"


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.relative_to(ROOT).as_posix())
def test_a_room_says_what_it_is_for_what_it_may_import_and_where_to_begin(room: Path) -> None:
    said = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    assert "Imports" in said or room.parent == ROOT / "model"
    assert (first := re.search(r"Read\s`(\w+)`\sfirst", said)), said
    assert (room / f"{first[1]}.py").exists()


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.relative_to(ROOT).as_posix())
def test_a_room_has_few_files(room: Path) -> None:
    assert len(list(room.glob("[!_]*.py"))) <= MOST_FILES


def test_model_imports_no_web_code() -> None:
    for path in (ROOT / "model").rglob("*.py"):
        assert not re.search(r"^\s*(import|from) (fastapi|starlette|uvicorn|websockets)\b", path.read_text(), re.M)


DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^) ]+)[^)]*\)", document.read_text("utf-8")) if "://" not in link]
    missing = []
    for link in links:
        path, _, heading = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (target.suffix == ".md" and heading and heading not in headings(target)):
            missing.append(link)
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_file_that_a_document_names_is_there(document: Path) -> None:
    tops = "app|bench|deploy|docs|examples|model|requirements|static|tests"
    named = re.findall(rf"\b(?<![/.])((?:{tops})/[\w./-]+\.\w+)", document.read_text("utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


def headings(document: Path) -> set[str]:
    """The names by which a document's headings are linked to."""
    titles = re.findall(r"^#+ (.*)$", document.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def mapped() -> list[Path]:
    """The folders of the README's map, in order."""
    found, top = [], ROOT
    for line in README.split("## Map")[1].split("\n## ")[0].splitlines():
        if names := re.match(r"    (  )?((?:\w+/ ?)+)", line):
            indented = names[1] is not None
            top = top if indented else ROOT / names[2].strip()
            found += [top / name for name in names[2].split()] if indented else [top]
    return found


@pytest.mark.parametrize("top", ["app", "model", "static"])
def test_the_map_has_every_room(top: str) -> None:
    rooms = {path for path in (ROOT / top).iterdir() if path.is_dir() and not path.name.startswith("_")}
    assert {path for path in mapped() if path.parent == ROOT / top} == rooms


def test_the_map_has_every_other_folder() -> None:
    tops = {ROOT / path.relative_to(ROOT).parts[0] for path in tracked()}
    assert {path for path in mapped() if path.parent == ROOT} == {
        path for path in tops if path.is_dir() and not path.name.startswith(".")
    }


def test_the_settings_page_is_current() -> None:
    assert (ROOT / "docs" / "settings.md").read_text("utf-8") == settings_page(), "run `make settings`"


def test_the_settings_page_has_every_setting_with_its_default_and_what_it_is() -> None:
    rows = re.findall(r"^\| `(UNROLLED_\w+)` \| (.*?) \| .*? \| (.*) \|$", settings_page(), re.M)
    assert [name for name, _, _ in rows] == [f"UNROLLED_{name.upper()}" for name in Settings.model_fields]
    for (_, default, description), field in zip(rows, Settings.model_fields.values(), strict=True):
        plain = ",".join(field.default) if isinstance(field.default, tuple) else str(field.default)
        assert default.strip("`") == ("none" if field.default in ((), None) else plain)
        assert description == field.description


def test_the_table_of_routes_has_those_of_the_app() -> None:
    table = (ROOT / "docs" / "protocol.md").read_text("utf-8").split("## Every route")[1]
    told = set(re.findall(r"`(GET|POST|WS) (/[^`]*)`", table))
    paths = create_app(Settings()).openapi()["paths"]
    http = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    code = "".join(path.read_text("utf-8") for path in (ROOT / "app" / "routes").glob("*.py"))
    sockets = {("WS", path) for path in re.findall(r'@router\.websocket\("(.+?)"\)', code)}
    assert told == http | sockets | {("GET", "/"), ("GET", "/docs")}


def test_the_changelog_has_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\n## {version} (" in (ROOT / "CHANGELOG.md").read_text()


def test_constraints_pin_every_package_that_the_project_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = [line for extra in project["optional-dependencies"].values() for line in extra]
    elsewhere = ("unrolled[", "tensorflow>")  # an extra of our own; and what macOS installs in place of tensorflow-cpu
    named = [*project["dependencies"], *(line for line in optional if not line.startswith(elsewhere))]
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert [line for line in named if re.split(r"[<>=;\[ ]", line)[0].lower() not in pinned] == []


def test_no_file_names_a_package_index_but_the_dockerfile() -> None:
    # a copy of the project must install from wherever its owner's pip is set to look
    index = re.compile(r"(pypi|pythonhosted|npmjs|jsdelivr|unpkg)\.(org|com|net)|download\.pytorch\.org")
    texts = {path: path.read_bytes().decode("utf-8", "replace") for path in tracked()}
    found = {path.name for path, text in texts.items() if index.search(text) and path != Path(__file__)}
    assert found <= {"Dockerfile"}


def test_no_file_names_a_path_of_the_machine_it_was_made_on() -> None:
    home = re.compile(r"/(work|root|home)/\w")
    texts = {path: path.read_bytes().decode("utf-8", "replace") for path in tracked()}
    assert [path.name for path, text in texts.items() if home.search(text) and path != Path(__file__)] == []


@pytest.mark.parametrize(
    ("target", "there", "missing"),
    [
        ("test", {}, "chromium-headless-shell"),
        ("test", {"chromium": "", "fc-list": ""}, "fonts-noto-cjk"),
        ("test-shaken", {}, "chromium-headless-shell"),
        ("test-graphs", {"chromium": "", "fc-list": "echo a font"}, "g++ python3-dev"),
    ],
)
def test_what_make_cannot_install_is_asked_for_in_one_line_before_anything_slow_begins(
    tmp_path: Path, target: str, there: dict[str, str], missing: str
) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, script in there.items():
        (commands / name).write_text(f"#!/bin/sh\n{script}\n")
        (commands / name).chmod(0o755)
    for name in ("make", "grep"):
        (commands / name).symlink_to(str(shutil.which(name)))
    words = ["make", "-s", "-C", tmp_path, "-f", ROOT / "Makefile", target]
    done = subprocess.run(words, env={"PATH": str(commands)}, capture_output=True, text=True, check=False)
    said, stopped = done.stderr.splitlines()
    assert "need" in said
    assert said.endswith(f"apt-get install {missing}" + " fonts-noto-cjk" * (missing == "chromium-headless-shell"))
    assert "Error 1" in stopped
    assert not (tmp_path / ".venv").exists()
