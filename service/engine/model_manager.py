"""Model manager: keeps the champions of the families in use loaded, plus a few other requested versions.

Of many families, only the most recently used ones stay loaded. The others rest: the first request loads the champion,
and it is unloaded after some time without requests.

A new champion is verified, loaded and warmed up before it replaces the old one; requests in flight finish on the old
one. If a version cannot be loaded, the old champion keeps serving and the reason is remembered.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping

from core.errors import RepositoryError, UnknownVersionError
from core.repository.manifest import Manifest, Precision
from core.repository.repository import ModelRepository
from core.schemas.api import ModelReadiness, ProviderStatus
from service.engine.champion_reader import ChampionReader
from service.engine.champion_state import ChampionState, champion_state
from service.engine.loaded_model import LoadedModel, ModelVariant
from service.engine.memory import return_free_memory
from service.engine.provider_policy import ProviderPolicy
from service.engine.version_loader import Key, VersionLoader
from service.errors import NotReadyError, VersionRefusedError
from service.errors.hidden_paths import hide_repository_paths

log = logging.getLogger("duet.models")
_LOADED_FIRST = ("cnn", "mlp")
"""Families that requests without a model name ask for."""


class ModelManager:
    """The loaded versions of a repository. Used from one event loop; `watch` runs as a background task.

    Attributes:
        champions: the loaded champion of each family.
    """

    def __init__(
        self,
        repository: ModelRepository,
        *,
        max_batch: int,
        kept_champions: int,
        idle_seconds: float,
        extra_versions: int,
        poll_seconds: float,
        retry_refused_seconds: float,
        policy: ProviderPolicy,
    ) -> None:
        """Create the manager without loading anything.

        Args:
            repository: repository of the versions.
            max_batch: largest batch size.
            kept_champions: number of champions that stay loaded even if they are not used.
            idle_seconds: time without requests after which any other champion is unloaded.
            extra_versions: number of requested versions other than champions that stay loaded.
            poll_seconds: interval at which the champions are read.
            retry_refused_seconds: time before a version that could not be loaded is tried again.
            policy: execution providers and preferred precision.
        """
        self._repository = repository
        self._kept_champions = kept_champions
        self._idle_seconds = idle_seconds
        self._extra_versions = extra_versions
        self._poll_seconds = poll_seconds
        self._policy = policy
        self._loader = VersionLoader(repository, policy, max_batch=max_batch, retry_seconds=retry_refused_seconds)
        self._champion_reader = ChampionReader(repository)
        self._champion_numbers: Mapping[str, int] = {}
        self.champions: dict[str, LoadedModel] = {}
        self._used: dict[str, float] = {}
        self._resting: set[str] = set()
        self._extras: OrderedDict[Key, LoadedModel] = OrderedDict()
        self._alias_problem: str | None = None
        self._refreshed_once = False
        self._refreshing = asyncio.Lock()

    async def watch(self) -> None:
        """Poll the champions until cancelled; errors of the repository are logged and do not end the task."""
        while True:
            await self.poll()
            await asyncio.sleep(self._poll_seconds)

    async def poll(self) -> None:
        """Refresh once and log errors."""
        try:
            await self.refresh()
        except Exception:
            log.exception("could not refresh the champions")

    async def refresh(self) -> None:
        """Read the champions once, load those that are not served yet, and unload those that are idle."""
        # Locked: a refresh that read the champions before a promotion must not overwrite a later refresh.
        async with self._refreshing:
            try:
                self._champion_numbers = await self._champion_reader.read()
                self._alias_problem = None
            except RepositoryError as error:
                if self._alias_problem is None:
                    log.error("could not read the champions: %s", error)
                self._alias_problem = hide_repository_paths(str(error), self._repository)
            if self._alias_problem is None:
                await self._drop_removed()
            self._resting &= self._champion_numbers.keys()
            before = dict(self.champions)
            for family in sorted(self._champion_numbers, key=lambda name: name not in _LOADED_FIRST):
                version, served = self._champion_numbers[family], self.champions.get(family)
                if served is None and self.refusal(family, version) is None and self._has_enough(family):
                    self._resting.add(family)
                elif served is None or served.version != version:
                    await self._switch(family, version)
            self._unload_idle()
            self._refreshed_once = True
            if self.champions != before:  # loading needs more memory than serving
                await asyncio.to_thread(return_free_memory)

    def use(self, family: str) -> LoadedModel | None:
        """The loaded champion of a family for a request; None if it rests or is not loaded yet."""
        champion = self.champions.get(family)
        if champion is not None:
            self._used[family] = time.monotonic()
        return champion

    async def find(self, family: str, version: int | None, precision: Precision | None = None) -> ModelVariant:
        """The champion of a family, or the requested version, which is loaded if necessary.

        Args:
            family: model family.
            version: version number; None for the champion.
            precision: None for the preferred precision of the service.

        Raises:
            UnknownFamilyError, UnknownVersionError: no such family or version; the message lists those that exist.
            PrecisionNotPublishedError: the version is not served in the requested precision.
            VersionRefusedError: the files of the version differ from its manifest, or a graph cannot be run.
            NotReadyError: the family's champion is not loaded.
        """
        if family in self._resting and version in (None, self._champion_numbers.get(family)):
            await self._wake(family)
        champion = self.use(family)
        if champion is not None and version in (None, champion.version):
            return await champion.variant(precision)
        existing = await asyncio.to_thread(self._repository.versions, family)
        if version is None:
            raise self._without_champion(family, existing)
        if version not in existing:
            raise UnknownVersionError(family, version, existing)
        key = (family, version)
        if key not in self._extras:
            self._extras[key] = await self._loader.load(*key)
        self._extras.move_to_end(key)
        loaded = self._extras[key]
        while len(self._extras) > self._extra_versions:
            self._extras.popitem(last=False)
        return await loaded.variant(precision)

    def loaded(self) -> list[ModelVariant]:
        """All loaded graphs, those of the champions first."""
        return [served for version in self._versions() for served in version.variants()]

    def providers(self) -> dict[Key, tuple[ProviderStatus, ...]]:
        """The measured execution providers of each loaded version."""
        return {(loaded.manifest.family, loaded.version): loaded.providers() for loaded in self._versions()}

    def champion_states(self) -> list[ChampionState]:
        """State of each champion, by family."""
        return [
            champion_state(family, version, self.champions.get(family), self.refusal(family, version))
            for family, version in sorted(self._champion_numbers.items())
        ]

    def with_providers(self, readiness: ModelReadiness) -> ModelReadiness:
        """`readiness` with the default precision and the execution providers of the served version."""
        loaded = self.champions.get(readiness.model)
        if loaded is None:
            return readiness
        return readiness.model_copy(update={"precision": loaded.default.precision, "providers": loaded.providers()})

    def default_precision(self, manifest: Manifest) -> Precision | None:
        """Precision of requests that do not name one; None if it is decided when the version is loaded."""
        for loaded in self._versions():
            if loaded.manifest.reference == manifest.reference:
                return loaded.default.precision
        return self._policy.precision_before_loading(manifest)

    def readiness(self) -> tuple[ModelReadiness, ...]:
        """The served version of every family, and the reason if it is not the champion.

        Raises:
            NotReadyError: the champions have not been read yet, or none of them could be loaded.
        """
        families = sorted(self._champion_numbers.keys() | self.champions.keys())
        models = tuple(self.readiness_of(family) for family in families)
        if not self._refreshed_once:
            raise NotReadyError("the champions are being loaded", models=_as_json(models))
        if not self.champions:
            reasons = "; ".join(model.reason for model in models if model.reason)
            raise NotReadyError(
                self._alias_problem or reasons or "no model has a champion: publish one with `duet train`",
                models=_as_json(models),
            )
        return models

    def readiness_of(self, family: str) -> ModelReadiness:
        """The served version of a family, and the reason if it is not the champion.

        A resting champion counts as served: the first request loads it.
        """
        served, champion = self.champions.get(family), self._champion_numbers.get(family)
        reason = self._reason(family)
        rests = family in self._resting and reason is None
        return ModelReadiness(
            model=family,
            champion=champion,
            served=champion if rests else served.version if served else None,
            reason=reason,
        )

    def refusal(self, family: str, version: int) -> str | None:
        """The reason why the last attempt to load a version failed, or None."""
        return self._loader.refusal(family, version)

    def close(self) -> None:
        """Finish the version that is being loaded, unless that takes long, and stop the loader."""
        self._loader.close()

    def _versions(self) -> list[LoadedModel]:
        """All loaded versions, the champions first."""
        return [*self.champions.values(), *self._extras.values()]

    async def _drop_removed(self) -> None:
        """Drop the champions of archived families, and deleted versions; requests in flight finish on them."""
        for family in self.champions.keys() - self._champion_numbers.keys():
            dropped = self.champions.pop(family)
            log.info("no longer serving %s: its family has no champion", dropped.manifest.reference)
        for family in {family for family, _ in self._extras}:
            existing = await asyncio.to_thread(self._repository.numbers, family)
            for key in [key for key in self._extras if key[0] == family and key[1] not in existing]:
                del self._extras[key]
                log.info("unloaded %s@%d, which was deleted", *key)

    async def _switch(self, family: str, version: int) -> None:
        try:
            served = self._extras.pop((family, version), None) or await self._loader.load(family, version)
        except VersionRefusedError:
            return  # recorded by the loader; the old champion keeps serving
        before = self.champions.get(family)
        self.champions[family] = served
        self._used.setdefault(family, time.monotonic())
        self._resting.discard(family)
        log.info("serving %s", served.manifest.reference, extra={"before": before and before.manifest.reference})

    def _has_enough(self, family: str) -> bool:
        """True if so many champions are loaded that this one waits for its first request."""
        return family in self._resting or len(self.champions) >= self._kept_champions

    async def _wake(self, family: str) -> None:
        """Load the champion of a resting family; if that fails, `refusal` has the reason."""
        async with self._refreshing:
            if family in self._resting:
                self._used[family] = time.monotonic()
                await self._switch(family, self._champion_numbers[family])

    def _unload_idle(self) -> None:
        """Unload the champions without requests for some time, except the most recently used."""
        oldest_first = sorted(self.champions.keys() & self._champion_numbers.keys(), key=self._used.__getitem__)
        beyond = oldest_first[: max(0, len(oldest_first) - self._kept_champions)]
        idle = [family for family in beyond if time.monotonic() - self._used[family] >= self._idle_seconds]
        for family in idle:
            log.info("unloaded %s, which was idle", self.champions.pop(family).manifest.reference)
        self._resting.update(idle)

    def _without_champion(self, family: str, existing: list[int]) -> NotReadyError | UnknownVersionError:
        if self._refreshed_once and family not in self._champion_numbers and self._alias_problem is None:
            return UnknownVersionError(family, None, existing)
        return NotReadyError(self._reason(family) or f"{family} is not loaded yet")

    def _reason(self, family: str) -> str | None:
        if self._alias_problem is not None:
            return self._alias_problem
        champion, served = self._champion_numbers.get(family), self.champions.get(family)
        if champion is None:
            return f"{family} has no champion"
        if served is not None and served.version == champion:
            return None
        if family in self._resting:
            return self.refusal(family, champion)
        return self.refusal(family, champion) or f"{family}@{champion} is being loaded"


def _as_json(models: tuple[ModelReadiness, ...]) -> list[dict[str, object]]:
    return [model.model_dump(mode="json") for model in models]
