"""A server that can write nowhere but in /tmp and has no capability, as the README's line for Docker runs it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import Server, running
from tests.support.viewers import viewer

CONFINED = Path(__file__).with_name("confined.sh")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def confined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Its models' folder too is on the file system that cannot be written."""
    folder = tmp_path_factory.mktemp("confined")
    (folder / "models").mkdir()
    (folder / "tmp").mkdir()
    with running(folder, under=(CONFINED, folder / "tmp")) as server:
        with viewer(server.ws) as person:
            person.open()  # now its training process is there
        yield server
        assert "Traceback" not in server.log.read_text()


def processes(server: Server) -> list[Path]:
    """Its own folder in /proc, and its training process's."""
    own = Path("/proc") / str(server.process.pid)
    return [own, *(own.parent / pid for pid in (own / "task" / own.name / "children").read_text().split())]


def test_it_has_no_capability_and_can_get_none(confined: Server) -> None:
    assert len(processes(confined)) >= 2
    for process in processes(confined):
        status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
        assert {int(status[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {0}
        assert status["NoNewPrivs"] == "1"


def test_everything_it_sees_is_read_only_but_its_tmp(confined: Server) -> None:
    mounts = [line.split() for line in (processes(confined)[0] / "mounts").read_text().splitlines()]
    newest = {place: options.split(",") for _, place, _, options, *_ in mounts}
    writable = {place for place, options in newest.items() if "rw" in options}
    assert {place for place in writable if not place.startswith(("/proc", "/sys", "/dev"))} == {
        str(confined.log.parent / "tmp")
    }


def test_it_trains_and_predicts_and_shows_its_page(confined: Server) -> None:
    assert "<html" in httpx.get(confined.url + "/").text
    assert httpx.get(confined.url + "/docs").status_code == 200
    assert "prediction" in httpx.post(confined.url + "/predict", json={"sequence": [0.0, 0.3, 0.6]}).json()
    with viewer(confined.ws) as person:
        person.open(recipe={"seed": 1}, pace="max")
        assert len(person.updates(20)) >= 20
    assert httpx.get(confined.url + "/readyz").status_code == 200


def test_only_an_upload_is_refused_where_models_cannot_be_written(confined: Server) -> None:
    with viewer(confined.ws) as person:
        person.open(recipe={"seed": 1}, play=False)
        checkpoint = person.checkpoint
    refused = httpx.post(confined.url + "/models", content=checkpoint)
    assert refused.status_code == 507
    assert refused.json()["code"] == "store_full"
    assert refused.json()["detail"] == "the model could not be written to disk: Read-only file system"
    assert [model["id"] for model in httpx.get(confined.url + "/models").json()["models"]] == ["sine"]


def test_the_readme_has_the_line_that_runs_the_image_so() -> None:
    options = "--read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges"
    assert f"docker run --rm {options}" in (ROOT / "README.md").read_text()
