"""The files in deploy/ agree with the code and with each other. `make test-cluster` runs what they describe."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from app.serving.server import GRACE_SECONDS
from app.settings import Settings
from tests.conftest import Server
from tests.support.sockets import eventually
from tests.support.viewers import PATIENCE, viewer

DEPLOY = Path(__file__).parents[2] / "deploy"
HAPROXY = (DEPLOY / "haproxy.cfg").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVERS = {name: service for name, service in SERVICES.items() if service["image"] == "unrolled"}
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def as_compose_reads(text: str) -> str:
    """Where nothing is set outside: `${NAME:-default}` is its default."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def seconds(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(ms|s)", text).groups()  # type: ignore[union-attr]
    return int(number) / (1000 if unit == "ms" else 1)


# ---------------------------------------------------------------- compose.yaml


def test_every_server_has_settings_that_exist_and_are_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {f"UNROLLED_{name.upper()}" for name in Settings.model_fields} | {"FORWARDED_ALLOW_IPS"}
    assert len(SERVERS) > 1
    for service in SERVERS.values():
        assert set(service["environment"]) <= known
        given = {name: value for name, value in service["environment"].items() if value is not None}
        environment = {name: as_compose_reads(value) for name, value in given.items()}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert Settings().drain_seconds > 0


def test_no_log_grows_without_end() -> None:
    for name, service in SERVICES.items():
        assert service["logging"] == {"driver": "local"}, name  # which keeps five files of 20 MB


def test_nothing_may_be_written_but_in_volumes_and_no_service_has_capabilities_or_endless_memory() -> None:
    for name, service in SERVICES.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert "privileged" not in service, name


def test_compose_finds_a_server_healthy_when_it_is_ready(server: Server) -> None:
    eventually(lambda: httpx.get(server.url + "/readyz").status_code == 200, PATIENCE, "it is ready")
    for service in SERVERS.values():
        kind, _, *arguments = service["healthcheck"]["test"]
        assert kind == "CMD"
        for port, code in ((server.port, 0), (1, 1)):
            environment = os.environ | {"UNROLLED_PORT": str(port)}
            asked = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=False)
            assert asked.returncode == code, asked.stderr


def test_servers_keep_their_models_in_one_folder_and_are_reached_through_the_proxy_only() -> None:
    for service in SERVERS.values():
        assert service["volumes"] == ["models:/var/lib/unrolled"]
        assert "ports" not in service
    assert "UNROLLED_MODELS_DIR=/var/lib/unrolled" in (DEPLOY.parent / "Dockerfile").read_text()
    assert SERVICES["proxy"]["ports"] == ["${UNROLLED_PORT:-8000}:8000"]


def test_servers_believe_addresses_from_the_network_of_the_proxy_only() -> None:
    (network,) = COMPOSE["networks"].values()
    (subnet,) = [config["subnet"] for config in network["ipam"]["config"]]
    assert {service["environment"]["FORWARDED_ALLOW_IPS"] for service in SERVERS.values()} == {subnet}


def test_every_file_that_is_mounted_exists() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    files = [mount.split(":")[0] for mount in mounts if mount.startswith(".")]
    assert len(files) >= 5
    assert [name for name in files if not (DEPLOY / name).is_file()] == []
    named = {mount.split(":")[0] for mount in mounts} - set(files)
    assert named == set(COMPOSE["volumes"])


def test_a_server_drains_longer_than_the_proxy_takes_to_notice_and_is_back_sooner_than_another_is_out() -> None:
    check = dict(re.findall(r" (inter|fastinter|downinter|fall|rise) (\w+)", HAPROXY))
    fall = int(check["fall"])
    out_soonest = (fall - 1) * seconds(check["fastinter"])
    out_latest = seconds(check["inter"]) + out_soonest
    back_latest = seconds(check["downinter"])
    assert check["rise"] == "1"
    assert back_latest < out_soonest
    for service in SERVERS.values():
        drains = float(service["environment"]["UNROLLED_DRAIN_SECONDS"])
        assert drains > out_latest
        assert seconds(service["stop_grace_period"]) > drains + GRACE_SECONDS


