"""A Ray cluster on this machine, with the app on it. Run as `python -m bench.ray_cluster NODES REPLICAS PORT`.

A line of standard input is a command of `Cluster`, with its arguments; the answer is a line of JSON. All proxies listen
on the same port, so that whoever connects gets one of those that are there, as behind a load balancer.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# Ray's processes are as nice as anyone else's: by default they have what others leave
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}

import ray
from ray import serve
from ray.cluster_utils import Cluster as Nodes

from bench.processes import cpu_seconds, family
from deploy.ray_serve import Arguments, app
from tests.faults.servers import free_port

NAME = "unrolled"
HOST = "127.0.0.1"


def _node(number: int, folder: Path) -> dict[str, Any]:
    """What a node is started with. Ray takes no 127.0.0.1 for an address, but others of this machine's own."""
    return {
        "num_cpus": 2,
        "object_store_memory": 80 * 2**20,
        "node_ip_address": f"127.0.0.{2 + number}",
        "include_dashboard": False,
        # for RAY_SERVE_ENABLE_HA_PROXY=1: two of them share no file and no port but that of the service
        "env_vars": {
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{folder}/{number}.cfg",
            "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{folder}/{number}.sock",
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{folder}/{number}.state",
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(free_port()),
            "RAY_SERVE_HAPROXY_STATS_PORT": str(free_port()),
        },
    }


class Cluster:
    """Nodes, and replicas spread over them evenly."""

    def __init__(self, nodes: int, replicas: int, port: int, folder: Path) -> None:
        self._nodes = Nodes(initialize_head=True, head_node_args=_node(0, folder))
        self._others = [self._nodes.add_node(**_node(number, folder)) for number in range(1, nodes)]
        self._count, self._replicas, self._port = nodes, replicas, port
        ray.init(address=self._nodes.address, log_to_driver=False, logging_level="warning")
        # two of Python's proxies share a port of this machine, two HAProxies do not
        self._proxies = 1 if os.environ.get("RAY_SERVE_ENABLE_HA_PROXY") == "1" else nodes
        where = "EveryNode" if self._proxies == nodes else "HeadOnly"
        serve.start(proxy_location=where, http_options={"host": HOST, "port": port})
        self.deploy()
        self._await_proxies()

    def url(self) -> str:
        return f"http://{HOST}:{self._port}"

    def deploy(self) -> str:
        """Put the app on the cluster; where it was there already, its replicas are replaced one after the other."""
        arguments = Arguments(
            min_replicas=self._replicas,
            max_replicas=self._replicas,
            max_replicas_per_node=-(-self._replicas // self._count),
            cpus=1.0,
        )
        serve.run(app(arguments), name=NAME)
        return "deployed"

    def replicas(self) -> list[dict[str, Any]]:
        """Those that there are: id, state, node and process."""
        found = self._deployment()["replicas"]
        return [{name: one[name] for name in ("replica_id", "state", "node_id", "pid")} for one in found]

    def autoscaling(self) -> dict[str, Any]:
        config = self._deployment()["deployment_config"]
        asked: dict[str, Any] = config["autoscaling_config"]
        return asked | {"max_ongoing_requests": config["max_ongoing_requests"]}

    def kill(self) -> dict[str, Any]:
        """End all processes of the last node at once, its training processes too: its id, when, and the processes."""
        node = self._others.pop()
        (raylet,) = node.all_processes["raylet"]
        doomed = family(raylet.process.pid)
        for pid in doomed:
            os.kill(pid, signal.SIGKILL)
        return {"node_id": node.node_id, "at": time.time(), "processes": doomed}

    def cpu(self) -> dict[str, float]:
        """Processor time so far, in seconds: of replicas with their training, of proxies, of all else of Ray's."""
        while True:
            try:
                replicas, proxies = (_cpu_of_actors(name) for name in ("ServeReplica", "ProxyActor"))
                return {"replicas": replicas, "proxies": proxies, "else": cpu_seconds(os.getpid()) - replicas - proxies}
            except (FileNotFoundError, ProcessLookupError):
                continue  # a thread ended while it was looked at

    def stop(self) -> str:
        serve.shutdown()
        ray.shutdown()
        self._nodes.shutdown()
        return "stopped"

    def _deployment(self) -> dict[str, Any]:
        found: dict[str, Any] = _details()["applications"][NAME]["deployments"][NAME]
        return found

    def _await_proxies(self) -> None:
        while [proxy["status"] for proxy in _details()["proxies"].values()] != ["HEALTHY"] * self._proxies:
            time.sleep(0.2)


def _details() -> dict[str, Any]:
    """What `serve status` is made of."""
    details: dict[str, Any] = serve.context._get_global_client().get_serve_details()
    return details


def _cpu_of_actors(name: str) -> float:
    """Ray gives the process of an actor its name."""
    processes = (
        pid for pid in family(os.getpid()) if Path(f"/proc/{pid}/cmdline").read_text().startswith(f"ray::{name}")
    )
    return sum(cpu_seconds(pid) for pid in processes)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what Ray prints is no answer
    nodes, replicas, port = map(int, sys.argv[1:])
    with TemporaryDirectory() as folder:
        cluster = Cluster(nodes, replicas, port, Path(folder))
        print("ready", file=answers, flush=True)
        for line in sys.stdin:
            command, *arguments = line.split()
            print(json.dumps(getattr(cluster, command)(*arguments)), file=answers, flush=True)


if __name__ == "__main__":
    main()
