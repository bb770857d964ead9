"""Gauges of live traffic: images, class mix, confidence, flags, accuracy, evidence and alarms of each version."""

from __future__ import annotations

from typing import get_args

from prometheus_client import CollectorRegistry, Gauge

from core.schemas.live import LiveFigures, LiveModel, LiveTest

MODEL = ("model", "version", "precision")
MAX_CLASSES = 100
"""A model with more classes has no gauge per class, which would be too many time series."""


class LiveGauges:
    """The gauges. All processes of a service set the same values, so that the most recent one is reported."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, labels: tuple[str, ...] = MODEL) -> Gauge:
            return Gauge(name, text, labels, multiprocess_mode="livemostrecent", registry=registry)

        self._images = gauge("duet_live_images", "Recent captured images that a version answered")
        self._confidence = gauge("duet_live_confidence", "Mean confidence of the recent answers")
        self._set_size = gauge("duet_live_set_size", "Mean size of the recent prediction sets")
        self._flags = gauge("duet_live_flag_share", "Share of recent images flagged as out of distribution")
        self._classes = gauge(
            "duet_live_class_share",
            f"Share of a class in the recent answers, for models of at most {MAX_CLASSES} classes",
            (*MODEL, "class"),
        )
        self._disagreement = gauge(
            "duet_live_disagreement_share",
            "Share of recent images to which two versions give different answers",
            ("first", "second"),
        )
        self._labelled = gauge("duet_live_labelled_images", "Labelled images that the accuracy is estimated from")
        self._accuracy = gauge(
            "duet_live_accuracy",
            "Estimated accuracy; bound is value, low or high, the ends of an interval that holds at every look",
            (*MODEL, "bound"),
        )
        self._evidence = gauge(
            "duet_live_evidence",
            "Evidence of a test (class_mix, confidence, energy, coverage) against no change; 1 is none",
            (*MODEL, "test"),
        )
        self._alarms = gauge("duet_live_alarm", "1 if a test has raised an alarm, otherwise 0", (*MODEL, "test"))
        self._seen: set[tuple[str, str, str]] = set()

    def show(self, figures: LiveFigures) -> None:
        """Set all gauges; a version without recent images has 0 of them and keeps its other values."""
        now = {_labels(model): model for model in figures.models}
        for labels in self._seen - now.keys():
            self._images.labels(*labels).set(0)
        for labels, model in now.items():
            self._show_model(labels, model)
        self._seen |= now.keys()
        for pair in figures.disagreements:
            self._disagreement.labels(pair.first, pair.second).set(pair.share)
        raised: set[tuple[str, ...]] = {
            (alarm.model, str(alarm.version), alarm.precision, alarm.test) for alarm in figures.alarms
        }
        for subject in raised | {(*labels, test) for labels in now for test in get_args(LiveTest)}:
            self._alarms.labels(*subject).set(subject in raised)

    def _show_model(self, labels: tuple[str, str, str], model: LiveModel) -> None:
        self._images.labels(*labels).set(model.images)
        self._confidence.labels(*labels).set(model.mean_confidence)
        self._set_size.labels(*labels).set(model.mean_set_size)
        self._flags.labels(*labels).set(model.flag_share)
        self._labelled.labels(*labels).set(model.labelled)
        if len(model.classes) <= MAX_CLASSES:
            for each in model.classes:
                self._classes.labels(*labels, each.label).set(each.share)
        if model.accuracy is not None:
            for bound in ("value", "low", "high"):
                self._accuracy.labels(*labels, bound).set(getattr(model.accuracy, bound))
        evidence: dict[str, float] = {each.test: each.result.evidence for each in model.drift}
        if model.coverage is not None:
            evidence["coverage"] = model.coverage.wealth
        for test, value in evidence.items():
            self._evidence.labels(*labels, test).set(value)


def _labels(model: LiveModel) -> tuple[str, str, str]:
    return model.model, str(model.version), model.precision
