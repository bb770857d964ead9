"""Access tokens of an OpenID provider: JWTs with signature, issuer, audience and times; scopes from a claim.

The claim `scope` (RFC 9068) has names separated by spaces, `scp` of other providers also a list. `jobs` and `duet:jobs`
are the scope `jobs`.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from service.errors import KeyRefusedError
from service.security.caller import Caller
from service.security.keys import SCOPES, Scope, granted
from service.security.oidc_provider import OidcProvider, ProviderKeys

if TYPE_CHECKING:
    from service.security.oidc_provider import PublicKey

ALGORITHMS = ("RS256", "ES256")
LEEWAY_SECONDS = 30
"""Allowed difference of the clocks of service and provider."""
CACHE_SECONDS = 300.0
"""Time for which a checked token is not checked again, if it does not expire before."""
MAX_CACHED = 1024
MAX_TOKEN_LENGTH = 16_384
_NAME = re.compile(r"[\x21-\x7e]{1,64}")


class TokenVerifier:
    """Checks tokens; used from one event loop.

    Args:
        provider: the settings.
        now: clock in seconds since the epoch.

    Raises:
        ConfigurationError: the extra `oidc` is not installed.
    """

    def __init__(self, provider: OidcProvider, now: Callable[[], float] = time.time) -> None:
        self._provider = provider
        self._keys = ProviderKeys(provider)
        self._now = now
        self._checked: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()
        """Callers of checked tokens by the sha256 of the token, and the time until which they are valid."""

    def known(self, token: str) -> Caller | None:
        """The caller of a token that was checked recently, otherwise None."""
        caller, until = self._checked.get(_digest(token), (None, 0.0))
        return caller if self._now() < until else None

    async def verify(self, token: str) -> Caller:
        """The caller of a token.

        Raises:
            KeyRefusedError: the token is malformed, has expired, or is not for this service.
            NotReadyError: the keys of the provider cannot be read.
        """
        caller = self.known(token)
        if caller is not None:
            return caller
        key = await self._key_of(token)
        claims = self._claims(token, key)
        caller = Caller(
            key_id=sha256(f"oidc {self._provider.issuer} {claims['sub']}".encode()).hexdigest()[:16],
            scopes=scopes_of(claims),
            name=claims["sub"] if _NAME.fullmatch(claims["sub"]) else "",
        )
        until = min(float(claims["exp"]), self._now() + CACHE_SECONDS)
        self._checked[_digest(token)] = caller, until
        if len(self._checked) > MAX_CACHED:
            self._checked.popitem(last=False)
        return caller

    async def _key_of(self, token: str) -> PublicKey:
        from joserfc.errors import JoseError
        from joserfc.jws import extract_compact

        if len(token) > MAX_TOKEN_LENGTH:
            raise KeyRefusedError.refused_token(f"it has more than {MAX_TOKEN_LENGTH:,} characters")
        try:
            header = extract_compact(token.encode()).protected
        except (JoseError, ValueError, TypeError):
            raise KeyRefusedError.refused_token("it is not a signed JWT") from None
        if header.get("alg") not in ALGORITHMS:
            raise KeyRefusedError.refused_token(f"it is not signed with {' or '.join(ALGORITHMS)}")
        key_id = header.get("kid")
        key = await self._keys.find(key_id) if key_id is None or isinstance(key_id, str) else None
        if key is None:
            raise KeyRefusedError.refused_token("it is signed with a key that the provider does not publish")
        return key

    def _claims(self, token: str, key: PublicKey) -> Mapping[str, Any]:
        from joserfc import jwt
        from joserfc.errors import BadSignatureError, ClaimError, ExpiredTokenError, JoseError, MissingClaimError

        rules = jwt.JWTClaimsRegistry(
            now=lambda: int(self._now()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self._provider.issuer},
            aud={"essential": True, "value": self._provider.audience},
            sub={"essential": True},
            exp={"essential": True},
        )
        try:
            claims = jwt.decode(token, key, algorithms=list(ALGORITHMS)).claims
            rules.validate(claims)
        except BadSignatureError:
            raise KeyRefusedError.refused_token("its signature is wrong") from None
        except ExpiredTokenError:
            raise KeyRefusedError.refused_token("it has expired: request a new one from the provider") from None
        except MissingClaimError as error:
            raise KeyRefusedError.refused_token(f"it has no claim `{error.claim}`") from None
        except ClaimError as error:
            raise KeyRefusedError.refused_token(self._problem(error.claim)) from None
        except (JoseError, ValueError, TypeError):
            raise KeyRefusedError.refused_token("it is not a signed JWT that can be read") from None
        return claims

    def _problem(self, claim: str) -> str:
        problems = {
            "iss": f"its issuer is not {self._provider.issuer}",
            "aud": f"its audience is not {self._provider.audience}",
            "nbf": "it is not valid yet: compare the clocks of service and provider",
            "iat": "it was issued in the future: compare the clocks of service and provider",
        }
        return problems.get(claim, f"its claim `{claim}` is not valid")


def scopes_of(claims: Mapping[str, Any]) -> tuple[Scope, ...]:
    """Scopes that the claims grant; each includes the lower ones."""
    found = claims.get("scope", claims.get("scp", ""))
    names = found.split() if isinstance(found, str) else found if isinstance(found, list) else []
    plain = {name.removeprefix("duet:") for name in names if isinstance(name, str)}
    highest = next((scope for scope in reversed(SCOPES) if scope in plain), None)
    return () if highest is None else granted(highest)


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()
