"""Keys of a running service: those of the settings or the generated one, and the stored ones, read when they change."""

from __future__ import annotations

import logging
from asyncio import sleep, to_thread
from itertools import chain
from pathlib import Path

from pydantic import SecretStr

from core.errors import ConfigurationError
from service.security.key_file import SESSION_SECRET_FILE, generated_key
from service.security.key_store import KEYS_NAME, api_keys, read_key_file
from service.security.keys import ApiKey, Keyring, parse_keys, with_all_scopes

log = logging.getLogger("duet.keys")

Version = tuple[int, int, int] | None


class KeySource:
    """Keyring of one process.

    Attributes:
        keyring: all keys, replaced as a whole.
    """

    def __init__(self, configured: SecretStr | None, home: Path) -> None:
        """Read all keys; without DUET_API_KEYS, a key is generated in `home` unless it has one.

        Raises:
            ConfigurationError: the generated key cannot be stored, or the stored keys are not valid.
        """
        self._home = home
        self._fixed = read_fixed_keys(configured, home).keys
        self._version = self._current_version()
        self._problem = ""
        self.keyring = Keyring((*self._fixed, *self._stored()))

    def refresh(self) -> None:
        """Read the stored keys if their file has changed; blocks.

        If they cannot be read, the last keys stay until the next call, which tries again: a key that was revoked must
        not stay valid because of one failed read. The same problem is logged once.
        """
        version = self._current_version()
        if version == self._version:
            return
        try:
            stored = self._stored()
        except ConfigurationError as error:
            if str(error) != self._problem:
                log.error("the keys of this process stay as they were: %s", error)
            self._problem = str(error)
            return
        self._version, self._problem = version, ""
        self.keyring = Keyring((*self._fixed, *stored))
        log.info("read %d stored keys", len({key.id for key in stored}))

    async def watch(self, poll_seconds: float) -> None:
        """Refresh in a thread every `poll_seconds` until cancelled; the file system may hang."""
        while True:
            await sleep(poll_seconds)
            await to_thread(self.refresh)

    def _stored(self) -> list[ApiKey]:
        stored = read_key_file(self._home).keys
        if not stored:
            return []
        session_secret = generated_key(self._home, SESSION_SECRET_FILE)
        return list(chain.from_iterable(api_keys(key, session_secret) for key in stored))

    def _current_version(self) -> Version:
        """Changes with every replacement of the file; None if it does not exist or cannot be read."""
        try:
            found = (self._home / KEYS_NAME).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size


def read_fixed_keys(configured: SecretStr | None, home: Path) -> Keyring:
    """The keys of DUET_API_KEYS; without them, the key that is stored in DUET_HOME, generated if there is none.

    Raises:
        ConfigurationError: the key cannot be stored.
    """
    return parse_keys(configured.get_secret_value()) if configured else with_all_scopes(generated_key(home))
