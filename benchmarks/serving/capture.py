"""Cost of capture, and of capture with a shadow trial: throughput and latency of Duet, over those without either."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.common.http import requests_for
from benchmarks.common.report import BenchmarkError, Goal
from benchmarks.common.server import READY_REQUEST
from benchmarks.common.wrk import Load, warm_up, wrk_load
from benchmarks.serving.servers import Setup, predict_path, start_served
from core.repository.manifest import MANIFEST_NAME, Manifest
from core.repository.repository import MODELS_NAME, ModelRepository
from core.trials.records import MAX_LABELS, TrialPlan
from core.trials.start import start_trial
from core.trials.store import TrialStore
from service.shadow.counts import Compared, read_counts
from service.traffic.reader import TrafficReader

SHARE, TRIAL_SHARE = 0.1, 0.2
THROUGHPUT, P99 = "capture at 10 %: requests/s over without", "capture at 10 %: p99 over without"
TRIAL_THROUGHPUT = "capture at 10 %, shadow trial at 20 %: requests/s over without"
TRIAL_P99 = "capture at 10 %, shadow trial at 20 %: p99 over without"
GOALS = (
    Goal(THROUGHPUT, ">=", 0.95),
    Goal(P99, "<=", 1.05),
    Goal(TRIAL_THROUGHPUT, ">=", 0.95),
    Goal(TRIAL_P99, "<=", 1.05),
)
_CLIENTS = 32
_BEGIN_SECONDS = 120.0
_SETTINGS = {"DUET_CAPTURE_SHARE": str(SHARE)}


def capture_figures(setup: Setup, seconds: float, number: int) -> dict[str, float]:
    """Ratios with 10 % of the requests captured.

    Raises:
        BenchmarkError: nothing was captured.
    """
    home = setup.folder / f"capture-{number}"
    home.mkdir()
    with_capture, without = _loads(setup, seconds, _SETTINGS, home)
    if not TrafficReader(home).read_new(limit=1):
        raise BenchmarkError("the service captured nothing")
    return dict(zip((THROUGHPUT, P99), ratios(with_capture, without), strict=True))


def shadow_figures(setup: Setup, seconds: float, number: int) -> dict[str, float]:
    """Ratios with 10 % of the requests captured, and 20 % answered by a challenger too.

    Raises:
        BenchmarkError: the challenger compared nothing.
    """
    manifest, home = setup.model.manifest, setup.folder / f"shadow-{number}"
    home.mkdir()
    repository, store = ModelRepository(home / MODELS_NAME, setup.model.models), TrialStore(home)
    challenger = _write_challenger(repository, manifest)
    plan = TrialPlan(version=challenger, share=TRIAL_SHARE, label_budget=MAX_LABELS)
    trial = start_trial(repository, store, manifest.family, plan, by="benchmark")
    until = time.monotonic() + _BEGIN_SECONDS

    def has_begun() -> bool:
        if time.monotonic() > until:
            raise BenchmarkError("the challenger compares nothing")
        return read_counts(store.folder_of(trial)) != Compared()

    with_trial, without = _loads(setup, seconds, _SETTINGS, home, has_begun)
    return dict(zip((TRIAL_THROUGHPUT, TRIAL_P99), ratios(with_trial, without), strict=True))


def _write_challenger(repository: ModelRepository, champion: Manifest) -> int:
    """Copy another version of the family, or else the champion, to the home layer, with the champion's input."""
    existing = repository.versions(champion.family)
    source = next((version for version in reversed(existing) if version != champion.version), champion.version)
    number = max(existing) + 1
    folder = repository.home_models / champion.family / str(number)
    shutil.copytree(repository.folder(champion.family, source), folder)
    manifest = repository.manifest(champion.family, source)
    copied = manifest.model_copy(update={"version": number, "input": champion.input})
    (folder / MANIFEST_NAME).write_text(copied.to_json(), encoding="utf-8")
    return number


def _loads(
    setup: Setup,
    seconds: float,
    settings: Mapping[str, str],
    home: Path,
    is_begun: Callable[[], bool] | None = None,
) -> tuple[list[Load], list[Load]]:
    """Load a service with these settings and this home, and one without, in turn: off, on, on, off.

    A drift of the machine cancels. Both run on the server core, and only one has requests at a time. The first load
    begins when `is_begun` is true.
    """
    requests = requests_for("multipart", predict_path("duet", setup.model.manifest.family), setup.images.pngs)
    loads: dict[bool, list[Load]] = {False: [], True: []}
    with (
        start_served(setup, setup.cores.server) as without,
        start_served(setup, setup.cores.server, settings=settings, home=home) as observed,
    ):
        servers = {False: without, True: observed}
        for server in servers.values():
            server.wait_for_answer(READY_REQUEST)  # a champion that is still being loaded would disturb the load
            warm_up(server.port, requests, clients=_CLIENTS)
        while is_begun is not None and not is_begun():  # the challenger is still being loaded
            warm_up(observed.port, requests, clients=_CLIENTS)
        for is_observed in (False, True, True, False):
            loads[is_observed].append(wrk_load(servers[is_observed].port, requests, clients=_CLIENTS, seconds=seconds))
            servers[is_observed].require_alive()
    return loads[True], loads[False]


def ratios(observed: list[Load], without: list[Load]) -> tuple[float, float]:
    """Ratio of the mean throughput and of the mean p99."""
    return (
        sum(load.per_second for load in observed) / sum(load.per_second for load in without),
        sum(load.p99_ms for load in observed) / sum(load.p99_ms for load in without),
    )
