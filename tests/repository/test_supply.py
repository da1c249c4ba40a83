"""What is installed: every pin has its files' hashes, nothing is installed without, and the licences are known."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements"
FILES = sorted(REQUIREMENTS.glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = sorted(PROJECT["optional-dependencies"])

FREE = {
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "LLVM-exception",
    "MIT",
    "PSF-2.0",
    "Zlib",
}
WEAK_COPYLEFT = {"orjson": {"MPL-2.0"}}
"""What asks for something more, and what docs/licences.md says of it."""


def pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", path.read_text(), re.M))


def entries(path: Path) -> list[str]:
    return re.split(r"^(?=\w)", path.read_text(), flags=re.M)[1:]


def needed_here(path: Path) -> set[str]:
    """The names of those that are not only for another system."""
    lines = [Requirement(entry.split(" \\\n")[0]) for entry in entries(path)]
    return {line.name for line in lines if line.marker is None or line.marker.evaluate()}


def closure(named: list[str]) -> set[str]:
    """All packages that these requirements come to here, as the installed metadata of each says."""
    seen: set[tuple[str, str]] = set()
    ahead = [(line, "") for line in named]
    while ahead:
        line, extra = ahead.pop()
        needed = Requirement(line)
        if needed.marker is not None and not needed.marker.evaluate({"extra": extra}):
            continue
        for item in ((canonicalize_name(needed.name), wanted) for wanted in ("", *needed.extras)):
            if item not in seen:
                seen.add(item)
                ahead += [(line, item[1]) for line in distribution(item[0]).requires or []]
    return {name for name, _ in seen}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_pin_has_the_hashes_of_its_files(path: Path) -> None:
    pinned = entries(path)
    assert pinned
    for entry in pinned:
        assert re.match(r"[\w.-]+==\S+", entry), entry
        assert re.search(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$", entry, re.M), entry


def test_the_pins_are_those_of_the_constraints() -> None:
    wanted = pins(ROOT / "constraints.txt")
    locked: dict[str, str] = {}
    for path in FILES:
        if path.stem not in {"torch", "torch-cpu", "supply"}:
            locked |= pins(path)
    assert locked | {"torch": pins(REQUIREMENTS / "torch.txt")["torch"]} == wanted, "run make lock"


def test_every_extra_has_its_file() -> None:
    assert {path.stem for path in FILES} == {"torch", "torch-cpu", "run", "supply", *EXTRAS}, "run make lock"


def test_what_is_locked_is_what_the_project_needs() -> None:
    run = needed_here(REQUIREMENTS / "run.txt")
    torch = needed_here(REQUIREMENTS / "torch.txt")
    assert closure(PROJECT["dependencies"]) - torch == run, "run make lock"
    dev = closure(PROJECT["optional-dependencies"]["dev"]) - torch - run
    assert dev == needed_here(REQUIREMENTS / "dev.txt"), "run make lock"


def test_torch_may_come_from_either_index() -> None:
    wheels = re.findall(r"^([0-9a-f]{64})  torch-(\S+)\.whl$", (REQUIREMENTS / "torch-cpu.sha256").read_text(), re.M)
    [cpu] = entries(REQUIREMENTS / "torch-cpu.txt")
    assert re.findall(r"[0-9a-f]{64}", cpu) == [digest for digest, _ in wheels]
    version = pins(REQUIREMENTS / "torch-cpu.txt")["torch"]
    assert version == pins(REQUIREMENTS / "torch.txt")["torch"] + "+cpu"
    named = {name for _, name in wheels}
    pythons = ("cp311", "cp312", "cp313", "cp314")
    machines = ("x86_64", "aarch64")
    assert named == {f"{version}-{tag}-{tag}-manylinux_2_28_{machine}" for tag in pythons for machine in machines}


def test_every_package_from_npm_has_its_hash_and_names_no_address() -> None:
    lock = json.loads((REQUIREMENTS / "typescript" / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert "node_modules/typescript" in packages
    assert [name for name, package in packages.items() if not package["integrity"].startswith("sha512-")] == []
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert "npm ci" in (ROOT / "Makefile").read_text()  # which refuses what differs from the lock


@pytest.mark.parametrize("name", ["Makefile", "Dockerfile"])
def test_nothing_is_installed_without_its_hash_but_the_project(name: str) -> None:
    text = (ROOT / name).read_text().replace("\\\n", " ")
    installs = re.findall(r"pip install[^&|;}\n]*", text)
    assert installs
    for command in installs:
        itself = "--no-build-isolation" in command and re.search(r" (-e )?\. *$", command)
        assert "--no-deps" in command
        assert itself or "--require-hashes" in command, command


def test_pip_refuses_a_file_whose_hash_is_not_listed(tmp_path: Path) -> None:
    wheel = tmp_path / "small-1.0-py3-none-any.whl"
    wheel.write_bytes(b"PK\x05\x06" + bytes(18))
    wanted = tmp_path / "wanted.txt"
    wanted.write_text(f"small==1.0 --hash=sha256:{'0' * 64}\n")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--require-hashes", "--no-index", "--dry-run"]
    command += ["--find-links", str(tmp_path), "-r", str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "DO NOT MATCH THE HASHES" in done.stderr


def test_the_licences_are_listed_as_the_packages_have_them() -> None:
    command = [sys.executable, REQUIREMENTS / "licences.py"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == (ROOT / "docs/licences.md").read_text(), "run make licences"


def test_the_list_of_licences_is_of_what_the_image_ships_and_all_are_free() -> None:
    rows = re.findall(r"^\| ([\w.-]+) \| (\d[\w.+]*) \| (.+) \|$", (ROOT / "docs/licences.md").read_text(), re.M)
    shipped = pins(REQUIREMENTS / "torch-cpu.txt") | pins(REQUIREMENTS / "run.txt")
    assert {name: version for name, version, _ in rows} == shipped
    for name, _, licence in rows:
        kinds = set(re.findall(r"[\w.+-]+", licence)) - {"AND", "OR", "WITH"}
        assert kinds - FREE == WEAK_COPYLEFT.get(name, set()), (name, licence)


def test_every_package_that_is_shipped_brings_its_licence_along() -> None:
    for name in pins(REQUIREMENTS / "run.txt").keys() | {"torch"}:
        inside = [file.as_posix().lower() for file in distribution(name).files or []]
        assert any(re.search(r"\.dist-info/.*(licen[sc]e|copying)", file) for file in inside), name
    pruned = re.findall(r"rm -rf .*", (ROOT / "Dockerfile").read_text().replace("\\\n", " "))
    assert pruned
    assert "dist-info" not in "".join(pruned)
