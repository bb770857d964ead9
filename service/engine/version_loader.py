"""Loading of versions, one at a time; a version that cannot be loaded is refused for a while, with the reason."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from functools import partial

from core.errors import RepositoryError
from core.repository.repository import ModelRepository
from service.engine.loaded_model import LoadedModel, load_model
from service.engine.loader_thread import LoaderThread
from service.engine.provider_policy import ProviderPolicy
from service.errors import VersionRefusedError
from service.errors.hidden_paths import hide_repository_paths

log = logging.getLogger("duet.models")
Key = tuple[str, int]
"""Family and version number."""
LOAD_SECONDS = 120.0
"""Time without progress after which loading a version is given up: its file system may not respond."""


@dataclass(frozen=True)
class _Refusal:
    reason: str
    until: float


class VersionLoader:
    """Loads versions of a repository. Used from one event loop."""

    def __init__(
        self, repository: ModelRepository, policy: ProviderPolicy, *, max_batch: int, retry_seconds: float
    ) -> None:
        """Create the loader with its thread.

        Args:
            repository: repository of the versions.
            policy: execution providers and preferred precision.
            max_batch: largest batch size.
            retry_seconds: time before a version that could not be loaded is tried again.
        """
        self._repository = repository
        self._policy = policy
        self._max_batch = max_batch
        self._retry_seconds = retry_seconds
        self._thread = LoaderThread(LOAD_SECONDS)
        self._loading: dict[Key, asyncio.Task[LoadedModel]] = {}
        self._refused: dict[Key, _Refusal] = {}

    def refusal(self, family: str, version: int) -> str | None:
        """The reason why the last attempt to load a version failed, or None."""
        refused = self._refused.get((family, version))
        return refused.reason if refused else None

    def close(self) -> None:
        """Finish the version that is being loaded, unless that takes long, and stop the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def load(self, family: str, version: int) -> LoadedModel:
        """Load a version; concurrent callers share one load.

        Raises:
            VersionRefusedError: the version cannot be loaded, now or at an attempt shortly before.
        """
        key = (family, version)
        refused = self._refused.get(key)
        if refused and time.monotonic() < refused.until:
            raise VersionRefusedError(*key, refused.reason)
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.create_task(self._open(key))
            task.add_done_callback(partial(self._forget_task, key))
        return await asyncio.shield(task)

    async def _open(self, key: Key) -> LoadedModel:
        family, version = key
        opening = partial(
            load_model,
            self._repository,
            family,
            version,
            max_batch=self._max_batch,
            loader=self._thread,
            policy=self._policy,
        )
        try:
            loaded = await asyncio.get_running_loop().run_in_executor(self._thread, opening)
        except RepositoryError as error:
            raise self._refuse(key, str(error)) from error
        except TimeoutError as error:
            raise self._refuse(
                key, f"{family}@{version} could not be loaded: {error}, its files do not respond"
            ) from error
        except Exception as error:
            log.exception("could not load %s@%d", family, version)
            raise self._refuse(key, f"{family}@{version} could not be loaded: {type(error).__name__}") from error
        self._refused.pop(key, None)
        return loaded

    def _refuse(self, key: Key, reason: str) -> VersionRefusedError:
        public = str(hide_repository_paths(reason, self._repository))
        if self.refusal(*key) != public:
            log.error("refused %s", reason)
        self._refused[key] = _Refusal(public, time.monotonic() + self._retry_seconds)
        return VersionRefusedError(*key, public)

    def _forget_task(self, key: Key, task: asyncio.Task[LoadedModel]) -> None:
        del self._loading[key]
        if not task.cancelled():
            task.exception()  # marks it as retrieved, even if every waiter has been cancelled
