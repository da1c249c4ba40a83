"""The import contract of the page's modules, as import-linter holds it for Python: which room may import which."""

import json
import re
import subprocess
from graphlib import TopologicalSorter
from pathlib import Path

import httpx
import pytest

from tests.support.node import NODE

STATIC = Path(__file__).parents[2] / "static"

SHARED = {"page", "run", "socket", "charts"}
"""Panels import what is here and nothing of each other."""

CONTRACT: dict[str, set[str]] = {
    "page": set(),
    "run": {"page"},
    "socket": {"page", "run"},
    "charts": {"page", "run"},
    "controls": SHARED,
    "lessons": SHARED,
    "graphs": SHARED,
    "predict": SHARED,
    "pad": SHARED,
    "keep": SHARED,
    "earlier": SHARED,
    "link": SHARED,
    "aids": SHARED,
    "i18n": set(),
}
"""What each room may import beside its own files. `main.js`, which puts everything together, may import all of them."""

WIRING = "main.js"
APART = {"docs.js", "token.js"}
"""Scripts of pages of their own, which import nothing."""

TYPES = {"run/messages.js"}
"""Has comments alone: its types are named in other files' comments, and nothing loads it."""

MOST_FILES = 12

COMMENT = re.compile(r"/\*.*?\*/|^\s*//[^\n]*", re.S | re.M)
IMPORT = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*"([^"]+)\"""")
"""Static, re-exported and dynamic ones. The types that a comment names are not loaded, and bind nobody."""


def imports(path: Path) -> list[Path]:
    text = COMMENT.sub("", path.read_text("utf-8"))
    return [(path.parent / name).resolve().relative_to(STATIC.resolve()) for name in IMPORT.findall(text)]


MODULES = {path.relative_to(STATIC): imports(path) for path in sorted(STATIC.rglob("*.js"))}


def test_every_room_has_its_place_in_the_contract() -> None:
    assert {path.name for path in STATIC.iterdir() if path.is_dir()} == CONTRACT.keys()
    assert {path.name for path in STATIC.glob("*.js")} == {WIRING, *APART}


def test_every_import_is_a_file_that_is_there() -> None:
    assert [(str(path), str(at)) for path, ats in MODULES.items() for at in ats if at not in MODULES] == []


@pytest.mark.parametrize("room", CONTRACT)
def test_a_room_imports_only_what_the_contract_lets_it(room: str) -> None:
    allowed = {room, *CONTRACT[room]}
    found = [(path, at) for path, ats in MODULES.items() if path.parts[0] == room for at in ats]
    assert [f"{path} imports {at}" for path, at in found if at.parts[0] not in allowed] == []


def test_what_stands_apart_imports_nothing() -> None:
    assert {name: MODULES[Path(name)] for name in APART} == {name: [] for name in APART}


def test_no_imports_go_in_a_circle() -> None:
    TopologicalSorter(MODULES).prepare()  # which names the circle, where there is one


@pytest.mark.parametrize("room", CONTRACT)
def test_a_room_can_be_taken_in_at_a_look(room: str) -> None:
    assert len(list((STATIC / room).iterdir())) <= MOST_FILES


def test_every_module_is_reached_from_the_page() -> None:
    reached = {Path(WIRING), *map(Path, APART)}
    waiting = list(reached)
    while waiting:
        fresh = set(MODULES[waiting.pop()]) - reached
        reached |= fresh
        waiting += fresh
    assert {path.as_posix() for path in MODULES.keys() - reached} == TYPES
    assert [name for name in TYPES if COMMENT.sub("", (STATIC / name).read_text("utf-8")).strip()] == []


PARSED = """
import { readFileSync } from 'node:fs';
import { SourceTextModule } from 'node:vm';
const loaded = new Set();
function load(url) {
  if (loaded.has(url.href)) return;
  loaded.add(url.href);
  const { moduleRequests } = new SourceTextModule(readFileSync(url, 'utf-8'));
  for (const { specifier } of moduleRequests) load(new URL(specifier, url));
}
load(new URL('main.js', BASE));
console.log(JSON.stringify([...loaded].map((href) => href.slice(BASE.length))));
"""


def test_the_page_names_every_module_that_it_begins_with(server_url: str) -> None:
    """Each once, as a JavaScript parser finds them: one that is missing is asked for only when another has come."""
    script = f"const BASE = '{STATIC.resolve().as_uri()}/'; {PARSED}"
    command = [NODE, "--no-warnings", "--experimental-vm-modules", "--input-type=module", "-"]
    done = subprocess.run(command, input=script, capture_output=True, text=True, timeout=60, check=True)
    named = re.findall(r'rel="modulepreload" href="static/([^"]+)"', httpx.get(server_url).text)
    assert sorted(named) == sorted(json.loads(done.stdout))
    assert named[0] == WIRING
