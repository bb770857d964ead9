"""Gauges of shadow trials: images and evidence of the running trial of each model."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Gauge

from core.schemas.shadow import ShadowTrial

_LABELS = ("model", "champion", "challenger")


class TrialGauges:
    """The gauges. All processes of a service set the same values, so that the most recent one is reported."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, (*_LABELS, *labels), multiprocess_mode="livemostrecent", registry=registry)

        self._running = gauge("duet_shadow_running", "1 while a shadow trial is running, 0 after its end")
        self._images = gauge(
            "duet_shadow_images",
            "Images of a shadow trial by outcome: agreement, unlabelled (disagreement without a label), "
            "challenger_right, champion_right, neither, and dropped (no idle time for the challenger)",
            "outcome",
        )
        self._evidence = gauge(
            "duet_shadow_evidence", "E-value that the challenger or the champion is better; 40 is decisive", "better"
        )

    def show(self, trials: Iterable[ShadowTrial]) -> None:
        """Set the gauges of these trials."""
        for trial in trials:
            labels = trial.model, str(trial.champion), str(trial.challenger)
            counts = trial.result.counts
            images = {
                "agreement": counts.agreements,
                "unlabelled": counts.unlabelled,
                "challenger_right": counts.challenger_right,
                "champion_right": counts.champion_right,
                "neither": counts.neither,
                "dropped": trial.dropped,
            }
            self._running.labels(*labels).set(trial.running)
            for outcome, number in images.items():
                self._images.labels(*labels, outcome).set(number)
            self._evidence.labels(*labels, "challenger").set(trial.result.evidence_challenger)
            self._evidence.labels(*labels, "champion").set(trial.result.evidence_champion)
