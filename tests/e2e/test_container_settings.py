"""The container's files keep up with the service's settings; read as text, no engine needed."""

from __future__ import annotations

import re
from pathlib import Path

from service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "docker" / "service.Dockerfile").read_text(encoding="utf-8")

SETTINGS = {f"DUET_{name.upper()}" for name in Settings.model_fields}
SET_BY_IMAGE = set(re.findall(r"^ +(DUET_\w+)=", DOCKERFILE, re.MULTILINE))
# Their sum has to stay below stop_grace_period, which is fixed as well.
DRAIN = {"DUET_DRAIN_NOTICE_SECONDS", "DUET_DRAIN_SECONDS", "DUET_WORKER_STOP_SECONDS"}
# The containers are what these stand in for on one machine.
EMBEDDED = {"DUET_EMBEDDED_BROKER", "DUET_EMBEDDED_WORKER", "DUET_TRAINING_PYTHON", "DUET_TRAINING_SETUP"}


def test_the_image_fixes_where_things_are_in_it() -> None:
    assert {"DUET_HOME", "DUET_SHIPPED_MODELS", "DUET_HOST", "DUET_PORT"} == SET_BY_IMAGE
    assert SET_BY_IMAGE <= SETTINGS


def test_compose_passes_every_other_setting_on() -> None:
    passed_on = set(re.findall(r"^ +- (DUET_\w+)$", COMPOSE, re.MULTILINE))
    assert passed_on == SETTINGS - SET_BY_IMAGE - DRAIN - EMBEDDED


def test_the_engine_waits_longer_than_the_service_drains() -> None:
    grace = re.search(r"stop_grace_period: (\d+)s$", COMPOSE, re.MULTILINE)
    assert grace is not None
    fields = Settings.model_fields
    assert int(grace[1]) > fields["drain_notice_seconds"].default + fields["drain_seconds"].default
