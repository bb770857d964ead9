"""Prometheus metrics of the service, with one registry per app.

Labels have a bounded number of values: path templates instead of paths, and only models that were loaded.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from core.repository.manifest import Precision
from core.schemas.api import ProviderStatus
from core.schemas.live import LiveFigures
from core.schemas.shadow import ShadowTrial
from service.engine.loaded_model import ModelVariant
from service.engine.queue import Inference, ModelQueue
from service.observability.champion_metrics import ChampionMetrics
from service.observability.home_metrics import HomeMetrics
from service.observability.job_metrics import JobMetrics
from service.observability.live_gauges import LiveGauges
from service.observability.trial_gauges import TrialGauges

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)
MODEL = ("model", "version", "precision")
PROVIDER = (*MODEL, "provider", "state")
Observe = Callable[[float], None]

DEFER_SECONDS = 0.1
MAX_DEFERRED = 320
"""Maximum age in seconds and maximum number of buffered observations."""

MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable with the folder that the workers share; it is also read by prometheus_client."""


class Metrics:
    """Counters, gauges and histograms of one app."""

    def __init__(self, version: str) -> None:
        """`version` is the version of the project."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "duet_http_requests", "Finished requests", ("method", "route", "status"), registry=self.registry
        )
        self._request_seconds = Histogram(
            "duet_http_request_duration_seconds",
            "Time from the head of a request to the end of its response",
            ("method", "route"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._rejected = Counter(
            "duet_requests_rejected",
            "Problem responses by kind, with the model if it is known",
            ("reason", "model", "version"),
            registry=self.registry,
        )
        self._decode_seconds = self._stage("decode", "Time to decode and resize the images of a request")
        self._queue_seconds = self._stage("queue", "Time from queuing to the first batch of a request")
        self._inference_seconds = self._stage(
            "inference", "Time from the start of the first batch of a request to the end of its last"
        )
        self._answer_seconds = self._stage(
            "answer", "Time from the head of a request to its predictions, all stages included"
        )
        self._batch_images = Histogram(
            "duet_batch_images", "Images in one model run", MODEL, buckets=IMAGES, registry=self.registry
        )
        self._images = Counter("duet_images", "Classified images", MODEL, registry=self.registry)
        self._captured = Counter(
            "duet_captured_records",
            "Images chosen for capture by outcome: written; dropped, because too many wait or they exceed the quota; "
            "failed, because of an error of the disk",
            ("outcome",),
            registry=self.registry,
        )
        self._webhooks = Counter(
            "duet_webhook_attempts",
            "Attempts to deliver a webhook by outcome: delivered; failed, and tried again later; given_up, after the "
            "last attempt; dropped, a message without attempt, because too many wait",
            ("outcome",),
            registry=self.registry,
        )
        for outcome in ("delivered", "failed", "given_up", "dropped"):
            self._webhooks.labels(outcome)  # a counter that exists from the start counts its first event too
        self._model_info = self._gauge("duet_model_info", "1 while a version is loaded", MODEL, "livemax")
        self._providers = self._gauge(
            "duet_provider_info",
            "1 for each execution provider measured for a loaded version; state is loaded, standby or refused",
            PROVIDER,
            "livemax",
        )
        self._waiting = self._gauge("duet_queue_images", "Images in the queue of a model", MODEL, "livesum")
        self._live = LiveGauges(self.registry)
        self._trials = TrialGauges(self.registry)
        self.jobs, self.home, self.champions = JobMetrics(), HomeMetrics(), ChampionMetrics()
        self._register_read(self.registry)
        self.in_progress = 0
        """Number of requests that have begun and not finished; the gauge has it as of the last scrape."""
        self._in_progress = self._gauge(
            "duet_http_requests_in_progress",
            "Requests that have begun and not finished, event streams and the scrape itself included",
            (),
            "livesum",
        )
        build = self._gauge("duet_build_info", "The running version of the project", ("version",), "livemax")
        build.labels(version).set(1)
        self._due: list[tuple[Observe, float]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._loaded: Callable[[], Iterable[ModelVariant]] = tuple
        self._seen: set[tuple[str, str, str]] = set()
        self._measured: Callable[[], Mapping[tuple[str, int], tuple[ProviderStatus, ...]]] = dict
        self._seen_providers: set[tuple[str, ...]] = set()

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Record a finished request; `route` is the path template."""
        count, duration = self._of_request(method, route, status)
        self._soon((count, 1.0), (duration, seconds))

    def observe_problem(self, slug: str, model: str = "", version: str = "") -> None:
        """Record a problem response and, if known, the model of the request."""
        self._rejected.labels(slug, model, version).inc()

    def observe_batch(self, queue: ModelQueue, images: int) -> None:
        """Record a batch of `images` images."""
        observe, count, waiting = self._of_batch(queue.family, queue.version, queue.precision)
        observe(images)
        count(images)
        waiting(queue.pending)

    def observe_answer(
        self, served: ModelVariant, decode_seconds: float, inference: Inference, total_seconds: float
    ) -> None:
        """Record the stages of a request that a model served."""
        decode, queue, run, total = self._of_answer(served.family, served.version, served.precision)
        self._soon(
            (decode, decode_seconds),
            (queue, inference.queue_seconds),
            (run, inference.run_seconds),
            (total, total_seconds),
        )

    def count_captured(self, outcome: str, records: int) -> None:
        """Count records of captured traffic; called from any thread."""
        self._captured.labels(outcome).inc(records)

    def count_webhook(self, outcome: str) -> None:
        """Count an attempt to deliver a webhook; called from any thread."""
        self._webhooks.labels(outcome).inc()

    def show_live(self, figures: LiveFigures) -> None:
        """Set the gauges of live traffic; called from any thread."""
        self._live.show(figures)

    def show_trials(self, trials: Iterable[ShadowTrial]) -> None:
        """Set the gauges of shadow trials."""
        self._trials.show(trials)

    def settle(self) -> None:
        """Add the buffered observations to the metrics; runs within DEFER_SECONDS and before each scrape."""
        due, self._due = self._due, []
        for add, value in due:
            add(value)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _soon(self, *observed: tuple[Observe, float]) -> None:
        # Adding many observations at once takes a third of the time of adding each during its request.
        self._due += observed
        if len(self._due) >= MAX_DEFERRED:
            self.settle()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(DEFER_SECONDS, self.settle)

    # Looking up a metric by its labels costs more than adding to it, so the results are cached.

    @cache  # noqa: B019  one entry per label set, with the lifetime of the app
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
        """The metrics in the text exposition format; with several workers, the sum over all of them."""
        self.refresh()
        if MULTIPROCESS_VARIABLE not in os.environ:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        self._register_read(registry)
        return generate_latest(registry)

    def _register_read(self, registry: CollectorRegistry) -> None:
        """Register the metrics that each process reads for itself, instead of adding up those of all processes."""
        for collector in (self.jobs, self.home, self.champions):
            registry.register(collector)

    def watch_loaded(
        self,
        loaded: Callable[[], Iterable[ModelVariant]],
        measured: Callable[[], Mapping[tuple[str, int], tuple[ProviderStatus, ...]]],
    ) -> None:
        """Set the functions that return loaded models and their execution providers; each scrape calls them."""
        self._loaded = loaded
        self._measured = measured

    def refresh(self) -> None:
        """Update all metrics, before a scrape.

        With several workers, each also does this once per second, because the worker that is scraped reads the metrics
        of the others from files.
        """
        self.settle()
        self._in_progress.set(self.in_progress)
        now = {(served.family, str(served.version), served.precision): served for served in self._loaded()}
        for labels in self._seen - now.keys():
            self._model_info.labels(*labels).set(0)
        for labels, served in now.items():
            self._model_info.labels(*labels).set(1)
            self._waiting.labels(*labels).set(served.queue.pending)
        self._seen |= now.keys()
        providers: set[tuple[str, ...]] = {
            (family, str(version), each.precision, each.provider, each.state)
            for (family, version), statuses in self._measured().items()
            for each in statuses
        }
        for combination in self._seen_providers - providers:
            self._providers.labels(*combination).set(0)
        for combination in providers:
            self._providers.labels(*combination).set(1)
        self._seen_providers |= providers

    def _gauge(
        self, name: str, help_text: str, labels: tuple[str, ...], across: Literal["livemax", "livesum"]
    ) -> Gauge:
        return Gauge(name, help_text, labels, multiprocess_mode=across, registry=self.registry)

    def _stage(self, name: str, help_text: str) -> Histogram:
        return Histogram(f"duet_{name}_seconds", help_text, MODEL, buckets=SECONDS, registry=self.registry)
