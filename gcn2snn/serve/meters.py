"""What a service counts, in the text format of Prometheus; several processes add up in one folder."""

from __future__ import annotations

import os
import threading

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)

from gcn2snn.machine import resident_memory

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable with the folder in which several processes count together; prometheus_client reads it when imported."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)
OUTCOMES = ("answered", "refused", "too large", "too slow", "overloaded", "cut off", "gone", "failed")

disable_created_metrics()


class Meters:
    """Counters of one process."""

    def __init__(self) -> None:
        own = self._registry = CollectorRegistry()
        self.requests = Counter("gcn2snn_requests", "Requests by outcome", ["route", "outcome"], registry=own)
        self.seconds = Histogram(
            "gcn2snn_request_seconds", "Time of a request, body included", ["route"], registry=own, buckets=SECONDS
        )
        self.in_flight = Gauge(
            "gcn2snn_requests_in_flight", "Requests being read or answered", registry=own, multiprocess_mode="livesum"
        )
        self.queue = Gauge("gcn2snn_queue_texts", "Texts that wait", registry=own, multiprocess_mode="livesum")
        self.batches = Histogram("gcn2snn_batch_texts", "Texts of an evaluation", registry=own, buckets=TEXTS)
        self.batch_seconds = Histogram("gcn2snn_batch_seconds", "Time of an evaluation", registry=own, buckets=SECONDS)
        self.texts = Counter("gcn2snn_texts", "Texts classified", registry=own)
        self.unknown = Counter("gcn2snn_texts_without_known_word", "Texts without a known word", registry=own)
        self.memory = Gauge(
            "gcn2snn_memory_bytes", "Resident memory of a worker", registry=own, multiprocess_mode="liveall"
        )
        self.threads = Gauge("gcn2snn_threads", "Threads of a worker", registry=own, multiprocess_mode="liveall")

    def measure_process(self) -> None:
        """Take down memory and threads as they are now."""
        self.memory.set(resident_memory())
        self.threads.set(number_of_threads())

    def text(self) -> bytes:
        """All counts, of all processes of the service."""
        self.measure_process()
        return generate_latest(_all_processes() if SHARED in os.environ else self._registry)

    def totals(self) -> dict[str, int]:
        """Requests by outcome, of all processes of the service."""
        registry = _all_processes() if SHARED in os.environ else self._registry
        return totals_of(registry)


def totals_of_workers() -> dict[str, int]:
    """Requests by outcome, of all workers, from the folder in which they count."""
    return totals_of(_all_processes())


def totals_of(registry: CollectorRegistry) -> dict[str, int]:
    """Requests by outcome, over all routes."""
    found = dict.fromkeys(OUTCOMES, 0)
    for metric in registry.collect():
        for sample in metric.samples:
            if sample.name == "gcn2snn_requests_total":
                found[sample.labels["outcome"]] += int(sample.value)
    return found


def forget_worker(pid: int) -> None:
    """Take the gauges of a process that has ended out of the sums."""
    multiprocess.mark_process_dead(pid)


def number_of_threads() -> int:
    """Threads of this process; those that Python knows where the system has no /proc."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return threading.active_count()


def _all_processes() -> CollectorRegistry:
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return registry
