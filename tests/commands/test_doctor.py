"""unrolled doctor: what it finds wrong, and that it says how to mend it."""

import json
import resource
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.cli import main
from app.commands import checkup as doctor
from app.commands.checkup import Finding, findings
from app.commands.mistake import strays
from app.commands.speed import Speed, measure
from app.serving.machine import Machine, look
from app.settings import Settings
from tests.support.nursery import alone

LARGE = Machine(cores=8, quota=None, memory=2**34, is_container=False)
FAST = Speed(2000, 10_000, 5000, share=1.0, error=0.002)


def found(name: str, machine: Machine = LARGE, speed: Speed = FAST, **settings: Any) -> list[Finding]:
    """What it says of one thing."""
    looks = findings(Settings(**{"port": 0, **settings}), machine, lambda: speed)
    return [one for one in looks if one.name == name]


def levels(findings: list[Finding]) -> list[str]:
    assert all(one.mend for one in findings if one.level == "wrong"), "whatever is wrong can be mended"
    return [one.level for one in findings]


def test_it_measures_this_machine_in_a_second_and_the_pretrained_model_is_right() -> None:
    speed = measure()
    assert speed.updates_together > 0
    assert speed.updates_alone > 0
    assert speed.predictions > 0
    assert speed.error < doctor.LARGEST_ERROR


def test_nothing_is_wrong_with_a_good_machine(tmp_path: Path) -> None:
    looks = list(findings(Settings(port=0, models_dir=tmp_path), LARGE, lambda: FAST))
    assert {one.level for one in looks} <= {"ok", "note"}
    (versions,) = found("versions")
    assert f"Python {sys.version.split()[0]}" in versions.says
    assert "torch" in versions.says
    assert levels(found("threads")) == ["ok"]


def test_a_quota_below_a_core_and_more_workers_than_cores_are_wrong() -> None:
    assert levels(found("processors", replace(LARGE, quota=0.5))) == ["wrong"]
    assert levels(found("processors", replace(LARGE, quota=1.5), workers=2)) == ["wrong"]
    assert levels(found("processors", replace(LARGE, quota=2.0), workers=2)) == ["ok"]


def test_too_little_memory_for_a_full_hall_is_wrong() -> None:
    assert levels(found("memory", replace(LARGE, memory=512 * 2**20))) == ["wrong"]
    assert levels(found("memory", replace(LARGE, memory=2**30))) == ["ok"]
    assert levels(found("memory", replace(LARGE, memory=2**30), max_viewers=10_000)) == ["wrong"]
    assert levels(found("memory", replace(LARGE, memory=None))) == ["note"]


def test_too_few_open_files_are_wrong() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert levels(found("open files", max_viewers=1 if hard < 2**16 else 1000)) == ["ok"]
    (few,) = alone(found_with_few_files)
    assert few.level == "wrong"
    assert "ulimit -n 10304" in few.mend


def found_with_few_files() -> list[Finding]:
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
    return found("open files")


def test_a_models_folder_that_cannot_be_written_or_has_no_room_is_wrong(tmp_path: Path) -> None:
    assert levels(found("models", models_dir=tmp_path / "made" / "later")) == ["ok"]
    assert levels(found("models", models_dir=Path("/proc/no/such"))) == ["wrong"]
    assert levels(found("models", models_dir=tmp_path, max_models_bytes=2**40)) == ["wrong"]
    assert levels(found("models", models_dir=Path("/proc/no/such"), max_models=0)) == ["ok"]


def test_hostile_values_are_findings_of_one_line() -> None:
    (origin,) = found("origins", allowed_origins="http://[")
    assert origin.level == "wrong"
    for folder in ("x" * 300, "x\nok \x1b[31m", "x\udcff"):
        (models,) = found("models", models_dir=Path(folder))
        assert models.says.isprintable()
        models.says.encode()


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (one,) = found("address", port=taken.getsockname()[1])
    assert one.level == "note"
    assert "taken" in one.says
    assert levels(found("address", host="192.0.2.1")) == ["wrong"]
    (loopback,) = found("address", replace(LARGE, is_container=True))
    assert "0.0.0.0" in loopback.mend


def test_an_origin_that_matches_no_browser_is_wrong() -> None:
    origins = found("origins", allowed_origins="example.org,https://example.org,https://example.org/page")
    assert levels(origins) == ["wrong", "wrong"]


