"""Redis clients of the broker, and translation of their errors into BrokerUnavailableError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis.asyncio
from redis import Redis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import (
    AskError,
    ClusterCrossSlotError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from core.errors import BrokerUnavailableError
from service.broker.url import normalized

CONNECT_TIMEOUT_S = 2.0
RESPONSE_TIMEOUT_S = 10.0
# Error prefixes of a running server that rejects commands: it loads its file, its disk is full, or it is a replica.
_CLUSTER = ("CROSSSLOT", "MOVED", "ASK ")
_REFUSALS = ("LOADING", "MISCONF", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS")


def connect(url: str) -> Redis:
    """Create a client for `url` (redis://, rediss:// or unix://) that decodes responses to str; connects on first use.

    A command is retried up to three times within 0.5 s after a connection error. All job scripts are idempotent.

    Raises:
        ConfigurationError: the URL has another scheme or cannot be parsed.
    """
    return Redis.from_url(normalized(url), retry=Retry(_backoff(), 3), **_options())


def connect_briefly(url: str, timeout_seconds: float) -> Redis:
    """Same as `connect`, for reads that are not worth waiting for: one retry, and a time limit for each response."""
    limits = {"socket_connect_timeout": timeout_seconds, "socket_timeout": timeout_seconds}
    return Redis.from_url(normalized(url), retry=Retry(NoBackoff(), 1), **_options() | limits)


def connect_async(url: str) -> redis.asyncio.Redis:
    """Same as `connect`, for asyncio."""
    return redis.asyncio.Redis.from_url(normalized(url), retry=AsyncRetry(_backoff(), 3), **_options())


@contextmanager
def broker_errors() -> Iterator[None]:
    """Convert the client's errors about an unavailable broker into BrokerUnavailableError."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise BrokerUnavailableError(
            f"the job broker does not respond ({error}): start it again, or check DUET_REDIS_URL; "
            "accepted jobs continue when it is back"
        ) from error
    except (OutOfMemoryError, ReadOnlyError) as error:
        raise _refused(error) from error
    except NoPermissionError as error:
        raise _refused(
            error, "allow the user of DUET_REDIS_URL all commands on the keys duet:* (ACL SETUSER)"
        ) from error
    except ResponseError as error:
        if isinstance(error, ClusterCrossSlotError | MovedError | AskError) or str(error).startswith(_CLUSTER):
            advice = "it is a cluster, and jobs need a single server: set DUET_REDIS_URL to one"
            raise _refused(error, advice) from error
        if str(error).startswith(_REFUSALS):
            raise _refused(error) from error
        raise


def _refused(error: RedisError, advice: str = "check its log, memory and disk") -> BrokerUnavailableError:
    return BrokerUnavailableError(f"the job broker refuses commands ({error}): {advice}")


def _backoff() -> ExponentialBackoff:
    return ExponentialBackoff(cap=0.25, base=0.05)


def _options() -> dict[str, Any]:
    return {
        "decode_responses": True,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": RESPONSE_TIMEOUT_S,
        "health_check_interval": 30,
    }