def test_the_proxy_and_prometheus_know_every_server_by_its_name() -> None:
    port = re.search(r"UNROLLED_PORT=(\d+)", (DEPLOY.parent / "Dockerfile").read_text())
    assert port
    expected = {f"{name}:{port[1]}" for name in SERVERS}
    for backend in re.split(r"\nbackend ", HAPROXY)[1:]:
        assert set(re.findall(r'^    server \w+ "\$\{SERVER_\w+-([\w:]+)\}"', backend, re.M)) == expected
    jobs = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    targets = {job["job_name"]: set(job["static_configs"][0]["targets"]) for job in jobs}
    assert targets == {"unrolled": expected, "proxy": {"proxy:8405"}}


# ---------------------------------------------------------------- Grafana


@pytest.fixture(scope="module")
def families(server: Server) -> dict[str, Metric]:
    """What /metrics of a server says that has been used: the sample names of each, and what they belong to."""
    eventually(lambda: httpx.get(server.url + "/readyz").status_code == 200, PATIENCE, "it is ready")
    with viewer(server.ws) as one:
        one.open()
        one.updates(1)
        httpx.post(server.url + "/predict", json={"sequence": [0.5]})
        httpx.post(server.url + "/predict", json={"sequence": []})
    eventually(lambda: "unrolled_websockets_closed_total{" in metrics(server), PATIENCE, "the socket has ended")
    found = {}
    for family in text_string_to_metric_families(metrics(server)):
        ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        found |= {family.name + end: family for end in ends}
    return found


def metrics(server: Server) -> str:
    return httpx.get(server.url + "/metrics", timeout=PATIENCE).text


def named(query: str) -> set[str]:
    """The metrics in a query: every word that is no function, no label and no number."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\bby \([^)]*\)", " ", query)
    return set(re.findall(r"\b[a-z_]{2,}\b(?!\s*\()", bare)) - {"sum", "max"}


def test_every_metric_on_the_dashboard_is_one_that_a_server_exposes(families: dict[str, Metric]) -> None:
    asked = {name for query in QUERIES for name in named(query)}
    assert len(asked) > 20
    assert asked - set(families) == set()


def test_every_label_on_the_dashboard_is_one_that_its_metric_has(families: dict[str, Metric]) -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            query = target["expr"]
            has = {"instance"}.union(*(sample.labels for name in named(query) for sample in families[name].samples))
            asked = set(re.findall(r"(\w+)=", query)) | set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            asked |= {label.strip() for labels in re.findall(r"by \(([^)]*)\)", query) for label in labels.split(",")}
            assert asked - has == set(), (panel["title"], query)


def test_the_dashboard_shows_what_an_operator_looks_for() -> None:
    everything = " ".join(QUERIES)
    for metric in (
        "unrolled_viewers",
        "unrolled_updates_total",
        "unrolled_tick_seconds_bucket",
        "unrolled_predictions_total",
        "unrolled_prediction_seconds_bucket",
        "unrolled_prediction_queue",
        "sum by (reason) (rate(unrolled_refusals_total",
        "process_resident_memory_bytes",
        "process_open_fds / process_max_fds",
        "unrolled_readiness",
        "unrolled_training_started_total",
    ):
        assert metric in everything, metric


def test_the_dashboard_is_well_formed_and_asks_the_provisioned_prometheus() -> None:
    (source,) = yaml.safe_load((DEPLOY / "grafana-datasources.yml").read_text())["datasources"]
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["title"]
        assert panel["type"] in ("stat", "timeseries")
        assert panel["datasource"] == {"type": source["type"], "uid": source["uid"]}
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
        place = panel["gridPos"]
        cells = {(place["x"] + dx, place["y"] + dy) for dx in range(place["w"]) for dy in range(place["h"])}
        assert max(x for x, _ in cells) < 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells
    (provider,) = yaml.safe_load((DEPLOY / "grafana-dashboards.yml").read_text())["providers"]
    folder = provider["options"]["path"]
    assert f"./grafana.json:{folder}/unrolled.json:ro" in SERVICES["grafana"]["volumes"]
    assert source["url"].removeprefix("http://").split(":")[0] in SERVICES