def test_a_limit_for_each_address_behind_an_unknown_proxy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    assert levels(found("addresses", max_viewers_per_address=3)) == ["note"]
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "10.0.0.1")
    assert found("addresses", max_viewers_per_address=3) == []


def test_a_slow_and_a_wrong_machine_are_wrong_and_a_starved_one_is_told() -> None:
    few = {"max_viewers": 100}
    assert levels(found("speed", **few)) == ["ok"]
    assert levels(found("speed", speed=replace(FAST, updates_alone=100.0), **few)) == ["wrong"]
    assert levels(found("speed", speed=replace(FAST, share=0.4), **few)) == ["ok", "note"]
    assert levels(found("speed", speed=replace(FAST, error=0.3), **few)) == ["ok", "wrong"]


def test_a_hall_larger_than_the_machine_bears_at_the_usual_pace_is_told_with_a_number_to_set() -> None:
    _, note = found("speed", max_viewers=1000)
    assert note.level == "note"
    assert "UNROLLED_MAX_VIEWERS=100," in note.mend


def test_a_variable_that_no_setting_reads_is_wrong_and_the_nearest_is_named() -> None:
    ((says, mend),) = strays({"UNROLLED_MAX_VIEWER": "3", "UNROLLED_PORT": "1", "UNROLLED_URL": "", "HOME": "/"})
    assert says == "'UNROLLED_MAX_VIEWER' is no setting, and is read by nobody"
    assert mend == "did you mean UNROLLED_MAX_VIEWERS?"


def group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("_", ".", 1)).write_text(content)


def test_the_tightest_of_a_containers_bounds_counts(tmp_path: Path) -> None:
    group(tmp_path / "slice", cpu_max="400000 100000", memory_max="max")
    group(tmp_path / "slice" / "pod", cpu_max="150000 100000", memory_max=str(2**30))
    group(tmp_path / "slice" / "pod" / "one", cpu_max="max 100000", memory_max=str(2**31))
    own = tmp_path / "own"
    own.write_text("0::/slice/pod/one\n")
    memory = tmp_path / "meminfo"
    memory.write_text("MemTotal: 8388608 kB\n")
    machine = look(tmp_path, own, memory)
    assert (machine.quota, machine.memory) == (1.5, 2**30)
    assert machine.share == min(machine.cores, 1.5)


def test_bounds_of_the_older_control_groups_are_known_too(tmp_path: Path) -> None:
    (tmp_path / "cpu,cpuacct" / "box").mkdir(parents=True)
    (tmp_path / "cpu,cpuacct" / "box" / "cpu.cfs_quota_us").write_text("50000\n")
    (tmp_path / "cpu,cpuacct" / "box" / "cpu.cfs_period_us").write_text("100000\n")
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("1000000\n")
    own = tmp_path / "own"
    own.write_text("4:cpu,cpuacct:/box\n3:memory:/gone\n")
    machine = look(tmp_path, own, tmp_path / "none")
    assert (machine.quota, machine.memory) == (0.5, 1_000_000)


def test_without_control_groups_there_is_no_bound(tmp_path: Path) -> None:
    machine = look(tmp_path, tmp_path / "none", tmp_path / "none")
    assert (machine.quota, machine.memory) == (None, None)
    assert machine.share == machine.cores


@pytest.mark.parametrize(
    ("given", "code"), [({}, 0), ({"UNROLLED_PROT": "80", "UNROLLED_WORKERS": "0", "UNROLLED_TOKEN": "short"}, 1)]
)
def test_the_command_prints_json_and_ends_with_1_where_something_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], code: int
) -> None:
    monkeypatch.setattr("app.commands.doctor.measure", lambda: FAST)
    ran = CliRunner().invoke(main, ["doctor", "--json"], env={"UNROLLED_MODELS_DIR": str(tmp_path)} | given)
    looks = json.loads(ran.stdout)
    wrong = {one["says"] for one in looks if one["level"] == "wrong"}
    assert ran.exit_code == int(any(one["level"] == "wrong" for one in looks))
    assert {one["name"] for one in looks} >= {"settings", "versions", "processors", "threads", "memory", "speed"}
    if code == 0:
        assert wrong == set()
    else:
        assert wrong == {
            "UNROLLED_TOKEN: Value should have at least 16 characters, not 5",
            "UNROLLED_WORKERS: Input should be greater than or equal to 1, not '0'",
            "'UNROLLED_PROT' is no setting, and is read by nobody",
        }
