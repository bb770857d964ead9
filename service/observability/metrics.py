"""What Prometheus is told. One registry per app, never the library's global one.

Labels are few and bounded: a route's template rather than its path, models and versions that were really loaded.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from functools import cache
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from core.repository.manifest import Precision
from service.engine.loaded_model import ModelVariant
from service.engine.queue import Inference, ModelQueue

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)
MODEL = ("model", "version", "precision")
Observe = Callable[[float], None]

DEFER_SECONDS = 0.1
MAX_DEFERRED = 320
"""For how long, and how many at most, observations wait to be added up."""

MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder through which the workers of one machine add up their figures; prometheus_client reads it too."""


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
            "Requests answered with a problem, by its kind, and the model where one was found",
            ("reason", "model", "version"),
            registry=self.registry,
        )
        self._decode_seconds = self._stage("decode", "Decoding and resizing a request's images")
        self._queue_seconds = self._stage("queue", "A request's wait for its first batch")
        self._inference_seconds = self._stage(
            "inference", "From the start of a request's first batch to its last's end"
        )
        self._answer_seconds = self._stage("answer", "From a request's head to its answer, all stages included")
        self._batch_images = Histogram(
            "duet_batch_images", "Images in one model run", MODEL, buckets=IMAGES, registry=self.registry
        )
        self._images = Counter("duet_images", "Images answered", MODEL, registry=self.registry)
        self._model_info = self._gauge("duet_model_info", "1 while a version is loaded", MODEL, "livemax")
        self._waiting = self._gauge("duet_queue_images", "Images that wait for a model", MODEL, "livesum")
        build = self._gauge("duet_build_info", "The running version of the project", ("version",), "livemax")
        build.labels(version).set(1)
        self._due: list[tuple[Observe, float]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._loaded: Callable[[], Iterable[ModelVariant]] = tuple
        self._seen: set[tuple[str, str, str]] = set()

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request has been answered; `route` is the path's template."""
        count, duration = self._of_request(method, route, status)
        self._soon((count, 1.0), (duration, seconds))

    def observe_problem(self, slug: str, model: str = "", version: str = "") -> None:
        """A request has been answered with a problem; it was for this version, or for none that is known."""
        self._rejected.labels(slug, model, version).inc()

    def observe_batch(self, queue: ModelQueue, images: int) -> None:
        """A model has run once on `images` images."""
        observe, count, waiting = self._of_batch(queue.family, queue.version, queue.precision)
        observe(images)
        count(images)
        waiting(queue.pending)

    def observe_answer(
        self, served: ModelVariant, decode_seconds: float, inference: Inference, total_seconds: float
    ) -> None:
        """A request has been answered by a version."""
        decode, queue, run, total = self._of_answer(served.family, served.version, served.precision)
        self._soon(
            (decode, decode_seconds),
            (queue, inference.queue_seconds),
            (run, inference.run_seconds),
            (total, total_seconds),
        )

    def settle(self) -> None:
        """Add up what was observed; done by itself within DEFER_SECONDS, and before each scrape."""
        due, self._due = self._due, []
        for add, value in due:
            add(value)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _soon(self, *observed: tuple[Observe, float]) -> None:
        # One after the other they take a third of the time that each takes in the middle of a request.
        self._due += observed
        if len(self._due) >= MAX_DEFERRED:
            self.settle()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(DEFER_SECONDS, self.settle)

    # Finding a metric's child by its labels costs more than adding to it, so that the children are remembered.

    @cache  # noqa: B019  as many entries as there are children, and they live as long as the app
    def _of_request(self, method: str, route: str, status: int) -> tuple[Observe, Observe]:
        count = self._requests.labels(method, route, str(status)).inc
        return count, self._request_seconds.labels(method, route).observe

    @cache  # noqa: B019  as above
    def _of_batch(self, family: str, version: int, precision: Precision) -> tuple[Observe, Observe, Observe]:
        labels = (family, str(version), precision)
        waiting = self._waiting.labels(*labels).set
        return self._batch_images.labels(*labels).observe, self._images.labels(*labels).inc, waiting

    @cache  # noqa: B019  as above
    def _of_answer(self, family: str, version: int, precision: Precision) -> tuple[Observe, Observe, Observe, Observe]:
        labels = (family, str(version), precision)
        stages = (self._decode_seconds, self._queue_seconds, self._inference_seconds, self._answer_seconds)
        decode, queue, run, total = (stage.labels(*labels).observe for stage in stages)
        return decode, queue, run, total

    def render(self) -> bytes:
        """The text exposition format; with several workers, of all of them together."""
        self.refresh()
        if MULTIPROCESS_VARIABLE not in os.environ:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return generate_latest(registry)

    def watch_loaded(self, loaded: Callable[[], Iterable[ModelVariant]]) -> None:
        """Report, at each scrape, what is loaded and how long each queue is."""
        self._loaded = loaded

    def refresh(self) -> None:
        """Bring everything up to date; done before a scrape, so that the request path pays little for it.

        Several workers do it every second: any of them may be scraped, and reads the others' figures from files.
        """
        self.settle()
        now = {(served.family, str(served.version), served.precision): served for served in self._loaded()}
        for labels in self._seen - now.keys():
            self._model_info.labels(*labels).set(0)
        for labels, served in now.items():
            self._model_info.labels(*labels).set(1)
            self._waiting.labels(*labels).set(served.queue.pending)
        self._seen |= now.keys()

    def _gauge(
        self, name: str, help_text: str, labels: tuple[str, ...], across: Literal["livemax", "livesum"]
    ) -> Gauge:
        return Gauge(name, help_text, labels, multiprocess_mode=across, registry=self.registry)

    def _stage(self, name: str, help_text: str) -> Histogram:
        return Histogram(f"duet_{name}_seconds", help_text, MODEL, buckets=SECONDS, registry=self.registry)
