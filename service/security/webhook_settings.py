"""Settings of webhooks: addresses of the receivers and the secrets that sign the messages."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationInfo

from service.security.public_addresses import is_public

MAX_RECEIVERS = 8
MAX_URL_LENGTH = 2000
SECRET_BYTES = (24, 64)
_PREFIX = "whsec_"


def check_receivers(urls: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
    """Return the addresses of webhooks if they are valid and there will be a broker, which stores the deliveries.

    Raises:
        ValueError: they are not; the message gives the number of an address but not its content.
    """
    if urls is None:
        return None
    parse_receivers(urls.get_secret_value(), private=bool(info.data.get("webhook_private")))
    if info.data.get("redis_url") is None and not info.data.get("embedded_broker", True):
        raise ValueError("webhooks need the job broker: set DUET_REDIS_URL, or leave DUET_EMBEDDED_BROKER on")
    return urls


def check_signing_secret(secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
    """Return the secret of webhooks if it is valid, or not needed.

    Raises:
        ValueError: it is neither; the message does not show it.
    """
    if secret is not None:
        parse_signing_secrets(secret.get_secret_value())
    elif info.data.get("webhook_urls") is not None:
        raise ValueError(f"DUET_WEBHOOK_URLS needs a secret: make one with {_ADVICE}")
    return secret


def parse_receivers(text: str, *, private: bool) -> tuple[str, ...]:
    """Parse addresses of webhooks, separated by commas; percent-encode a comma within an address as %2C.

    Raises:
        ValueError: there is none, or too many, or one is not an address that may be called.
    """
    urls = tuple(url.strip() for url in text.split(",") if url.strip())
    if not urls or len(urls) > MAX_RECEIVERS or len(set(urls)) < len(urls):
        raise ValueError(f"name 1 to {MAX_RECEIVERS} different addresses, separated by commas")
    for number, url in enumerate(urls, start=1):
        if problem := _problem(url, private=private):
            raise ValueError(f"address {number} {problem}")
    return urls


def parse_signing_secrets(text: str) -> tuple[bytes, ...]:
    """Parse one secret of the Standard Webhooks scheme, or several that are separated by commas.

    Raises:
        ValueError: one is invalid; the message does not show it.
    """
    return tuple(_parse_secret(part.strip(), number) for number, part in enumerate(text.split(","), start=1))


_ADVICE = "`echo whsec_$(openssl rand -base64 32)`"


def _parse_secret(text: str, number: int) -> bytes:
    least, most = SECRET_BYTES
    try:
        secret = b64decode(text.removeprefix(_PREFIX), validate=True)
    except (Base64Error, ValueError):
        secret = b""
    if not text.startswith(_PREFIX) or not least <= len(secret) <= most:
        raise ValueError(
            f"secret {number} is not {_PREFIX} and {least} to {most} bytes in base64: make one with {_ADVICE}"
        )
    return secret


def _problem(url: str, *, private: bool) -> str | None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "is not a URL: write https://host/path"
    if len(url) > MAX_URL_LENGTH or not (url.isascii() and url.isprintable()) or " " in url:
        return f"is longer than {MAX_URL_LENGTH} characters or has other characters than visible ASCII"
    if parts.scheme not in ("http", "https") or not host or port == 0:
        return "is not a web address: write https://host/path"
    if parts.username is not None or parts.fragment:
        return "has a user name or a fragment: webhooks are authenticated by their signature"
    try:
        is_private = not is_public(host)
    except ValueError:  # a name, which is resolved and checked when a webhook is delivered
        return None
    if is_private and not private:
        return "is private: set DUET_WEBHOOK_PRIVATE=1 to allow private addresses"
    return None
