"""What Prometheus is told. One registry per app, never the library's global one.

Labels are few and bounded: a route's template rather than its path, models and versions that were really loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.engine.lane import Lane
from service.engine.served import ServedVersion

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)
MODEL = ("model", "version")


class Metrics:
    """Counters and histograms of one app; `observe_*` is called where things happen."""

    def __init__(self, version: str) -> None:
        """`version` is the project's."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "duet_http_requests", "Requests answered", ("method", "route", "status"), registry=self.registry
        )
        self._request_seconds = Histogram(
            "duet_http_request_duration_seconds",
            "From a request's head to the end of its answer",
            ("method", "route"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._rejected = Counter(
            "duet_requests_rejected",
            "Requests answered with a problem, by its kind",
            ("reason",),
            registry=self.registry,
        )
        self._decode_seconds = self._stage("decode", "Decoding and resizing a request's images")
        self._queue_seconds = self._stage("queue", "A request's wait for its first batch")
        self._inference_seconds = self._stage(
            "inference", "From the start of a request's first batch to its last's end"
        )
        self._batch_images = Histogram(
            "duet_batch_images", "Images in one model run", MODEL, buckets=IMAGES, registry=self.registry
        )
        self._images = Counter("duet_images", "Images answered", MODEL, registry=self.registry)
        build = Gauge("duet_build_info", "The running version of the project", ("version",), registry=self.registry)
        build.labels(version).set(1)

    def watch_loaded(self, loaded: Callable[[], Iterable[ServedVersion]]) -> None:
        """Report, at each scrape, what is loaded and how long each queue is."""
        self.registry.register(_LoadedVersions(loaded))

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request has been answered; `route` is the path's template."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(method, route).observe(seconds)

    def observe_problem(self, slug: str) -> None:
        """A request has been answered with a problem."""
        self._rejected.labels(slug).inc()

    def observe_batch(self, lane: Lane, images: int) -> None:
        """A model has run once on `images` images."""
        self._batch_images.labels(lane.family, str(lane.version)).observe(images)
        self._images.labels(lane.family, str(lane.version)).inc(images)

    def observe_answer(self, served: ServedVersion, *, decode: float, queue: float, inference: float) -> None:
        """A request has been answered by a version; times in seconds."""
        labels = (served.family, str(served.version))
        self._decode_seconds.labels(*labels).observe(decode)
        self._queue_seconds.labels(*labels).observe(queue)
        self._inference_seconds.labels(*labels).observe(inference)

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)

    def _stage(self, name: str, help_text: str) -> Histogram:
        return Histogram(f"duet_{name}_seconds", help_text, MODEL, buckets=SECONDS, registry=self.registry)


class _LoadedVersions(Collector):
    """Gauges that are read when scraped, so that the request path pays nothing for them."""

    def __init__(self, loaded: Callable[[], Iterable[ServedVersion]]) -> None:
        self._loaded = loaded

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("duet_model_info", "Versions that are loaded", labels=(*MODEL, "precision"))
        waiting = GaugeMetricFamily("duet_queue_images", "Images that wait for a model", labels=MODEL)
        for served in self._loaded():
            labels = [served.family, str(served.version)]
            info.add_metric([*labels, served.precision], 1)
            waiting.add_metric(labels, served.lane.waiting)
        yield info
        yield waiting
