"""URL of the job broker: parsing of DUET_REDIS_URL into one form that redis-py and kombu understand in the same way.

Both verify the certificate and the host name of a server at `rediss://`. kombu alone would verify neither and send the
password to any server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import redis.connection

from core.errors import ConfigurationError
from service.settings import Settings

_SCHEMES = ("redis", "rediss", "unix")
# The password may contain reserved characters: it ends at the last @ before the host, or before the socket's path.
_TCP = re.compile(r"(rediss?://)(.*)@([^@/?#]*(?:/[^@]*)?(?:\?[^@]*)?)", re.DOTALL)
_UNIX = re.compile(r"(unix://)([^/].*?)@(/.*)", re.DOTALL)


def normalized(url: str) -> str:
    """The URL with percent-encoded user name and password; existing percent-encoding is kept.

    Raises:
        ConfigurationError: the URL has another scheme or cannot be parsed; the message does not show it.
    """
    found = _TCP.fullmatch(url) or _UNIX.fullmatch(url)
    if found:
        user, separator, password = found[2].partition(":")
        url = f"{found[1]}{_encoded(user)}{separator}{_encoded(password)}@{found[3]}"
    try:
        if urlsplit(url).scheme in _SCHEMES:
            _options(url)
            return url
    except ValueError:
        pass
    raise ConfigurationError(
        "DUET_REDIS_URL must begin with redis://, rediss:// or unix://, such as redis://127.0.0.1:6379/0 or "
        "redis://:PASSWORD@HOST:6379/0; percent-encode an @ in user name, path or query as %40"
    )


def configured_url(settings: Settings) -> str | None:
    """URL of the broker in the settings, with the password of DUET_REDIS_PASSWORD_FILE; None if no broker is set.

    Raises:
        ConfigurationError: the file cannot be read or is empty, or the URL is invalid.
    """
    if settings.redis_url is None:
        return None
    url, file = settings.redis_url.get_secret_value(), settings.redis_password_file
    if file is None:
        return url
    try:
        password = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigurationError(
            f"DUET_REDIS_PASSWORD_FILE cannot be read ({reason}): name a file with the broker's password"
        ) from error
    if not password:
        raise ConfigurationError("DUET_REDIS_PASSWORD_FILE is empty: write the broker's password to it")
    return with_password(url, password)


def with_password(url: str, password: str) -> str:
    """The URL with this password, unless it has one.

    Raises:
        ConfigurationError: as `normalized`.
    """
    url = normalized(url)
    if "password" in _options(url):
        return url
    scheme, _, rest = url.partition("://")
    netloc, slash, tail = rest.partition("/")
    user, _, host = netloc.rpartition("@")
    return f"{scheme}://{user}:{quote(password, safe='')}@{host}{slash}{tail}"


def kombu_url(url: str) -> str:
    """The URL in kombu's form: redis+socket:// for unix sockets, with the database as virtual host, without options.

    Raises:
        ConfigurationError: as `normalized`.
    """
    url = normalized(url)
    parts, database = urlsplit(url), _options(url).get("db")
    if parts.scheme == "unix":
        return f"redis+socket://{parts.netloc}{parts.path}" + (f"?virtual_host={database}" if database else "")
    return f"{parts.scheme}://{parts.netloc}/{database or 0}"


def kombu_tls(url: str) -> Mapping[str, Any] | None:
    """TLS options for kombu, with the names of redis-py; None without TLS.

    These are the ssl_ options of the URL. Certificates are verified unless an option says otherwise.

    Raises:
        ConfigurationError: as `normalized`.
    """
    url = normalized(url)
    if urlsplit(url).scheme != "rediss":
        return None
    options = {name: value for name, value in _options(url).items() if name.startswith("ssl_")}
    return {"ssl_cert_reqs": "required", "ssl_check_hostname": True, **options}


def _options(url: str) -> dict[str, Any]:
    """Options that redis-py reads in the URL, such as `db`, `password` and `ssl_ca_certs`."""
    options: dict[str, Any] = redis.connection.parse_url(url)  # type: ignore[no-untyped-call]
    return options


def _encoded(text: str) -> str:
    return quote(re.sub("%(?![0-9A-Fa-f]{2})", "%25", text), safe="%")
