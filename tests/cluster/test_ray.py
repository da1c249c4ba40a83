"""The same app on a real Ray cluster: two nodes on this machine, a replica and a proxy on each."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from websockets.exceptions import ConnectionClosed

from app.settings import Settings
from bench.workers import Worker, worker
from tests.cluster.watcher import Asker, watching
from tests.faults.servers import free_port
from tests.support.viewers import viewer

ROOT = Path(__file__).parents[2]
BUILD = """
import json, sys
from deploy.ray_serve import Arguments, app
app(Arguments(**json.loads(sys.argv[1] if len(sys.argv) > 1 else "{}")))
"""

VIEWERS = 6
MOVES_WITHIN = 120.0
"""Seconds after which a test that waits in vain fails, on whatever machine; what it really took is in the report."""

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster that answers commands of `bench.ray_cluster`."""

    worker: Worker
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, command: str) -> Any:
        return json.loads(self.worker.ask(command))

    def running(self) -> list[dict[str, Any]]:
        return [one for one in self.ask("replicas") if one["state"] == "RUNNING"]

    def await_replicas(self, count: int) -> None:
        deadline = time.monotonic() + 90
        while len(self.ask("replicas")) != count or len(self.running()) != count:
            assert time.monotonic() < deadline, self.ask("replicas")
            time.sleep(0.2)

    def metrics(self, processes: int) -> dict[str, dict[str, float]]:
        """Of so many replicas, by process: each request for them is answered by one that is drawn by lot."""
        found: dict[str, dict[str, float]] = {}
        deadline = time.monotonic() + 30
        while len(found) < processes:
            assert time.monotonic() < deadline, found
            lines = httpx.get(self.url + "/metrics").text.splitlines()
            (info,) = (line for line in lines if line.startswith("unrolled_worker_info"))
            numbers = (line.split() for line in lines if line.startswith("unrolled_") and "{" not in line)
            found[info.split('"')[1]] = {name: float(value) for name, value in numbers}
        return found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNROLLED_MODELS_DIR", str(tmp_path_factory.mktemp("shared")))
        patch.setenv("UNROLLED_LOG_LEVEL", "warning")
        port = free_port()
        with worker("ray_cluster", "2", "2", str(port)) as started:
            yield Cluster(started, port)
            assert json.loads(started.ask("stop")) == "stopped"


def test_each_node_has_a_replica(cluster: Cluster) -> None:
    assert len({one["node_id"] for one in cluster.running()}) == 2


def test_the_page_and_all_that_it_loads_come_through_the_proxy(cluster: Cluster) -> None:
    page = httpx.get(cluster.url + "/")
    assert page.status_code == 200
    assert "content-security-policy" in page.headers
    paths = [part.split('"')[0] for name in ('src="', 'href="') for part in page.text.split(name)[1:]]
    loaded = [path for path in paths if path.startswith(("static/", "assets/"))]
    assert len(loaded) > 3
    for path in loaded:
        assert httpx.get(f"{cluster.url}/{path}").status_code == 200, path


def test_probes_and_metrics_answer_for_one_replica(cluster: Cluster) -> None:
    for probe in ("/healthz", "/readyz"):
        assert httpx.get(cluster.url + probe).json() == {"status": "ok"}
    assert set(cluster.metrics(2)) == {str(one["pid"]) for one in cluster.running()}


def test_a_page_of_another_origin_is_refused_behind_the_proxy_too(cluster: Cluster) -> None:
    url = cluster.url.replace("http", "ws") + "/ws/train"
    with (
        viewer(url, origin="http://elsewhere.example") as stranger,
        pytest.raises(ConnectionClosed) as closed,
    ):
        stranger.next()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


def test_it_scales_on_open_viewers_and_lets_the_hall_fill(cluster: Cluster) -> None:
    asked = cluster.ask("autoscaling")
    assert asked["target_ongoing_requests"] == 20
    assert (asked["min_replicas"], asked["max_replicas"]) == (2, 2)
    assert asked["max_ongoing_requests"] > 4 * Settings.model_fields["max_viewers"].default


def test_a_model_uploaded_to_one_replica_predicts_on_every_other(cluster: Cluster) -> None:
    with viewer(cluster.url.replace("http", "ws") + "/ws/train") as guest:
        guest.open(recipe={"seed": 5}, play=False)
        checkpoint = guest.checkpoint
    id = httpx.post(cluster.url + "/models", content=checkpoint, timeout=30).json()["id"]
    asked = {"sequence": [0.0, 0.3, 0.6], "model": id}
    before = cluster.metrics(2)
    answers = []
    while any(
        now["unrolled_predictions_total"] == before[process]["unrolled_predictions_total"]
        for process, now in cluster.metrics(2).items()
    ):
        answers.append(httpx.post(cluster.url + "/predict", json=asked, timeout=30))
        assert answers[-1].status_code == 200, answers[-1].text
    assert len({str(answer.json()["prediction"]) for answer in answers}) == 1


def test_an_upgrade_tells_every_viewer_1012_and_each_goes_on_elsewhere_to_the_bit(
    cluster: Cluster, record_property: Callable[[str, object], None]
) -> None:
    old = {one["pid"] for one in cluster.running()}
    with watching(cluster.port, VIEWERS, pace=5) as watchers:
        assert cluster.ask("deploy") == "deployed"
        cluster.await_replicas(2)
        for watcher in watchers:
            watcher.wait_for(20)
    assert not old & {one["pid"] for one in cluster.running()}
    for watcher in watchers:
        assert set(watcher.closes) == {1012}
        record_property("Ray, an upgrade: a run stood still", max(watcher.stood_still))
    record_property("Ray, an upgrade: connections of a viewer at the most", max(one.sessions for one in watchers))


def test_a_node_is_killed_and_every_run_goes_on_to_the_bit_while_predictions_are_answered(
    cluster: Cluster, record_property: Callable[[str, object], None]
) -> None:
    with watching(cluster.port, VIEWERS) as watchers, Asker(cluster.url) as asker:
        assert all(numbers["unrolled_viewers"] for numbers in cluster.metrics(2).values())
        killed = cluster.ask("kill")
        for watcher in watchers:
            watcher.wait_for(40)
        asker.wait_for_answer(killed["at"], MOVES_WITHIN)
    moved = [watcher for watcher in watchers if watcher.sessions > 1]
    assert moved
    for watcher in moved:
        seconds = watcher.resumed[-1] - killed["at"]
        record_property("Ray, a node killed: its viewers have their next update", seconds)
        assert seconds < MOVES_WITHIN
    wait = asker.longest_wait(killed["at"])
    assert wait < MOVES_WITHIN
    failed = [why for at, why in asker.failed if at > killed["at"]]
    record_property("Ray, a node killed: longest without a prediction", wait)
    record_property("Ray, a node killed: predictions that failed", len(failed))


def test_replicas_that_could_not_share_their_models_are_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNROLLED_MODELS_DIR", "models")
    built = subprocess.run([sys.executable, "-c", BUILD], capture_output=True, text=True, check=False)
    assert "UNROLLED_MODELS_DIR: several replicas need the absolute path" in built.stderr


def test_the_configuration_file_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    (application,) = yaml.safe_load((ROOT / "deploy" / "serve.yaml").read_text())["applications"]
    for name, value in application["runtime_env"]["env_vars"].items():
        monkeypatch.setenv(name, value)
    assert application["import_path"] == "deploy.ray_serve:app"
    built = subprocess.run(
        [sys.executable, "-c", BUILD, json.dumps(application["args"])], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
