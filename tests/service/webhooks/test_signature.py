from __future__ import annotations

import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from service.security.webhook_settings import parse_signing_secrets
from service.webhooks.signature import signature_headers
from tests.support.receivers import SECRET


def now() -> int:
    """Seconds since the epoch; the library refuses old timestamps."""
    return int(time.time())


def test_signature_is_that_of_the_specification() -> None:
    headers = signature_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', parse_signing_secrets(SECRET)
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_official_library_verifies_each_secret_of_a_rotation() -> None:
    other = "whsec_" + "A" * 43 + "="
    headers = signature_headers("msg_1", now(), b'{"a":"\xc3\xa4"}', parse_signing_secrets(f"{other},{SECRET}"))
    for secret in (SECRET, other):
        assert Webhook(secret).verify(b'{"a":"\xc3\xa4"}', headers) == {"a": "\u00e4"}


def test_official_library_refuses_a_changed_body() -> None:
    headers = signature_headers("msg_1", now(), b'{"a":1}', parse_signing_secrets(SECRET))
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(b'{"a":2}', headers)
