"""Service with paced trainings, for browser tests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.browser import ADMIN_KEY, served_site
from tests.support.job_children import Pace, PacedTrainings
from tests.support.service import ServiceProcess, write_home

PATIENCE_S = 60.0


@dataclass(frozen=True)
class TrainingSite:
    """The service and its trainings."""

    service: ServiceProcess
    trainings: PacedTrainings
    home: Path

    @property
    def url(self) -> str:
        """Its address."""
        return self.service.url

    def start(self, **parameters: Any) -> tuple[str, Pace]:
        """Start a paced training; return its id and its pace."""
        pace = self.trainings.next()
        body = {"recipe": "cnn_fast", "seed": pace.seed, "promote": "never"} | parameters
        return submitted(self.url, body), pace

    def wait(self, job_id: str, *states: str) -> dict[str, Any]:
        """Wait until the job is in one of these states and return the record."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            record: dict[str, Any] = httpx.get(f"{self.url}/jobs/{job_id}", timeout=30).json()
            if record["state"] in states:
                return record
            assert time.monotonic() < deadline, record
            time.sleep(0.02)


def submitted(url: str, body: dict[str, Any]) -> str:
    """Start a training as soon as a worker is ready, and return its id."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        answer = httpx.post(f"{url}/train", json=body, headers={"x-api-key": ADMIN_KEY}, timeout=30)
        if answer.status_code == 202:
            job_id: str = answer.json()["id"]
            return job_id
        assert answer.status_code == 503, answer.text
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.05)


@contextmanager
def training_site(folder: Path, *, port: int = 0, **environment: str) -> Iterator[TrainingSite]:
    """Run a service with its broker and worker, whose champions are a tiny cnn@1 and mlp@1.

    A second site in the same `folder` continues with the home of the first.
    """
    trainings = PacedTrainings(folder / "environment")
    home = folder / "home"
    if not home.exists():
        home.mkdir()
        write_home(home)
    given = {"DUET_SHIPPED_MODELS": str(home / "none"), **trainings.environment, **environment}
    with served_site(home, port=port, **given) as service:
        yield TrainingSite(service, trainings, home)
