"""Access tokens of an OpenID provider, which runs in the test with its own keys."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from core.errors import ConfigurationError
from service.errors import KeyRefusedError, NotReadyError
from service.security.oidc_provider import REFETCH_SECONDS, OidcProvider
from service.security.tokens import MAX_CACHED, TokenVerifier, scopes_of
from service.settings import read_settings
from tests.support.oidc import AUDIENCE, Provider, provider
from tests.support.onnx_models import gray_png
from tests.support.problems import assert_problem
from tests.support.service import RunningApp, running_app, settings_for

KEYS = f"admin:{'a' * 16}"


@pytest.fixture(scope="module")
def rsa() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"})


@pytest.fixture
def running(rsa: RSAKey) -> Iterator[Provider]:
    with provider(rsa, ECKey.generate_key("P-256", {"kid": "ec-1"})) as found:
        yield found


def verifier(of: Provider) -> TokenVerifier:
    return TokenVerifier(OidcProvider(issuer=of.issuer, audience=AUDIENCE))


async def refusal(of: Provider, token: str) -> str:
    with pytest.raises(KeyRefusedError) as caught:
        await verifier(of).verify(token)
    parts = [part for part in token.split(".") if len(part) > 8]
    assert not any(part in str(caught.value) for part in parts)
    return str(caught.value)


def symmetric(header: dict[str, str], claims: dict[str, Any], secret: bytes) -> str:
    """A token with an HMAC signature; joserfc refuses to make one with a public key."""
    parts = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    signature = urlsafe_b64encode(hmac.new(secret, b".".join(parts), "sha256").digest()).rstrip(b"=")
    return b".".join([*parts, signature]).decode()


@pytest.mark.parametrize("kid", ["rsa-1", "ec-1"])
async def test_token_gives_the_scopes_of_its_claim(running: Provider, kid: str) -> None:
    caller = await verifier(running).verify(running.token(kid, scope="openid duet:jobs email"))
    assert caller.scopes == ("predict", "feedback", "jobs")
    assert (caller.name, caller.actor) == ("ada", f"key ada {caller.key_id[:8]} (jobs)")
    other = await verifier(running).verify(running.token(kid, scope="predict", sub="bob"))
    assert other.key_id != caller.key_id


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "predict"}, ("predict",)),
        ({"scp": ["other", "feedback"]}, ("predict", "feedback")),
        ({"scp": "admin"}, ("predict", "feedback", "jobs", "admin")),
        ({"scope": "openid"}, ()),
        ({"scope": 7}, ()),
        ({}, ()),
    ],
)
def test_scopes_come_from_scope_or_scp(claims: dict[str, Any], scopes: tuple[str, ...]) -> None:
    assert scopes_of(claims) == scopes


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"exp": time.time() - 60}, "it has expired"),
        ({"nbf": time.time() + 86_400}, "not valid yet"),
        ({"iss": "https://elsewhere.example"}, "its issuer is not"),
        ({"aud": "another-service"}, f"its audience is not {AUDIENCE}"),
        ({"aud": None}, "aud"),
        ({"exp": None}, "exp"),
        ({"exp": "soon"}, "exp"),
        ({"sub": None}, "sub"),
        ({"sub": 7}, "sub"),
    ],
)
async def test_wrong_claims_are_named(running: Provider, claims: dict[str, Any], said: str) -> None:
    assert said in await refusal(running, running.token("rsa-1", **claims))


async def test_clock_difference_within_the_leeway_is_accepted(running: Provider) -> None:
    token = running.token("rsa-1", exp=time.time() - 5, nbf=time.time() + 5)
    assert (await verifier(running).verify(token)).name == "ada"


async def test_wrong_signatures_are_refused(running: Provider, rsa: RSAKey) -> None:
    claims = running.claims()
    forger = RSAKey.generate_key(2048, {"kid": "rsa-1"})
    assert "signature is wrong" in await refusal(running, jwt.encode({"alg": "RS256", "kid": "rsa-1"}, claims, forger))
    unknown = RSAKey.generate_key(2048, {"kid": "rsa-9"})
    assert "does not publish" in await refusal(running, jwt.encode({"alg": "RS256", "kid": "rsa-9"}, claims, unknown))
    assert "does not publish" in await refusal(running, jwt.encode({"alg": "RS256"}, claims, rsa))
    # The public key as the secret of a symmetric signature, and no signature at all.
    confused = symmetric({"alg": "HS256", "kid": "rsa-1"}, claims, rsa.as_pem(private=False))
    assert "not signed with RS256 or ES256" in await refusal(running, confused)
    none = "eyJhbGciOiJub25lIn0." + confused.split(".")[1] + "."
    assert "not signed with" in await refusal(running, none)
    head, payload, signature = running.token("rsa-1").split(".")
    swapped = running.token("ec-1").split(".")[0]
    assert await refusal(running, f"{swapped}.{payload}.{signature}")
    assert head


@pytest.mark.parametrize(
    "token", ["..", "a.b.c", "eyJ.eyJ.x", "e30.e30.e30", "\udcff.b.c", "é.é.é", "x" * 20_000 + ".b.c"]
)
async def test_garbage_is_no_token(running: Provider, token: str) -> None:
    with pytest.raises(KeyRefusedError):
        await verifier(running).verify(token)


async def test_new_key_of_the_provider_is_fetched_once(running: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = verifier(running)
    await checked.verify(running.token("rsa-1"))
    assert running.requests == 2
    running.keys.append(RSAKey.generate_key(2048, {"kid": "rsa-2"}))
    with pytest.raises(KeyRefusedError):
        await checked.verify(running.token("rsa-2"))
    assert running.requests == 2  # a new attempt so soon could be caused by anyone
    keys = checked._keys
    monkeypatch.setattr(keys, "_now", lambda: time.monotonic() + REFETCH_SECONDS)
    assert (await checked.verify(running.token("rsa-2"))).name == "ada"
    assert running.requests == 4


async def test_checked_tokens_are_kept_until_they_expire(running: Provider) -> None:
    now = time.time()
    checked = TokenVerifier(OidcProvider(issuer=running.issuer, audience=AUDIENCE), now=lambda: now)
    token = running.token("rsa-1", exp=now + 60)
    caller = await checked.verify(token)
    assert checked.known(token) is caller
    now += 61
    assert checked.known(token) is None
    assert len(checked._checked) <= MAX_CACHED


@pytest.mark.parametrize("fault", ["closed", "500", "garbage", "issuer", "empty", "huge", "redirect", "http"])
async def test_unusable_provider_is_503_and_logged(
    running: Provider, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    token = running.token("rsa-1")
    running.fault = fault
    if fault == "closed":
        running.close()
    with pytest.raises(NotReadyError, match="keys of the OpenID provider"):
        await verifier(running).verify(token)
    assert "check DUET_OIDC" in caplog.text


async def test_known_keys_survive_an_outage(running: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = verifier(running)
    await checked.verify(running.token("rsa-1"))
    running.close()
    monkeypatch.setattr(checked._keys, "_now", lambda: time.monotonic() + 7200)
    assert (await checked.verify(running.token("rsa-1", sub="bob"))).name == "bob"


async def test_provider_that_hangs_delays_one_request(running: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = verifier(running)
    await checked.verify(running.token("rsa-1"))
    running.fault = "hang"
    monkeypatch.setattr(checked._keys, "_now", lambda: time.monotonic() + 7200)
    first = asyncio.create_task(checked.verify(running.token("rsa-1", sub="bob")))
    assert await asyncio.to_thread(running.hangs.wait, 30)
    assert (await checked.verify(running.token("rsa-1", sub="eve"))).name == "eve"
    assert not first.done()
    running.released.set()
    assert (await first).name == "bob"


@pytest.fixture
async def app(home: Path, running: Provider) -> AsyncIterator[RunningApp]:
    oidc = {"issuer": running.issuer, "audience": AUDIENCE}
    async with running_app(settings_for(home, api_keys=KEYS, oidc=oidc, anonymous_predictions=False)) as found:
        yield found


async def test_routes_accept_tokens_with_their_scope(app: RunningApp, running: Provider) -> None:
    raw = {"content-type": "image/png"}
    for _ in range(2):  # checked, then known
        token = {"authorization": f"Bearer {running.token('rsa-1', scope='predict', sub='same')}"}
        assert (await app.client.post("/predict", content=gray_png(0), headers={**raw, **token})).status_code == 200
    refused = await app.client.post("/models/cnn/rollback", headers=token)
    assert_problem(refused, 403, "scope-required")
    admin = {"x-api-key": running.token("ec-1", scope="admin")}
    assert (await app.client.get("/keys", headers=admin)).status_code == 200
    assert (await app.client.get("/session", headers=admin)).json()["scopes"][-1] == "admin"
    begun = await app.client.post("/session", headers=admin)
    assert_problem(begun, 401, "key-refused")
    none = {"authorization": f"Bearer {running.token('rsa-1', scope='openid')}"}
    for answer in (
        await app.client.post("/predict", content=gray_png(0), headers={**raw, **none}),
        await app.client.get("/keys", headers=none),
    ):
        assert "none" in assert_problem(answer, 403, "scope-required")["detail"]


async def test_refused_tokens_have_a_challenge(app: RunningApp, running: Provider) -> None:
    token = running.token("rsa-1", exp=time.time() - 60)
    refused = await app.client.get("/keys", headers={"authorization": f"Bearer {token}"})
    problem = assert_problem(refused, 401, "key-refused")
    assert "it has expired" in problem["detail"]
    assert refused.headers["www-authenticate"] == 'Bearer realm="duet", error="invalid_token"'
    assert token not in refused.text


@pytest.mark.parametrize(
    "text",
    ["duet", "{}", '{"issuer": "http://id.example.org", "audience": "duet"}', '{"issuer": "https://id.example.org"}'],
)
def test_malformed_setting_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DUET_OIDC", text)
    with pytest.raises(ConfigurationError, match="DUET_OIDC"):
        read_settings()


def test_key_set_of_the_test_is_public(rsa: RSAKey) -> None:
    assert "d" not in KeySet([rsa]).as_dict(private=False)["keys"][0]
