"""Counters and timings in Prometheus' format, summed over the serving processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from model.decision import Decision

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # prometheus-client's own setting; `serve` sets it for its processes
_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class Metrics:
    """What the service counts; never a text, only labels."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._decisions = Counter(
            "issue_router_decisions",
            "Texts routed",
            ["severity", "owner", "queue", "decided_by", "needs_review"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "issue_router_routing_seconds", "Time to route one call", buckets=_BUCKETS, registry=self._registry
        )

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Time one call."""
        with self._seconds.time():
            yield

    def count(self, decision: Decision) -> None:
        """Count one decision."""
        labels = decision.labels
        review = str(decision.needs_review).lower()
        self._decisions.labels(labels.severity, labels.owner, labels.queue, decision.decided_by, review).inc()

    def render(self) -> tuple[bytes, str]:
        """Return the metrics of all processes as text, and its content type."""
        registry = self._registry
        if os.environ.get(SHARED_FOLDER):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST
