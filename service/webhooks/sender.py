"""One attempt to deliver a webhook: a signed POST that must be answered with 2xx within ten seconds."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import httpcore

from core.release import release
from service.webhooks.connection import CheckedBackend, PrivateAddressError, Resolve
from service.webhooks.signature import signature_headers

TIMEOUT_SECONDS = 10.0
"""Time limit of an attempt, without the time to resolve the name."""


class DeliveryError(Exception):
    """An attempt failed; the message has the reason but not the address of the receiver, which may be secret."""


class Sender:
    """Sends messages to one receiver. Redirects are not followed, and the body of a response is not read."""

    def __init__(self, url: str, secrets: Sequence[bytes], *, private: bool, resolve: Resolve | None = None) -> None:
        """Create the sender.

        Args:
            url: address of the receiver.
            secrets: decoded secrets that sign each message.
            private: whether private addresses are allowed.
            resolve: as in `CheckedBackend`.
        """
        self.host = urlsplit(url).netloc
        self._url = url
        self._secrets = secrets
        self._private = private
        self._resolve = resolve

    def send(self, message_id: str, body: bytes) -> None:
        """Deliver one message.

        Raises:
            DeliveryError: there was no response, or it had another status than 2xx.
        """
        headers = [
            ("content-type", "application/json"),
            ("user-agent", f"duet/{release()}"),
            *signature_headers(message_id, int(time.time()), body, self._secrets).items(),
        ]
        backend = CheckedBackend(time.monotonic() + TIMEOUT_SECONDS, private=self._private, resolve=self._resolve)
        try:
            with (
                httpcore.ConnectionPool(network_backend=backend) as pool,
                pool.stream("POST", self._url, headers=headers, content=body) as response,
            ):
                status = response.status
        except PrivateAddressError as error:
            raise DeliveryError(f"{error}: set DUET_WEBHOOK_PRIVATE=1 to allow private addresses") from error
        except (httpcore.TimeoutException, TimeoutError) as error:
            raise DeliveryError(f"no response within {TIMEOUT_SECONDS:.0f} s") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError) as error:
            raise DeliveryError(str(error) or type(error).__name__) from error
        if not 200 <= status < 300:
            note = ": redirects are not followed" if 300 <= status < 400 else ""
            raise DeliveryError(f"the receiver responded {status}{note}")
