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
from core.errors import CorruptVersionError, DifferentImagesError, NotEvaluatedError
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from service.errors import DeadlineExceededError, DifferentDataError, NoEvaluationError, VersionRefusedError
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
            UnknownModelError, UnknownModelVersionError: no such version.
            VersionRefusedError: the manifest or the stored evaluation of a version is damaged.
            NoEvaluationError: a version has no stored evaluation.
            DifferentDataError: the versions were evaluated on different images.
            DeadlineExceededError: the deadline passed before the comparison was ready.
        """

        def compare() -> bytes:
            return self._compare(catalog.resolve(first), catalog.resolve(second)).model_dump_json().encode()

        try:
            async with asyncio.timeout(max(0.0, deadline - time.perf_counter())):
                return await asyncio.get_running_loop().run_in_executor(self._thread, compare)
        except TimeoutError:
            raise DeadlineExceededError("the comparison was not ready before the deadline of the request") from None

    def close(self) -> None:
        """Finish the running comparison and stop the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _compare(self, first: Manifest, second: Manifest) -> MetricsComparison:
        one, other = (self._read(manifest) for manifest in (first, second))
        try:
            return self._comparer.compare(one, other)
        except NotEvaluatedError as error:
            raise NoEvaluationError(str(error)) from error
        except DifferentImagesError as error:
            raise _different(error, first, second) from error

    def _read(self, manifest: Manifest) -> EvaluatedVersion:
        try:
            return read_evaluated(self._repository, manifest)
        except CorruptVersionError as error:
            raise VersionRefusedError(manifest.family, manifest.version, str(error)) from error
        except NotEvaluatedError as error:
            raise NoEvaluationError(str(error)) from error


def _different(
    error: DifferentImagesError, first: Manifest, second: Manifest
) -> DifferentDataError | NoEvaluationError:
    one, other = error.digests
    if one != other:
        return DifferentDataError({first.reference: one, second.reference: other})
    return NoEvaluationError(
        f"the stored predictions of {first.reference} and {second.reference} are not of the same images; publish both "
        "again with `duet export`"
    )
