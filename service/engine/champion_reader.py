"""Reading of the champions with a time limit, for file systems that may not respond."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from core.errors import RepositoryError
from core.repository.repository import ModelRepository

READ_SECONDS = 5.0
"""Time limit for reading the champions; after it, other work continues with the champions read before."""


class ChampionReader:
    """Reads the champions of a repository on a thread. Used from one event loop."""

    def __init__(self, repository: ModelRepository) -> None:
        self._repository = repository
        self._reading: asyncio.Task[dict[str, int]] | None = None

    async def read(self) -> Mapping[str, int]:
        """Return the champions in the repository. After a timeout, the next call waits for the same read.

        Raises:
            RepositoryError: the champions cannot be read, or the file system does not respond.
        """
        reading = self._reading or asyncio.create_task(asyncio.to_thread(self._repository.champions))
        self._reading = reading
        await asyncio.wait([reading], timeout=READ_SECONDS)
        if not reading.done():
            raise RepositoryError(f"the champions were not read within {READ_SECONDS:g} s: check the file system")
        self._reading = None
        return reading.result()
