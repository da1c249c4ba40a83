"""Two servers, each on a port of its own on which it is replaced, and the proxy before them."""

import signal
from contextlib import ExitStack
from pathlib import Path

import httpx
import yaml

from tests.cluster.haproxy import Proxy, haproxy
from tests.conftest import Server, running
from tests.faults.servers import free_port
from tests.support.sockets import eventually
from tests.support.viewers import PATIENCE

COMPOSE = yaml.safe_load((Path(__file__).parents[2] / "deploy" / "compose.yaml").read_text())
DRAIN_SECONDS = float(COMPOSE["services"]["one"]["environment"]["UNROLLED_DRAIN_SECONDS"])
"""As in a real one."""


class Pair:
    """Started in a folder, where their logs are."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
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
        # not forked: that its imports take processor time from the other one is a part of what is seen here
        server = running(folder, port, under=["env"], models_dir=models, drain_seconds=DRAIN_SECONDS)
        return self._stack.enter_context(server)

    def _before(self, port: int) -> Proxy:
        addresses = [f"127.0.0.1:{server.port}" for server in self.servers.values()]
        return self._stack.enter_context(haproxy(self._folder, *addresses, port=port))
