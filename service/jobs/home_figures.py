"""Figures of the home for metrics: free disk space, stored bytes and the audit trail of champions."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from core.repository.alias_files import ALIASES_NAME, TRAIL_NAME, Promotion
from core.repository.champions import history
from core.repository.repository import ModelRepository
from service.datasets.usage import DatasetUsage
from service.jobs.batch.results import stored_bytes
from service.observability.home_metrics import HomeFigures
from service.settings import MIB, Settings
from service.traffic.retention import used_bytes
from service.traffic.segments import segments_folder


class HomeFiguresReader:
    """Reads the figures of one home. Used from one thread."""

    def __init__(self, settings: Settings, repository: ModelRepository) -> None:
        self._settings = settings
        self._repository = repository
        self._datasets = DatasetUsage(settings.home)
        self._trail: tuple[object, Sequence[Promotion]] = (None, ())

    def read(self) -> HomeFigures:
        """Measure the home.

        Raises:
            OSError: a folder cannot be read.
            RepositoryError: the audit trail is damaged.
        """
        settings, home = self._settings, self._settings.home
        disk = shutil.disk_usage(home)
        datasets, bytes_of_datasets = self._datasets.measure()
        return HomeFigures(
            free=disk.free,
            size=disk.total,
            reserved=settings.job_free_mib * MIB,
            stored={
                "datasets": bytes_of_datasets,
                "results": stored_bytes(home),
                "traffic": used_bytes(segments_folder(home)),
            },
            quotas={
                "datasets": settings.max_datasets_bytes,
                "results": settings.max_results_bytes,
                "traffic": settings.capture_mib * MIB,
            },
            datasets=datasets,
            trail=self._read_trail(),
        )

    def _read_trail(self) -> Sequence[Promotion]:
        """The trail; read again only if one of its files has changed, because entries contain reports of the gate."""
        folder, stamps = self._repository.home_models, []
        for name in (ALIASES_NAME, TRAIL_NAME):
            try:
                found = (folder / name).stat()
                stamps.append((found.st_ino, found.st_mtime_ns, found.st_size))
            except FileNotFoundError:
                stamps.append((0, 0, 0))
        if self._trail[0] != stamps:
            self._trail = (stamps, history(self._repository))
        return self._trail[1]
