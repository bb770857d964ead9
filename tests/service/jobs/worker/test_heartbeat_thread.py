from datetime import UTC, datetime, timedelta
from pathlib import Path

from service.jobs.worker.heartbeat_thread import TrainingEnvironment
from service.supervisor.training_env import SetupState, clear_setup, write_setup

AT = datetime(2026, 1, 2, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = AT

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


def script(path: Path, status: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\nexit {status}\n", encoding="utf-8")
    path.chmod(0o755)


def test_check_reports_the_reason_and_its_time(tmp_path: Path) -> None:
    python = tmp_path / "environment" / "bin" / "python"
    environment = TrainingEnvironment(python, now=Clock())
    missing = environment.check()
    assert not missing.ready
    assert missing.reason is not None
    assert str(python) in missing.reason
    assert environment.check() == missing  # since is when it began, not now

    began = AT - timedelta(hours=1)
    write_setup(python, SetupState(state="installing", reason="pip is at it", since=began))
    installing = environment.check()
    assert (installing.ready, installing.reason, installing.since) == (False, "pip is at it", began)

    clear_setup(python)
    script(python, status=1)
    lacking = environment.check()
    assert lacking.reason is not None
    assert "torch" in lacking.reason

    script(python, status=0)
    ready = environment.check()
    assert (ready.ready, ready.reason) == (True, None)
    assert ready.since > lacking.since

    script(python, status=1)  # what it holds was looked at once
    assert environment.check() == ready
    python.unlink()
    assert not environment.check().ready
