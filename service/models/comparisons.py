"""Version comparisons for the API, computed on a thread with a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from core.comparison.compare import VersionComparer
from core.comparison.evaluated import EvaluatedVersion, read_evaluated
from core.comparison.schemas import MetricsComparison
from core.errors import CorruptVersionError
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from service.errors import DeadlineExceededError, VersionRefusedError
from service.models.catalog import ModelCatalog, ModelRef


class Comparisons:
    """Comparison service, used from one event loop. One thread makes all comparisons, which limits them to one core."""

    def __init__(self, repository: ModelRepository, layers: Sequence[Path]) -> None:
        """`layers` are the record folders in order of precedence, see `core.records.lookup`."""
        self._repository = repository
        self._comparer = VersionComparer(repository, layers)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="comparison")

    async def compare(self, catalog: ModelCatalog, first: ModelRef, second: ModelRef, *, deadline: float) -> bytes:
        """Compare the test scores of two versions; returns a `MetricsComparison` as JSON.

        Args:
            catalog: catalog of the repository.
            first: first version of every pair in the result.
            second: second version.
            deadline: on the clock of `time.perf_counter`.

        Raises:
            UnknownFamilyError, UnknownVersionError: no such version.
            VersionRefusedError: the manifest or the stored evaluation of a version is damaged.
            NotEvaluatedError: a version has no stored evaluation, or predictions of other images than the other one.
            DifferentImagesError: the versions have different classes, or were evaluated on different images.
            DeadlineExceededError: the deadline passed before the comparison was ready.
        """

        def compare() -> bytes:
            return self._compare(catalog.resolve(first), catalog.resolve(second)).model_dump_json().encode()

        try:
            async with asyncio.timeout(max(0.0, deadline - time.perf_counter())):
                return await asyncio.get_running_loop().run_in_executor(self._thread, compare)
        except TimeoutError:
            raise DeadlineExceededError(
                "the comparison was not ready before the deadline of the request: try again later"
            ) from None

    def close(self) -> None:
        """Finish the running comparison and stop the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _compare(self, first: Manifest, second: Manifest) -> MetricsComparison:
        one, other = (self._read(manifest) for manifest in (first, second))
        return self._comparer.compare(one, other)

    def _read(self, manifest: Manifest) -> EvaluatedVersion:
        try:
            return read_evaluated(self._repository, manifest)
        except CorruptVersionError as error:
            raise VersionRefusedError(manifest.family, manifest.version, str(error)) from error
