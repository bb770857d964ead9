"""Alarms of live traffic: raised once per test and version, stored in DUET_HOME/traffic/alarms.jsonl and logged."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from core.files.durable import append_line
from core.schemas.live import LiveAlarm, LiveModel, LiveTest
from core.sequential.coverage import CoverageWatch
from core.sequential.drift import RateDrift
from service.live.drift import FALSE_ALARM_RATE as DRIFT_RATE
from service.live.labelled import FALSE_ALARM_RATE as COVERAGE_RATE
from service.traffic.record import traffic_folder

log = logging.getLogger("duet.live")
_CHANGES: dict[LiveTest, str] = {
    "class_mix": "the mix of predicted classes",
    "confidence": "the confidence",
    "energy": "the energy",
    "coverage": "the coverage",
}


class AlarmLog:
    """The stored alarms. The caller holds a lock that keeps other processes away."""

    def __init__(self, home: Path) -> None:
        """Read the alarms of earlier runs.

        Raises:
            OSError: the file cannot be read.
        """
        self._path = traffic_folder(home) / "alarms.jsonl"
        self.alarms = _read(self._path)

    def raise_new(self, models: Iterable[LiveModel]) -> list[LiveAlarm]:
        """Store and log the alarms that were not raised before, and return them.

        Raises:
            OSError: an alarm cannot be stored; it is raised by a later call.
        """
        raised = []
        known = {alarm.subject for alarm in self.alarms}
        for alarm in (each for model in models for each in _alarms_of(model)):
            if alarm.subject in known:
                continue
            append_line(self._path, alarm.model_dump_json(exclude_none=True).encode())
            self.alarms.append(alarm)
            raised.append(alarm)
            log.warning(
                "alarm: %s",
                alarm.message,
                extra={"test": alarm.test, "model": alarm.model, "version": alarm.version},
            )
        return raised


def _read(path: Path) -> list[LiveAlarm]:
    alarms = []
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            alarms.append(LiveAlarm.model_validate_json(line))
        except ValidationError:  # cut off by a kill
            continue
    return alarms


def _alarms_of(model: LiveModel) -> Iterable[LiveAlarm]:
    for each in model.drift:
        if each.result.alarm_at is not None:
            yield _alarm(model, each.test, _drift_sentence(each.result), DRIFT_RATE, drift=each.result)
    if model.coverage is not None and model.coverage.alarm_at is not None:
        yield _alarm(model, "coverage", _coverage_sentence(model.coverage), COVERAGE_RATE, coverage=model.coverage)


def _alarm(
    model: LiveModel,
    test: LiveTest,
    sentence: str,
    rate: float,
    *,
    drift: RateDrift | None = None,
    coverage: CoverageWatch | None = None,
) -> LiveAlarm:
    return LiveAlarm(
        test=test,
        model=model.model,
        version=model.version,
        precision=model.precision,
        time=datetime.now(UTC),
        message=f"{_CHANGES[test]} of {model.model}@{model.version} ({model.precision}) has changed: {sentence}",
        false_alarm_rate=rate,
        drift=drift,
        coverage=coverage,
    )


def _drift_sentence(found: RateDrift) -> str:
    rate = max(found.rates, key=lambda each: each.evidence)
    return (
        f"'{rate.name}' is {rate.live:.1%} of {found.images:,} images, "
        f"and between {rate.low:.1%} and {rate.high:.1%} by the holdout"
    )


def _coverage_sentence(found: CoverageWatch) -> str:
    return (
        f"{found.misses:,} of the prediction sets of {found.labels:,} labelled images lack the true class; "
        f"the nominal share is {found.nominal_miss_rate:.1%}"
    )
