"""Which versions are loaded: every champion, as the alias file names them, and a few others that were asked for.

A new champion is verified, loaded and warmed before it takes over; requests in flight finish on the old one, which
they still hold. A version that is refused leaves everything as it was and is remembered with its reason.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from core.errors import RepositoryError
from core.repository.manifest import Precision
from core.repository.repository import ModelRepository
from core.schemas.api import ModelReadiness
from service.engine.loaded_model import LoadedModel, ModelVariant
from service.engine.loader import load_model
from service.engine.versions import existing_versions
from service.errors import NotReadyError, UnknownModelVersionError, VersionRefusedError

log = logging.getLogger("duet.models")
Key = tuple[str, int]


@dataclass(frozen=True)
class _Refusal:
    reason: str
    until: float


class ModelManager:
    """The loaded versions of a repository; used from one event loop, `watch` runs beside the requests."""

    def __init__(
        self,
        repository: ModelRepository,
        *,
        max_batch: int,
        extra_versions: int,
        poll_seconds: float,
        retry_refused_seconds: float,
        preferred: Precision,
    ) -> None:
        self._repository = repository
        self._max_batch = max_batch
        self._extra_versions = extra_versions
        self._poll_seconds = poll_seconds
        self._retry_refused_seconds = retry_refused_seconds
        self._preferred = preferred
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="loader")
        self._wanted: Mapping[str, int] = {}
        self._champions: dict[str, LoadedModel] = {}
        self._extras: OrderedDict[Key, LoadedModel] = OrderedDict()
        self._loading: dict[Key, asyncio.Task[LoadedModel]] = {}
        self._refused: dict[Key, _Refusal] = {}
        self._alias_problem: str | None = None
        self._looked_once = False
        self._refreshing = asyncio.Lock()

    async def watch(self) -> None:
        """Serve whatever the aliases name, for ever; nothing that a repository holds can end this."""
        while True:
            await self.poll()
            await asyncio.sleep(self._poll_seconds)

    async def poll(self) -> None:
        """Refresh; what goes wrong is logged, and may go better the next time."""
        try:
            await self.refresh()
        except Exception:
            log.exception("could not follow the champions")

    async def refresh(self) -> None:
        """Look the champions up once, and load those that are not served yet, one family after the other."""
        # One at a time, or one that looked before a promotion could take back what a later one has put in place.
        async with self._refreshing:
            await self._refresh()

    async def _refresh(self) -> None:
        try:
            self._wanted = await asyncio.to_thread(self._repository.champions)
            self._alias_problem = None
        except RepositoryError as error:
            if self._alias_problem is None:
                log.error("champions unknown: %s", error)
            self._alias_problem = str(error)
        for family, version in self._wanted.items():
            served = self._champions.get(family)
            if served is None or served.version != version:
                await self._switch(family, version)
        self._looked_once = True

    def champion(self, family: str, precision: Precision | None = None) -> ModelVariant | None:
        """The champion that answers for a family, without waiting for anything; None where none is loaded.

        Raises:
            PrecisionNotPublishedError: it was published without the precision asked for.
        """
        loaded = self._champions.get(family)
        return None if loaded is None else loaded.variant(precision, self._preferred)

    async def find(self, family: str, version: int | None, precision: Precision | None = None) -> ModelVariant:
        """The champion of a family, or the version asked for, loaded now if need be.

        Args:
            family: the model's name.
            version: None for the champion.
            precision: None for the one the service prefers.

        Raises:
            UnknownModelError, UnknownModelVersionError: there is no such thing; both list what there is.
            PrecisionNotPublishedError: the version was published without that precision.
            VersionRefusedError: the version's files are not what its manifest says.
            NotReadyError: the family's champion is not loaded.
        """
        champion = self._champions.get(family)
        if champion is not None and version in (None, champion.version):
            return champion.variant(precision, self._preferred)
        existing = await asyncio.to_thread(existing_versions, self._repository, family)
        if version is None:
            raise self._without_champion(family, existing)
        if version not in existing:
            raise UnknownModelVersionError(family, version, existing)
        key = (family, version)
        if key not in self._extras:
            self._extras[key] = await self._load(key)
        self._extras.move_to_end(key)
        loaded = self._extras[key]
        while len(self._extras) > self._extra_versions:
            self._extras.popitem(last=False)
        return loaded.variant(precision, self._preferred)

    def loaded(self) -> list[ModelVariant]:
        """Every graph that is loaded now, champions' first."""
        versions = [*self._champions.values(), *self._extras.values()]
        return [served for version in versions for served in version.precisions.values()]

    def readiness(self) -> tuple[ModelReadiness, ...]:
        """What every family serves, and why that is not its champion where it is not.

        Raises:
            NotReadyError: champions are still being looked up, or none of them could be loaded.
        """
        families = sorted(self._wanted.keys() | self._champions.keys())
        models = tuple(self.readiness_of(family) for family in families)
        if not self._looked_once:
            raise NotReadyError("the champions are being loaded", models=_as_json(models))
        if not self._champions:
            reasons = "; ".join(model.reason for model in models if model.reason)
            raise NotReadyError(
                self._alias_problem or reasons or "no model has a champion: publish one with `duet train`",
                models=_as_json(models),
            )
        return models

    def readiness_of(self, family: str) -> ModelReadiness:
        """What a family serves, and why that is not its champion where it is not."""
        served = self._champions.get(family)
        return ModelReadiness(
            model=family,
            champion=self._wanted.get(family),
            served=served.version if served else None,
            reason=self._reason(family),
        )

    def refusal(self, family: str, version: int) -> str | None:
        """Why a version was refused when it was last looked at, or None."""
        refused = self._refused.get((family, version))
        return refused.reason if refused else None

    def close(self) -> None:
        """Let the version that is being loaded finish, and load no more."""
        self._loader.shutdown(wait=True, cancel_futures=True)

    async def _switch(self, family: str, version: int) -> None:
        try:
            served = self._extras.pop((family, version), None) or await self._load((family, version))
        except VersionRefusedError:
            return  # noted by _load; what was served goes on being served
        before = self._champions.get(family)
        self._champions[family] = served
        log.info("serving %s", served.manifest.reference, extra={"before": before and before.manifest.reference})

    async def _load(self, key: Key) -> LoadedModel:
        """Load a version once, however many ask for it at a time."""
        refused = self._refused.get(key)
        if refused and time.monotonic() < refused.until:
            raise VersionRefusedError(*key, refused.reason)
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.create_task(self._open(key))
            task.add_done_callback(partial(self._loaded_or_not, key))
        return await asyncio.shield(task)

    async def _open(self, key: Key) -> LoadedModel:
        family, version = key
        opening = partial(load_model, self._repository, family, version, max_batch=self._max_batch, loader=self._loader)
        try:
            loaded = await asyncio.get_running_loop().run_in_executor(self._loader, opening)
        except RepositoryError as error:
            raise self._refuse(key, str(error)) from error
        except Exception as error:
            log.exception("could not load %s@%d", family, version)
            raise self._refuse(key, f"{family}@{version} could not be loaded: {type(error).__name__}") from error
        self._refused.pop(key, None)
        return loaded

    def _refuse(self, key: Key, reason: str) -> VersionRefusedError:
        if self.refusal(*key) != reason:
            log.error("refused %s", reason)
        self._refused[key] = _Refusal(reason, time.monotonic() + self._retry_refused_seconds)
        return VersionRefusedError(*key, reason)

    def _loaded_or_not(self, key: Key, task: asyncio.Task[LoadedModel]) -> None:
        del self._loading[key]
        if not task.cancelled():
            task.exception()  # known to have been seen, even where everyone who asked has gone

    def _without_champion(self, family: str, existing: list[int]) -> NotReadyError | UnknownModelVersionError:
        if self._looked_once and family not in self._wanted and self._alias_problem is None:
            return UnknownModelVersionError(family, None, existing)
        return NotReadyError(self._reason(family) or f"{family} is not loaded yet")

    def _reason(self, family: str) -> str | None:
        if self._alias_problem is not None:
            return self._alias_problem
        wanted, served = self._wanted.get(family), self._champions.get(family)
        if wanted is None:
            return f"{family} has no champion any more"
        if served is not None and served.version == wanted:
            return None
        return self.refusal(family, wanted) or f"{family}@{wanted} is being loaded"


def _as_json(models: tuple[ModelReadiness, ...]) -> list[dict[str, object]]:
    return [model.model_dump(mode="json") for model in models]
