"""Compares versions for the API, beside the event loop: resolve -> compare on one thread -> answer in time."""

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
    """Used from one event loop. One comparison is made after the other, so that many at once take one core at most."""

    def __init__(self, repository: ModelRepository, layers: Sequence[Path]) -> None:
        """`layers` are the folders of records, in the order in which they count: see `core.records.paths`."""
        self._repository = repository
        self._comparer = VersionComparer(repository, layers)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="comparison")

    async def compare(self, catalog: ModelCatalog, first: ModelRef, second: ModelRef, *, deadline: float) -> bytes:
        """Both versions' test scores, their difference and what it amounts to: a `MetricsComparison` as JSON.

        Args:
            catalog: of the repository, with this request's errors.
            first: whose figures come first in every pair.
            second: the other one.
            deadline: on the clock of `time.perf_counter`.

        Raises:
            UnknownModelError, UnknownModelVersionError: there is no such version.
            VersionRefusedError: its manifest or its stored evaluation is not as published.
            NoEvaluationError: it has none.
            DifferentDataError: the two were evaluated on different images.
            DeadlineExceededError: other comparisons took too long.
        """

        def compared() -> bytes:
            return self._compare(catalog.resolve(first), catalog.resolve(second)).model_dump_json().encode()

        try:
            async with asyncio.timeout(max(0.0, deadline - time.perf_counter())):
                return await asyncio.get_running_loop().run_in_executor(self._thread, compared)
        except TimeoutError:
            raise DeadlineExceededError("there was no time for this comparison before the deadline") from None

    def close(self) -> None:
        """Let what is being compared finish, and compare nothing more."""
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
