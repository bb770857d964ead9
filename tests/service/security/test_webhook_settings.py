from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping

import pytest

from core.errors import ConfigurationError
from service.security.webhook_settings import parse_receivers, parse_signing_secrets
from service.settings import Settings, read_settings
from tests.support.receivers import SECRET

URL = "https://hooks.example.org/duet?token=geheim"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"DUET_{name.upper()}", raising=False)


def test_receivers_are_separated_by_commas() -> None:
    assert parse_receivers(f" {URL} , http://other.example:8080/x ", private=False) == (
        URL,
        "http://other.example:8080/x",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "name 1 to 8 different addresses"),
        (f"{URL},{URL}", "name 1 to 8 different addresses"),
        (",".join(f"https://h{number}.example/" for number in range(9)), "name 1 to 8"),
        ("ftp://hooks.example.org/", "address 1 is not a web address"),
        (f"{URL},hooks.example.org", "address 2 is not a web address"),
        ("https://", "address 1 is not a web address"),
        ("https://host:99999/", "address 1 is not a URL"),
        ("https://user:geheim@hooks.example.org/", "address 1 has a user name or a fragment"),
        ("https://hooks.example.org/#part", "address 1 has a user name or a fragment"),
        ("https://hooks.example.org/\u00e4", "other characters than visible ASCII"),
        ("https://hooks.example.org/a b", "other characters than visible ASCII"),
        ("https://hooks.example.org/" + "x" * 2000, "longer than 2000 characters"),
        ("http://127.0.0.1:9/", "address 1 is private: set DUET_WEBHOOK_PRIVATE=1"),
        ("http://[::ffff:10.0.0.1]/", "address 1 is private"),
        ("http://169.254.169.254/latest/", "address 1 is private"),
    ],
)
def test_unusable_receivers_are_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        parse_receivers(text, private=False)
    assert "geheim" not in str(caught.value)


def test_private_receivers_can_be_allowed() -> None:
    assert parse_receivers("http://127.0.0.1:9/", private=True) == ("http://127.0.0.1:9/",)


def test_two_secrets_are_accepted_during_a_rotation() -> None:
    new = "whsec_" + b64encode(b"n" * 32).decode()
    assert parse_signing_secrets(f"{new}, {SECRET}")[0] == b"n" * 32
    assert len(parse_signing_secrets(f"{new}, {SECRET}")) == 2


@pytest.mark.parametrize(
    "text",
    [
        "geheim",
        SECRET.removeprefix("whsec_"),
        "whsec_geheim!",
        "whsec_" + b64encode(b"n" * 23).decode(),
        "whsec_" + b64encode(b"n" * 65).decode(),
        f"{SECRET},",
    ],
)
def test_weak_or_malformed_secrets_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"secret [12] is not whsec_ and 24 to 64 bytes in base64") as caught:
        parse_signing_secrets(text)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"WEBHOOK_URLS": URL}, r"DUET_WEBHOOK_SECRET: .*DUET_WEBHOOK_URLS needs a secret: make one with"),
        ({"WEBHOOK_URLS": URL, "WEBHOOK_SECRET": "geheim"}, "DUET_WEBHOOK_SECRET: .*secret 1 is not whsec_"),
        ({"WEBHOOK_URLS": "http://10.0.0.1/", "WEBHOOK_SECRET": SECRET}, "DUET_WEBHOOK_URLS: .*address 1 is private"),
        (
            {"WEBHOOK_URLS": URL, "WEBHOOK_SECRET": SECRET, "EMBEDDED_BROKER": "0"},
            "DUET_WEBHOOK_URLS: .*webhooks need the job broker: set DUET_REDIS_URL",
        ),
    ],
)
def test_service_refuses_incomplete_settings(
    monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str], problem: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"DUET_{name}", value)
    with pytest.raises(ConfigurationError, match=problem) as caught:
        read_settings()
    assert "geheim" not in str(caught.value)


def test_settings_hide_addresses_and_secrets() -> None:
    settings = Settings(webhook_urls=URL, webhook_secret=SECRET)
    assert settings.webhook_urls is not None
    assert settings.webhook_urls.get_secret_value() == URL
    shown = f"{settings!r} {settings.model_dump(mode='json')}"
    assert "geheim" not in shown
    assert SECRET not in shown
