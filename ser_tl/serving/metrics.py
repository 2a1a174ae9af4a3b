"""What a server counts, as Prometheus reads it. With several processes on the port each one's figures are added up.

Prometheus' client decides when it is imported whether figures are shared (`PROMETHEUS_MULTIPROC_DIR`): `server` sets
that before it starts processes.
"""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32)


class Metrics:
    """Counters of one process."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "ser_tl_requests", "Requests by route and status", ["route", "status"], registry=registry
        )
        self.latency = Histogram(
            "ser_tl_request_seconds", "From headers to answer", ["route"], buckets=_SECONDS, registry=registry
        )
        self.in_progress = Gauge(
            "ser_tl_requests_in_progress", "Requests under way", multiprocess_mode="livesum", registry=registry
        )
        self.audio_seconds = Counter("ser_tl_audio_seconds", "Seconds of audio answered for", registry=registry)
        self.cache_hits = Counter("ser_tl_cache_hits", "Answers found by content", registry=registry)
        self.reloads = Counter("ser_tl_reloads", "Reloads of models by outcome", ["outcome"], registry=registry)
        self.streams = Gauge("ser_tl_streams", "Live streams", multiprocess_mode="livesum", registry=registry)
        self.dropped_hops = Counter("ser_tl_dropped_hops", "Updates of streams skipped when late", registry=registry)
        self._batch = Histogram("ser_tl_batch_windows", "Windows in a batch", buckets=_SIZES, registry=registry)
        self._inference = Histogram(
            "ser_tl_inference_seconds", "Seconds that a batch takes", buckets=_SECONDS, registry=registry
        )

    def observe_batch(self, size: int, seconds: float) -> None:
        """Counts a batch.

        Args:
            size: windows
            seconds: that it took
        """
        self._batch.observe(size)
        self._inference.observe(seconds)

    def render(self) -> bytes:
        """All figures as text, of all processes of this server."""
        registry = self._registry
        if os.environ.get(SHARED_FOLDER):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
        return generate_latest(registry)
