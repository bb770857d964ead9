"""How the service runs: environment variables with the prefix DUET_, each with a default that just works."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.cores import available_cores
from core.errors import ConfigurationError, explain
from core.files.home import duet_home, shipped_models
from core.gate.thresholds import GateThresholds
from core.images.decode import MAX_PIXELS
from core.jobs.parameters import JobKind
from core.repository.manifest import Precision
from service.security.keys import parse_keys

MIB = 1024 * 1024


class Settings(BaseSettings):
    """Frozen once read. A secret is declared as SecretStr, so that no print or log of the settings shows it."""

    model_config = SettingsConfigDict(
        env_prefix="DUET_",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 takes requests from other machines."""

    port: int = Field(8000, ge=0, le=65535)
    """Port to listen on; 0 takes any free one, which the line printed at start names."""

    home: Path = Field(default_factory=duet_home)
    """Folder of all writable state, versions published here among it."""

    shipped_models: Path = Field(default_factory=shipped_models)
    """Read-only folder of the versions that come with the project."""

    data_dir: Path | None = None
    """Folder that holds CIFAR-10's cifar-10-batches-py, some of whose test images the playground then offers; what was
    downloaded into the home is found without."""

    api_keys: SecretStr | None = None
    """Keys of those who may change anything, as `jobs:KEY,admin:KEY2`; without, one that may do all is made and kept in
    the home."""

    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Names, separated by commas, under which changes are taken besides addresses, localhost and the machine's name."""

    max_body_bytes: int = Field(16 * MIB, ge=1024)
    """Largest request body; a larger one is refused before it is read whole."""

    max_files: int = Field(64, ge=1)
    """Most images in one request."""

    max_pixels: int = Field(MAX_PIXELS, ge=1)
    """Most pixels of one image, judged by its header before pixels are decoded."""

    workers: int = Field(1, ge=1, le=256)
    """API processes behind the one port; each loads the models and has a queue of its own."""

    threads: int | None = Field(None, ge=1, le=1024)
    """Model runs at a time in each worker, one thread each; by default its share of the cores that may be used. With
    1, models run on the event loop itself, which is fastest on one core."""

    precision: Precision = "fp32"
    """Which graph answers when a request does not ask for one: fp32, or int8 where a version has it."""

    max_batch: int = Field(32, ge=1, le=4096)
    """Most images in one model run."""

    queue_size: int = Field(96, ge=1)
    """Most images that wait for one model version; when full, requests are refused with 429."""

    max_upload_bytes: int = Field(1024 * MIB, ge=1024)
    """Largest body of a request that brings images for training; it goes to disk as it comes."""

    max_dataset_images: int = Field(50_000, ge=1)
    """Most images in one data set, and most files in one upload."""

    max_dataset_bytes: int = Field(4096 * MIB, ge=1024)
    """Most bytes of one data set on disk, and most that one archive may unpack to."""

    max_uploads: int = Field(2, ge=1)
    """Uploads of images for training that are taken at a time in each worker; further ones are refused with 429."""

    upload_seconds: float = Field(3600.0, gt=0)
    """Time for the body of such an upload to arrive; past it the answer is 408."""

    max_explanations: int = Field(8, ge=1)
    """Most explanations that are made at a time; further ones are refused with 429."""

    deadline_seconds: float = Field(10.0, ge=0)
    """Time for one request, its upload included; past it the answer is 504, or 408 where the body is still coming."""

    redis_url: SecretStr | None = None
    """Broker that keeps the jobs, shared by all processes and machines of one service, such as
    redis://:password@host:6379/0; without it `duet serve` starts a broker of its own and a worker."""

    embedded_broker: bool = True
    """Whether `duet serve` starts a broker where `redis_url` names none; with neither there are no jobs."""

    embedded_worker: bool = True
    """Whether a worker is started beside the broker that `duet serve` starts."""

    worker_stop_seconds: float = Field(20.0, gt=0)
    """How long the worker beside `duet serve` may take to stop its jobs and give them back; then it is killed."""

    training_python: Path | None = None
    """Interpreter of the environment that jobs run in, where that is not this one; it need not be there yet."""

    worker_queues: Annotated[tuple[JobKind, ...], NoDecode] = ("train", "evaluate")
    """Kinds of jobs that a worker takes, separated by commas."""

    worker_jobs: int = Field(1, ge=1, le=64)
    """Jobs at a time in each worker, each a process of its own."""

    job_threads: int | None = Field(None, ge=1, le=1024)
    """Processor threads of each job; by default a worker's jobs share all cores but one, which is left to serving."""

    job_nice: int = Field(10, ge=0, le=19)
    """How much nicer to others than the worker itself a job's process is, so that serving goes first."""

    job_idle: bool = False
    """Whether a job's process also leaves its core at once to whatever else has something to do (SCHED_IDLE), on Linux.
    Where other programs keep all cores busy it then hardly gets on, not even with ending."""

    job_seconds: float = Field(24 * 3600.0, gt=0)
    """Longest time that one attempt at a job may take; then it is stopped and failed, its last checkpoint kept."""

    job_free_mib: int = Field(1024, ge=0)
    """Free disk space under `home`, in MiB, without which no job is begun: checkpoints and a version must fit."""

    job_lease_seconds: float = Field(30.0, ge=1)
    """How long after its last sign of life a worker's jobs are resumed by another."""

    training_setup: str | None = None
    """Command that makes the environment of `training_python`, run once beside the service at its start."""

    job_events_kept: int = Field(10_000, ge=100)
    """About how many events of each job are kept; the oldest go first. Of progress within an epoch, the last alone."""

    idempotency_hours: float = Field(24.0, gt=0)
    """How long an Idempotency-Key is remembered once its job is made."""

    job_retention_days: float = Field(30.0, gt=0)
    """How long the record, the events and the log of a job are kept after its end, and the checkpoint of one that
    failed or was cancelled, from which it can be tried again. Versions that jobs published are not touched."""

    checkpoint_retention_days: float = Field(7.0, ge=0)
    """How long the checkpoint of a job that succeeded is kept after its end."""

    keep_unpromoted_versions: int | None = Field(None, ge=1)
    """How many versions of each family that were never champion are kept; older ones are deleted for good, a day
    after they were made at the earliest. Not set, no version is ever deleted."""

    poll_seconds: float = Field(0.5, gt=0)
    """How often the champions are looked up; a promotion is served this much later, plus the time to load it."""

    retry_refused_seconds: float = Field(30.0, gt=0)
    """How long a version that was refused stays refused before its files are read again."""

    extra_versions: int = Field(4, ge=0)
    """How many versions other than champions stay loaded once asked for; the least recently used one goes first."""

    drain_notice_seconds: float = Field(0.5, ge=0)
    """After SIGTERM, how long new requests are still taken while /readyz already answers 503; behind a load balancer,
    longer than its health check interval."""

    drain_seconds: float = Field(30.0, gt=0)
    """After that, how long accepted requests may take to finish before they are cut off."""

    gate: Annotated[GateThresholds, NoDecode] = GateThresholds()
    """What a version must show on the holdout to replace a champion, as JSON such as {"significance": 0.01}."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe log lines to write; access lines are info, those of probes and scrapes debug."""

    log_format: Literal["json", "text"] = "json"
    """One JSON object per line, or plain text for a terminal."""

    @property
    def model_threads(self) -> int:
        """Model runs at a time in each worker."""
        return self.threads or max(1, available_cores() // self.workers)

    @field_validator("home", "shipped_models", "training_python", "data_dir")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return path and path.expanduser().absolute()

    @field_validator("api_keys")
    @classmethod
    def _are_keys(cls, keys: SecretStr | None) -> SecretStr | None:
        if keys is not None:
            parse_keys(keys.get_secret_value())
        return keys

    @property
    def threads_per_job(self) -> int:
        """Processor threads of each job."""
        return self.job_threads or max(1, (available_cores() - 1) // self.worker_jobs)

    @field_validator("allowed_hosts", "worker_queues", mode="before")
    @classmethod
    def _split(cls, names: Any) -> Any:
        return tuple(name.strip() for name in names.split(",") if name.strip()) if isinstance(names, str) else names

    @field_validator("gate", mode="before")
    @classmethod
    def _from_json(cls, thresholds: Any) -> Any:
        try:
            return GateThresholds.model_validate_json(thresholds) if isinstance(thresholds, str) else thresholds
        except ValidationError as error:
            raise ValueError(explain(error)) from None

    @model_validator(mode="after")
    def _queue_holds_a_request(self) -> Self:
        if self.queue_size < self.max_files:
            raise ValueError(
                f"queue_size ({self.queue_size}) must be at least max_files ({self.max_files}), "
                "or the largest request could never be taken"
            )
        return self


def read_settings(**given: Any) -> Settings:
    """The settings of the environment, with those given on the command line in their place.

    Raises:
        ConfigurationError: they do not validate; the message names the variables, and shows no value.
    """
    try:
        return Settings(**given)
    except ValidationError as error:
        problems = [
            f"{'_'.join(['DUET', *map(str, problem['loc'])]).upper()}: {problem['msg']}" for problem in error.errors()
        ]
        raise ConfigurationError("; ".join(problems)) from None
