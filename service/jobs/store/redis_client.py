"""Connections to the broker, and its failures as errors that a user can act on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis.asyncio
from redis import Redis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from core.errors import BrokerUnavailableError, ConfigurationError

CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 10.0
_SCHEMES = ("redis", "rediss", "unix")
# Answers by which a server that is up says that it cannot work now: loading its file, its disk full, a replica.
_REFUSALS = ("LOADING", "MISCONF", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS")


def connect(url: str) -> Redis:
    """A client for `url` (redis://, rediss:// or unix://) that decodes answers to str; connects when first used.

    A command whose connection broke is sent again, up to three times within half a second: every script of jobs may
    be run twice without harm.

    Raises:
        ConfigurationError: the url is not one of a broker.
    """
    return Redis.from_url(_checked(url), retry=Retry(_backoff(), 3), **_options())


def connect_async(url: str) -> redis.asyncio.Redis:
    """As `connect`, for asyncio."""
    return redis.asyncio.Redis.from_url(_checked(url), retry=AsyncRetry(_backoff(), 3), **_options())


def celery_url(url: str) -> str:
    """The same broker in the words of kombu, which calls a unix socket redis+socket:// and its database a host."""
    parts = urlsplit(_checked(url))
    if parts.scheme != "unix":
        return url
    database = parse_qs(parts.query).get("db")
    return f"redis+socket://{parts.netloc}{parts.path}" + (f"?virtual_host={database[-1]}" if database else "")


@contextmanager
def broker_errors() -> Iterator[None]:
    """Turn the client's errors about a broker that cannot be used now into BrokerUnavailableError."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise BrokerUnavailableError(
            f"the broker that keeps the jobs does not answer ({error}): start it again, or check DUET_REDIS_URL; "
            "jobs that it has accepted go on once it is back"
        ) from error
    except (OutOfMemoryError, ReadOnlyError) as error:
        raise _refused(error) from error
    except ResponseError as error:
        if str(error).startswith(_REFUSALS):
            raise _refused(error) from error
        raise


def _refused(error: RedisError) -> BrokerUnavailableError:
    return BrokerUnavailableError(f"the broker that keeps the jobs refuses to work: {error}")


def _checked(url: str) -> str:
    if urlsplit(url).scheme not in _SCHEMES:
        raise ConfigurationError(
            "DUET_REDIS_URL must begin with redis://, rediss:// or unix://, such as redis://127.0.0.1:6379/0"
        )
    return url


def _backoff() -> ExponentialBackoff:
    return ExponentialBackoff(cap=0.25, base=0.05)


def _options() -> dict[str, Any]:
    return {
        "decode_responses": True,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": ANSWER_TIMEOUT_S,
        "health_check_interval": 30,
    }
