"""Metrics: the counters, gauges and histograms of one app, read at /metrics."""

import os
from importlib.metadata import version
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Enum,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)

from app.protocol.probes import Status

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


# no gauge beside each counter that says since when it counts: process_start_time_seconds does
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """One app's numbers in a registry of their own, so that two apps in one process never add up.

    Every label's values are of a closed list, such as our codes and routes, never text from outside: each new one
    costs memory for ever. docs/operations.md tells what each number is good for.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.training_process = 0
        """The id of the process that trains all runs but TensorFlow's; 0 while there is none."""
        ProcessCollector("unrolled_training", lambda: self.training_process, registry=registry)
        Info("unrolled_build", "What is running", registry=registry).info(
            {name: version(name) for name in ("unrolled", "torch", "numpy", "fastapi", "uvicorn")}
        )
        Info("unrolled_worker", "The process that these are the numbers of", registry=registry).info(
            {"process": str(os.getpid())}
        )
        self.readiness = Enum(
            "unrolled_readiness", "What /readyz says", states=list(get_args(Status)), registry=registry
        )
        self.request_seconds = Histogram(
            "unrolled_request_seconds",
            "Time from a request's headers to the end of its answer",
            ["method", "route", "status"],
            registry=registry,
            buckets=SECONDS,
        )
        self.loop_lag_seconds = Histogram(
            "unrolled_loop_lag_seconds",
            "How late the event loop came to something that was due, looked at twice a second",
            registry=registry,
            buckets=SECONDS,
        )
        self.websockets = Gauge("unrolled_websockets", "Open websockets", ["route"], registry=registry)
        self.websockets_closed = Counter(
            "unrolled_websockets_closed", "Websockets that have ended", ["route", "code"], registry=registry
        )
        self.connections = Gauge("unrolled_connections", "Open connections, websockets included", registry=registry)
        self.unsent_bytes = Gauge(
            "unrolled_unsent_bytes", "Bytes of all connections that wait for their peer to take them", registry=registry
        )
        self.inbox_bytes = Gauge(
            "unrolled_inbox_bytes", "Bytes that training viewers sent and nobody has read yet", registry=registry
        )
        self.viewers = Gauge("unrolled_viewers", "Open training websockets", registry=registry)
        self.viewers_behind = Gauge(
            "unrolled_viewers_behind", "Viewers whose updates come slower than they asked for", registry=registry
        )
        self.runs_opened = Counter("unrolled_runs_opened", "Runs begun or taken up", ["cell", "how"], registry=registry)
        self.runs_diverged = Counter("unrolled_runs_diverged", "Runs that lost all measure", registry=registry)
        self.update_messages = Counter(
            "unrolled_update_messages", "Messages in which updates were sent", registry=registry
        )
        self.training_started = Counter(
            "unrolled_training_started", "Training processes started", ["process"], registry=registry
        )
        self.tasks = Gauge("unrolled_tasks", "Tasks of the event loop", registry=registry)
        self.updates = Counter("unrolled_updates", "Optimiser updates made", registry=registry)
        self.tick_seconds = Histogram(
            "unrolled_tick_seconds",
            "Time in which all runs whose turn it was made a burst of updates",
            registry=registry,
            buckets=SECONDS,
        )
        self.predictions = Counter("unrolled_predictions", "Prediction requests answered", registry=registry)
        self.prediction_seconds = Histogram(
            "unrolled_prediction_seconds",
            "Time from a parsed prediction request to its numbers, waiting included",
            registry=registry,
            buckets=SECONDS,
        )
        self.prediction_queue = Gauge(
            "unrolled_prediction_queue", "Prediction requests under way or waiting", registry=registry
        )
        self.refusals = Counter("unrolled_refusals", "Requests refused", ["reason"], registry=registry)
