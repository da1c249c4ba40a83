"""What the service counts about itself, read at /metrics."""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """One app's numbers in a registry of their own, so that two apps in one process never add up.

    A `reason` given to `refusals` is a code of the closed list in `messages`, never text from outside:
    each new label value costs memory for ever.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Info("unrolled_worker", "The process that these are the numbers of", registry=registry).info(
            {"process": str(os.getpid())}
        )
        self.connections = Gauge("unrolled_connections", "Open connections, websockets included", registry=registry)
        self.unsent_bytes = Gauge(
            "unrolled_unsent_bytes", "Bytes of all connections that wait for their peer to take them", registry=registry
        )
        self.inbox_bytes = Gauge(
            "unrolled_inbox_bytes", "Bytes that training viewers sent and nobody has read yet", registry=registry
        )
        self.viewers = Gauge("unrolled_viewers", "Open training websockets", registry=registry)
        self.tasks = Gauge("unrolled_tasks", "Tasks of the event loop", registry=registry)
        self.updates = Counter("unrolled_updates", "Optimiser updates made", registry=registry)
        self.tick_seconds = Histogram(
            "unrolled_tick_seconds",
            "Time in which all runs whose turn it was made one update",
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
