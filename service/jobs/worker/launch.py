"""Launch of a job's process, with its environment variables and no secrets.

Batch predictions run in the environment of the worker, as `python -m service.jobs.batch job`, the other jobs in the
training environment, as `python -m training job`.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from core.files.durable import atomic_replace
from core.files.home import LOG_NAME, PARAMETERS_NAME, ensure_home, named_run
from core.jobs.records import JobRecord
from core.jobs.spans import TRACEPARENT
from service.jobs.worker.child_process import Child
from service.settings import Settings

_SECRETS = ("DUET_REDIS_URL", "DUET_REDIS_PASSWORD_FILE", "DUET_API_KEYS")
"""Variables withheld from the child, which reaches the broker only through its worker."""


def training_python(settings: Settings) -> Path:
    """Python interpreter of jobs other than batch predictions."""
    return settings.training_python or Path(sys.executable)


def launch(settings: Settings, record: JobRecord, worker: str, traceparent: str | None) -> Child:
    """Start the process of a claimed job, after a heading in the job's log.

    `traceparent` is the W3C trace context that the process continues.

    Raises:
        ConfigurationError: DUET_HOME cannot be created.
        OSError: the interpreter does not exist, or the run folder is not writable.
    """
    home = ensure_home(settings.home)
    run_folder = named_run(home, record.id)
    run_folder.mkdir(parents=True, exist_ok=True)
    parameters = run_folder / PARAMETERS_NAME
    atomic_replace(parameters, record.typed_parameters().model_dump_json().encode())
    log = run_folder / LOG_NAME
    with log.open("a", encoding="utf-8") as stream:
        stream.write(_heading(record, worker, traceparent))
    command = _command(settings, record, parameters)
    return Child(command, _environment(settings, record, traceparent), log, nice=settings.job_nice)


def _command(settings: Settings, record: JobRecord, parameters: Path) -> list[str]:
    if record.kind == "batch":
        command = [sys.executable, "-m", "service.jobs.batch", "job"]
    else:
        command = [str(training_python(settings)), "-m", "training", "job"]
    command += ["--id", record.id, "--kind", record.kind]
    return [*command, "--parameters", str(parameters), "--threads", str(settings.threads_per_job)]


def _environment(settings: Settings, record: JobRecord, traceparent: str | None) -> dict[str, str]:
    withheld = {*_SECRETS, TRACEPARENT}
    environment = {name: value for name, value in os.environ.items() if name not in withheld}
    environment |= {
        "DUET_HOME": str(settings.home),
        "DUET_SHIPPED_MODELS": str(settings.shipped_models),
        "DUET_MAX_PIXELS": str(settings.max_pixels),
        "OMP_NUM_THREADS": str(settings.threads_per_job),
        "PYTHONIOENCODING": "utf-8:backslashreplace",
        "PYTHONUNBUFFERED": "1",
        "REQUEST_ID": record.request_id,
    }
    return environment if traceparent is None else environment | {TRACEPARENT: traceparent}


def _heading(record: JobRecord, worker: str, traceparent: str | None) -> str:
    trace = "" if traceparent is None else f", trace {traceparent}"
    return (
        f"=== {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, attempt {record.attempt} (token {record.token}) by {worker}, "
        f"request {record.request_id}{trace}\n"
    )
