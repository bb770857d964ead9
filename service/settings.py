"""Settings of the service, read from environment variables with the prefix DUET_; every setting has a default."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.cpu import available_cores
from core.errors import ConfigurationError, did_you_mean, explain
from core.files.home import duet_home, shipped_models
from core.gate.report import GateThresholds
from core.images.limits import MAX_PIXELS
from core.jobs.parameters import JobKind
from core.repository.graph_records import ProviderName, check_provider_names
from core.repository.manifest import Precision
from core.schemas.keys import KeyLimits
from core.strict_model import StrictModel
from core.text_pattern import TextPattern
from service.security.keys import parse_keys
from service.security.oidc_provider import OidcProvider
from service.security.webhook_settings import check_receivers, check_signing_secret

MIB = 1024 * 1024
Origin = Annotated[str, TextPattern(r"^(\*|https?://[^/\s,@]+)$", "not an origin: use https://host[:port] or *")]
MAX_FILES = 64
"""Maximum number of images per request."""
DRAIN_SECONDS = 30
"""Time limit for accepted requests to finish during shutdown; then they are cancelled."""


class Settings(BaseSettings):
    """Immutable settings. Secrets are SecretStr, so that printing or logging the settings does not show them."""

    model_config = SettingsConfigDict(
        env_prefix="DUET_",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 accepts requests from other machines."""

    port: int = Field(8000, ge=0, le=65535)
    """Port to listen on; 0 selects a free port, which is printed at start."""

    home: Path = Field(default_factory=duet_home)
    """Folder of all writable state, including the versions published on this machine; `duet home` prints it."""

    shipped_models: Path = Field(default_factory=shipped_models)
    """Read-only folder of the versions that ship with the project."""

    data_dir: Path | None = None
    """Folder that contains cifar-10-batches-py; the playground offers some of its test images. Data downloaded into
    `home` is found without this setting."""

    api_keys: SecretStr | None = None
    """API keys with their scopes, as `jobs:KEY,admin:KEY2`, beside those of `duet keys add`. If unset, a key with all
    scopes is generated and stored in `home`."""

    anonymous_predictions: bool = True
    """Switch for predictions and explanations without a key; without it, they need a key with scope predict."""

    oidc: Annotated[OidcProvider | None, NoDecode] = None
    """OpenID provider whose access tokens are accepted as keys, as JSON {"issuer": URL, "audience": TEXT}."""

    caller_limits: Annotated[KeyLimits, NoDecode] = KeyLimits()
    """Limits of callers without limits of their own, as JSON such as {"requests_per_second": 20}; default: none."""

    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Host names, separated by commas, under which clients reach the service. IP addresses, localhost, `host` and the
    name of the machine are always accepted; requests for other names are rejected with 403."""

    cors_origins: Annotated[tuple[Origin, ...], NoDecode] = ()
    """Origins, separated by commas, whose pages may call the API, such as https://pages.example.org; * allows all. They
    need a key for changing requests."""

    root_path: Annotated[
        str, TextPattern(r"^((/[A-Za-z0-9._~-]+)+)?$", "use a path without a slash at its end, such as /duet")
    ] = ""
    """Path below which a proxy publishes the service, such as /duet; pages, links and the OpenAPI document begin with
    it. The proxy may remove it from requests or not."""

    max_body_bytes: int = Field(16 * MIB, ge=1024)
    """Maximum size of a request body; larger requests are rejected before the whole body is read."""

    max_pixels: int = Field(MAX_PIXELS, ge=1)
    """Maximum number of pixels per image, checked in the header before the pixels are decoded."""

    workers: int = Field(1, ge=1, le=256)
    """Number of API processes behind the port; each loads the models and has its own queues."""

    threads: int | None = Field(None, ge=1, le=1024)
    """Number of model threads per worker; default: the available cores divided by the number of workers. With 1, models
    run on the event loop, which is fastest on one core."""

    providers: Annotated[tuple[ProviderName | Literal["auto"], ...], NoDecode] = ("auto",)
    """Execution providers that run the models, separated by commas, the preferred one first: cpu, openvino, cuda. With
    auto, the fastest installed one. The predictions of each must agree with those of cpu, which is used if no other
    provider passes this check."""

    precision: Literal["auto", Precision] = "auto"
    """Precision of requests that do not name one: fp32, bf16, int8, or auto, the faster of fp32 and bf16. fp32 is used
    if no execution provider has bf16 or the version has no int8 graph."""

    max_batch: int = Field(32, ge=1, le=4096)
    """Maximum number of images per model run."""

    queue_size: int = Field(96, ge=1)
    """Maximum number of images in the queue of a model; when it is full, requests are rejected with 429."""

    max_dataset_images: int = Field(50_000, ge=1)
    """Maximum number of images per data set and of files per upload."""

    max_datasets_bytes: int = Field(16 * 1024 * MIB, ge=1024)
    """Maximum size of all data sets together on disk."""

    max_results_bytes: int = Field(4 * 1024 * MIB, ge=1024)
    """Maximum size of the tables of all batch predictions together on disk."""

    deadline_seconds: float = Field(10.0, ge=0)
    """Time limit of a request, including its body; after it the response is 504, or 408 if the body is incomplete."""

    keep_alive_seconds: int = Field(75, ge=1, le=3600)
    """Time for which an idle connection stays open; longer than that of load balancers (commonly 60 s), which otherwise
    send requests on connections that the service is closing."""

    redis_url: SecretStr | None = None
    """URL of the Redis broker for jobs, shared by all processes of a service, such as redis://:password@host:6379/0. If
    unset, `duet serve` starts a broker and a worker."""

    redis_password_file: Path | None = None
    """File with the password of the broker, used if `redis_url` has none."""

    embedded_broker: bool = True
    """Switch for the embedded broker: `duet serve` starts one if `redis_url` is unset. Jobs need a broker."""

    embedded_worker: bool = True
    """Switch for the embedded worker, which `duet serve` starts with its broker."""

    training_python: Path | None = None
    """Python interpreter for jobs; default: the interpreter of the worker. It may be installed later."""

    worker_queues: Annotated[tuple[JobKind, ...], NoDecode] = ("train", "evaluate", "batch", "download")
    """Kinds of jobs that a worker runs, separated by commas."""

    worker_jobs: int = Field(1, ge=1, le=64)
    """Number of concurrent jobs per worker, each in its own process."""

    job_threads: int | None = Field(None, ge=1, le=1024)
    """Number of CPU threads per job; default: all cores but one, divided by the number of concurrent jobs."""

    job_nice: int = Field(10, ge=0, le=19)
    """Niceness of job processes relative to the worker, so that serving has priority."""

    job_free_mib: int = Field(1024, ge=0)
    """Free disk space in MiB that `home` must have before a job starts, for checkpoints and a version. Uploads of
    training images leave it free."""

    job_lease_seconds: float = Field(30.0, ge=1)
    """Time after the last heartbeat of a worker when another worker resumes its jobs."""

    training_setup: str | None = None
    """Command that creates the environment of `training_python`; run once when the service starts."""

    job_retention_days: float = Field(30.0, gt=0)
    """Time for which the record, events and log of a finished job are kept, and the checkpoint of a failed or cancelled
    job, which allows a retry. Published versions are not affected."""

    keep_unpromoted_versions: int | None = Field(None, ge=1)
    """Number of versions per family to keep that were never champion; older ones are deleted permanently, at the
    earliest one day after their creation. If unset, no version is deleted."""

    capture_share: float = Field(0.0, ge=0, le=1)
    """Share of answered requests that are stored with their images and answers, chosen at random; 0 stores none."""

    capture_mib: int = Field(1024, ge=1)
    """Maximum size of the stored requests in MiB; the oldest are removed first."""

    capture_days: float = Field(30.0, gt=0)
    """Maximum age of stored requests in days."""

    capture_uploads: bool = False
    """Switch for storing the uploaded files too; without it, only the images in the size of the model are stored."""

    webhook_private: bool = False
    """Switch for webhooks to private addresses, such as those of other containers."""

    webhook_urls: Annotated[SecretStr | None, AfterValidator(check_receivers)] = None
    """Addresses, up to 8 separated by commas, that receive a POST when a job ends, an alarm of live traffic is raised
    or a champion changes."""

    webhook_secret: Annotated[SecretStr | None, AfterValidator(check_signing_secret)] = Field(
        None, validate_default=True
    )
    """Secret that signs webhooks by the Standard Webhooks scheme, such as whsec_ and 32 bytes in base64. During a
    rotation, the new and the old one, separated by a comma."""

    poll_seconds: float = Field(0.5, gt=0)
    """Interval at which the champions are read; it delays the switch to a promoted version."""

    drain_notice_seconds: float = Field(0.5, ge=0)
    """Time after SIGTERM during which new requests are still accepted while /readyz responds 503; behind a load
    balancer, longer than its health check interval. Accepted requests then have 30 s to finish."""

    gate: Annotated[GateThresholds, NoDecode] = GateThresholds()
    """Thresholds of the promotion gate, as JSON such as {"significance": 0.01}."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe log level to write; access lines are info, those of probes and scrapes debug."""

    log_format: Literal["auto", "json", "text"] = "auto"
    """Format of log lines: JSON objects or text; auto is text with colors on a terminal and JSON otherwise."""

    @property
    def max_files(self) -> int:
        """Maximum number of images per request; a request larger than the queue could never be admitted."""
        return min(MAX_FILES, self.queue_size)

    @property
    def model_threads(self) -> int:
        """Number of model threads per worker."""
        return self.threads or max(1, available_cores() // self.workers)

    @property
    def folders(self) -> dict[str, Path | None]:
        """Paths of the server by the setting that defines them; responses show the name instead of the path."""
        return {
            "DUET_HOME": self.home,
            "DUET_SHIPPED_MODELS": self.shipped_models,
            "DUET_DATA_DIR": self.data_dir,
            "DUET_TRAINING_PYTHON": self.training_python,
        }

    @field_validator("home", "shipped_models", "training_python", "data_dir", "redis_password_file")
    @classmethod
    def _make_absolute(cls, path: Path | None) -> Path | None:
        return path and path.expanduser().absolute()

    @field_validator("api_keys")
    @classmethod
    def _check_keys(cls, keys: SecretStr | None) -> SecretStr | None:
        if keys is not None:
            parse_keys(keys.get_secret_value())
        return keys

    @property
    def threads_per_job(self) -> int:
        """Number of CPU threads per job."""
        return self.job_threads or max(1, (available_cores() - 1) // self.worker_jobs)

    @field_validator("allowed_hosts", "cors_origins", "worker_queues", mode="before")
    @classmethod
    def _split_names(cls, names: Any) -> Any:
        return tuple(name.strip() for name in names.split(",") if name.strip()) if isinstance(names, str) else names

    @field_validator("providers", mode="before")
    @classmethod
    def _check_providers(cls, providers: Any) -> Any:
        return check_provider_names(cls._split_names(providers))

    @field_validator("gate", "caller_limits", "oidc", mode="before")
    @classmethod
    def _parse_json(cls, value: Any, info: ValidationInfo) -> Any:
        models: dict[str | None, type[StrictModel]] = {"gate": GateThresholds, "oidc": OidcProvider}
        model = models.get(info.field_name, KeyLimits)
        try:
            return model.model_validate_json(value) if isinstance(value, str) else value
        except ValidationError as error:
            raise ValueError(explain(error)) from None


def read_settings(**overrides: Any) -> Settings:
    """Read the settings from the environment; `overrides` come from the command line.

    Raises:
        ConfigurationError: a setting is invalid; the message names the variable but does not show its value.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        problems = [
            f"DUET_{str(problem['loc'][0]).upper()}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        ]
        raise ConfigurationError("; ".join(problems)) from None


def mistyped_variables() -> list[str]:
    """Messages about environment variables that are probably mistyped settings, such as DUET_PROT."""
    variables = [f"DUET_{name.upper()}" for name in Settings.model_fields]
    unknown = [name for name in sorted(os.environ) if name.startswith("DUET_") and name not in variables]
    suggestions = [(name, did_you_mean(name, variables, least_similarity=0.85)) for name in unknown]
    return [f"{name} is not a setting and is ignored{suggestion}" for name, suggestion in suggestions if suggestion]
