"""Delay of responses to wrong API keys, per client address.

A correct key is never delayed, so that nobody can lock out other clients of the same address, such as all clients of a
proxy.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from service.errors import TooManyWrongKeysError
from service.security.addresses import client_network

BURST = 10
"""Number of wrong keys of an address that are answered at once."""
INTERVAL_SECONDS = 1.0
"""Time between the responses to further wrong keys of the address, and to forget one of the burst."""
MAX_DELAY_SECONDS = 5.0
MAX_ADDRESSES = 1024


class WrongKeys:
    """Schedule of the responses to wrong keys; forgets the least recent of more than MAX_ADDRESSES addresses.

    Args:
        now: clock in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._due: OrderedDict[str, float] = OrderedDict()

    def delay(self, address: str) -> float:
        """Count a wrong key of this address, and return the seconds to wait before the response.

        Raises:
            TooManyWrongKeysError: the delay would be longer than MAX_DELAY_SECONDS.
        """
        client, now = client_network(address), self._now()
        due = max(self._due.get(client, 0.0), now - BURST * INTERVAL_SECONDS) + INTERVAL_SECONDS
        if due - now > MAX_DELAY_SECONDS:
            raise TooManyWrongKeysError(due - now - MAX_DELAY_SECONDS)
        self._due[client] = due
        self._due.move_to_end(client)
        if len(self._due) > MAX_ADDRESSES:
            self._due.popitem(last=False)
        return max(0.0, due - now)
