"""Servers behind the committed HAProxy are replaced one by one under load, and nobody loses anything."""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import yaml

from tests.cluster.haproxy import Proxy, haproxy
from tests.cluster.load import Load, load
from tests.conftest import Server, running
from tests.faults.servers import free_port
from tests.test_live import eventually
from tests.viewers import PATIENCE

COMPOSE = yaml.safe_load((Path(__file__).parents[2] / "deploy" / "compose.yaml").read_text())
DRAIN_SECONDS = float(COMPOSE["services"]["one"]["environment"]["UNROLLED_DRAIN_SECONDS"])

Record = Callable[[str, object], None]


class Cluster:
    """Two servers that are replaced on their ports, and the proxy before them."""

    def __init__(self, folder: Path, drain_seconds: float) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._drain_seconds = drain_seconds
        self.servers = {name: self._start(name, free_port()) for name in ("one", "two")}
        self.proxy = self._before(0)

    def replace(self, name: str, number: signal.Signals) -> None:
        """End a server, and wait until its successor says that it is ready."""
        old = self.servers[name]
        old.process.send_signal(number)
        old.process.wait(PATIENCE)
        self.servers[name] = new = self._start(name, old.port)
        eventually(lambda: httpx.get(new.url + "/readyz").status_code == 200, PATIENCE, f"{name} is ready")

    def replace_proxy(self) -> None:
        """As a new image would: the old one is asked to end, the new one has its port."""
        old = self.proxy
        old.process.send_signal(signal.SIGUSR1)
        self.proxy = self._before(old.port)
        old.process.wait(PATIENCE)

    def deals_to_both(self) -> None:
        eventually(lambda: self.proxy.deals_to("one", "two"), PATIENCE, "the proxy deals to both servers")

    def close(self) -> None:
        self._stack.close()

    def _start(self, name: str, port: int) -> Server:
        folder = self._folder / f"{name}-{len(list(self._folder.iterdir()))}"
        folder.mkdir()
        models = self._folder / "models"
        server = running(folder, port, models_dir=models, drain_seconds=self._drain_seconds)
        return self._stack.enter_context(server)

    def _before(self, port: int) -> Proxy:
        addresses = [f"127.0.0.1:{server.port}" for server in self.servers.values()]
        return self._stack.enter_context(haproxy(self._folder, *addresses, port=port))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    made = Cluster(folder, DRAIN_SECONDS)
    yield made
    made.close()
    for log in folder.glob("*/server.log"):
        assert "Traceback" not in log.read_text()


def note(record_property: Record, what: str, cluster_load: Load) -> None:
    """What viewers and those who ask felt since the clock was last forgotten."""
    for seconds in cluster_load.longest_waits:
        record_property(f"{what}: longest wait of a viewer for updates", seconds)
    if cluster_load.questions:
        record_property(f"{what}: slowest prediction", cluster_load.slowest_answer)


@pytest.mark.timeout(300)
def test_a_rolling_restart_under_load_loses_no_update_and_no_prediction(
    cluster: Cluster, record_property: Record
) -> None:
    cluster.deals_to_both()
    with load(cluster.proxy.port, seed=1) as all_of_them:
        all_of_them.forgets_the_clock()
        all_of_them.goes_on(60)
        note(record_property, "undisturbed", all_of_them)
        all_of_them.forgets_the_clock()
        for name in ("one", "two"):
            cluster.replace(name, signal.SIGTERM)
        all_of_them.goes_on()
        note(record_property, "rolling restart", all_of_them)
    all_of_them.was_served()
    codes = [code for viewer in all_of_them.viewers for code in viewer.closes]
    assert len(codes) >= len(all_of_them.viewers), "each was on one or on the other"
    assert set(codes) == {1012}


@pytest.mark.timeout(300)
def test_servers_that_are_killed_one_after_the_other_lose_no_update_and_no_prediction(
    cluster: Cluster, record_property: Record
) -> None:
    cluster.deals_to_both()
    with load(cluster.proxy.port, seed=2) as all_of_them:
        all_of_them.forgets_the_clock()
        for name in ("one", "two"):
            cluster.replace(name, signal.SIGKILL)
            cluster.deals_to_both()
        all_of_them.goes_on()
        note(record_property, "kill -9 of each", all_of_them)
    all_of_them.was_served()
    assert sum(viewer.sessions for viewer in all_of_them.viewers) >= 2 * len(all_of_them.viewers)


def test_a_prediction_that_was_under_way_on_a_killed_server_is_made_by_another(cluster: Cluster) -> None:
    cluster.deals_to_both()
    url = cluster.proxy.url + "/predict"
    process = cluster.servers["one"].process
    process.send_signal(signal.SIGSTOP)
    with ThreadPoolExecutor(8) as asking:
        answers = [asking.submit(httpx.post, url, json={"sequence": [0.5]}, timeout=PATIENCE) for _ in range(8)]
        eventually(lambda: int(cluster.proxy.rows("ready")["one"]["scur"]) > 1, PATIENCE, "some are under way there")
        cluster.replace("one", signal.SIGKILL)
        assert [answer.result().status_code for answer in answers] == [200] * 8


def test_a_proxy_that_is_replaced_loses_no_update(cluster: Cluster, record_property: Record) -> None:
    cluster.deals_to_both()
    with load(cluster.proxy.port, seed=3, asks=False) as all_of_them:
        all_of_them.forgets_the_clock()
        cluster.replace_proxy()
        all_of_them.goes_on()
        note(record_property, "new proxy", all_of_them)
    all_of_them.was_served()
    assert all(viewer.sessions > 1 for viewer in all_of_them.viewers)
