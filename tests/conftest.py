"""Real servers for tests: each a process of its own, on a free port, stopped at the end."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # else the process that only deals tests out would import torch, and it is the first to say something
    from tests.support.nursery import Forked, World

pytest_plugins = ["tests.support.progress"]


def pytest_configure(config: pytest.Config) -> None:
    """What runs tests needs a browser; one of several that share them all, servers too; who deals them out, neither."""
    is_one_of_several = hasattr(config, "workerinput")
    if is_one_of_several:
        from tests.support.nursery import fork_the_nursery

        fork_the_nursery()
    if is_one_of_several or config.getoption("dist", "no") == "no":
        for fixtures in ("tests.support.visits", "tests.support.lab_page"):
            config.pluginmanager.import_plugin(fixtures)


@dataclass(frozen=True)
class Server:
    """A running server process."""

    url: str
    process: "subprocess.Popen[str] | Forked"
    log: Path

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    @property
    def ws(self) -> str:
        return self.url.replace("http", "ws") + "/ws/train"

    def metric(self, name: str) -> float:
        """One of its Prometheus numbers."""
        import httpx

        for line in httpx.get(self.url + "/metrics").text.splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise KeyError(name)


@contextmanager
def running(
    folder: Path,
    port: int = 0,
    under: Sequence[str | Path] = (),
    world: "World | None" = None,
    command: Callable[[Sequence[str]], None] | None = None,
    **settings: object,
) -> Iterator[Server]:
    """`unrolled serve` with these settings, from when it says its URL until the block ends.

    `under` is a command that becomes this one: what comes of that in its place is the server. It is started as a user
    would. All others are forked, and so are their workers, which saves their imports, in a `world` of their own; what
    must happen there first, `command` does before it becomes the server.
    """
    from tests.support.nursery import Forked, World

    environment = os.environ | {f"UNROLLED_{name.upper()}": str(value) for name, value in settings.items()}
    environment.setdefault("UNROLLED_MODELS_DIR", str(folder / "models"))
    log = folder / "server.log"
    arguments = ["serve", "--port", str(port)]
    with log.open("w") as errors, ExitStack() as ending:
        process: subprocess.Popen[str] | Forked
        if under:
            typed = [*map(str, under), str(Path(sys.executable).with_name("unrolled")), *arguments]
            process = ending.enter_context(
                subprocess.Popen(typed, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True)
            )
        else:
            process = ending.enter_context(Forked(arguments, environment, folder, log, world or World(), command))
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert " is at " in line, log.read_text()
            yield Server(line.split(" is at ")[1].strip(), process, log)
        finally:
            process.kill()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that need nothing special."""
    with running(tmp_path_factory.mktemp("server")) as server:
        yield server
        assert "Traceback" not in server.log.read_text()


@pytest.fixture(scope="session")
def server_url(server: Server) -> str:
    return server.url


@pytest.fixture
def start_server(tmp_path: Path) -> Callable[..., object]:
    """Starts another server, with settings of its own: `with start_server(max_viewers=2) as server`."""

    def start(port: int = 0, world: "World | None" = None, **settings: object) -> object:
        return running(tmp_path, port, world=world, **settings)

    return start
