"""Stored keys: changes of the file, and a running service that reads them."""

from __future__ import annotations

import json
import logging
import resource
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.errors import ConfigurationError
from core.schemas.keys import KeyLimits
from service.errors import KeyNameTakenError, UnknownKeyError
from service.security.key_source import KeySource
from service.security.key_store import KEYS_NAME, add_key, read_key_file, revoke_key, rotate_key
from service.security.sessions import begin, read_token, token

FIXED = SecretStr("admin:0123456789abcdef")
NOW = datetime.now(UTC).timestamp()


def test_stored_key_is_found_by_its_secret_only(tmp_path: Path) -> None:
    key, secret = add_key(tmp_path, "ci", "jobs", limits=KeyLimits(queued_jobs=3))
    text = (tmp_path / KEYS_NAME).read_text()
    assert secret not in text
    assert len(secret) >= 43
    found = KeySource(FIXED, tmp_path).keyring.find(secret)
    assert found is not None
    assert (found.id, found.name, found.scopes) == (key.id, "ci", ("predict", "feedback", "jobs"))
    assert found.limits.queued_jobs == 3
    assert KeySource(FIXED, tmp_path).keyring.find(key.sha256) is None


def test_name_is_given_once(tmp_path: Path) -> None:
    add_key(tmp_path, "ci", "jobs")
    with pytest.raises(KeyNameTakenError, match="rotate or revoke"):
        add_key(tmp_path, "ci", "predict")


@pytest.mark.parametrize("change", [revoke_key, rotate_key])
def test_unknown_key_lists_the_names(tmp_path: Path, change: Callable[[Path, str], object]) -> None:
    add_key(tmp_path, "ci", "jobs")
    with pytest.raises(UnknownKeyError, match="use one of ci"):
        change(tmp_path, "phone")


def test_concurrent_changes_lose_no_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: add_key(tmp_path, f"key-{number}", "predict"), range(12)))
    assert {key.name for key in read_key_file(tmp_path).keys} == {f"key-{number}" for number in range(12)}
    assert {path.name for path in tmp_path.iterdir()} == {KEYS_NAME, f"{KEYS_NAME}.lock"}


def test_running_service_follows_changes(tmp_path: Path) -> None:
    source = KeySource(FIXED, tmp_path)
    key, secret = add_key(tmp_path, "ci", "jobs")
    assert source.keyring.find(secret) is None
    source.refresh()
    assert source.keyring.find(secret) is not None
    revoke_key(tmp_path, key.id)
    source.refresh()
    assert source.keyring.find(secret) is None
    assert source.keyring.find("0123456789abcdef") is not None


def test_rotation_keeps_id_and_old_secret_for_the_overlap(tmp_path: Path) -> None:
    key, old = add_key(tmp_path, "ci", "jobs")
    rotated, new = rotate_key(tmp_path, "ci", overlap=timedelta(hours=2))
    keyring = KeySource(FIXED, tmp_path).keyring
    first, second = keyring.find(new), keyring.find(old)
    assert first is not None
    assert second is not None
    assert rotated.id == key.id == first.id == second.id
    assert not first.expired(NOW + 1e9)
    assert not second.expired(NOW)
    assert second.expired(NOW + 3 * 3600)
    _, newest = rotate_key(tmp_path, "ci")
    keyring = KeySource(FIXED, tmp_path).keyring
    assert [keyring.find(secret) is not None for secret in (newest, new, old)] == [True, False, False]


def test_session_of_a_stored_key_ends_with_it(tmp_path: Path) -> None:
    _, secret = add_key(tmp_path, "ci", "jobs")
    keyring = KeySource(FIXED, tmp_path).keyring
    found = keyring.find(secret)
    assert found is not None
    cookie = token(begin(found, NOW))
    elsewhere = KeySource(FIXED, tmp_path).keyring
    assert read_token(cookie, elsewhere, NOW) is not None
    rotate_key(tmp_path, "ci")
    assert read_token(cookie, KeySource(FIXED, tmp_path).keyring, NOW) is None


def test_key_file_alone_signs_no_cookie(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    _, secret = add_key(tmp_path, "ci", "admin")
    (other / KEYS_NAME).write_bytes((tmp_path / KEYS_NAME).read_bytes())
    forger = KeySource(FIXED, other).keyring.find(secret)
    assert forger is not None
    assert read_token(token(begin(forger, NOW)), KeySource(FIXED, tmp_path).keyring, NOW) is None


def _entry(**changes: object) -> dict[str, object]:
    key = {"id": "0" * 16, "name": "ci", "scope": "jobs", "sha256": "a" * 64, "created": "2026-01-02T03:04:05Z"}
    return {**key, **changes}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "EOF"),
        ("[]", "object"),
        ('{"version": 2, "keys": []}', "version"),
        (json.dumps({"keys": [_entry(scope="root")]}), "scope"),
        (json.dumps({"keys": [_entry(sha256="secret")]}), "sha256"),
        (json.dumps({"keys": [_entry(extra=1)]}), "extra"),
        (json.dumps({"keys": [_entry(), _entry(id="1" * 16, sha256="b" * 64)]}), "same name"),
        (json.dumps({"keys": [_entry(limits={"queued_jobs": -1})]}), "queued_jobs"),
        ("\x00" * 3_000_000, "bytes"),
    ],
)
def test_malformed_file_is_refused_with_advice(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / KEYS_NAME).write_text(content)
    with pytest.raises(ConfigurationError, match=said) as caught:
        KeySource(FIXED, tmp_path)
    assert "duet keys add" in str(caught.value)
    with pytest.raises(ConfigurationError):
        add_key(tmp_path, "other", "jobs")
    assert (tmp_path / KEYS_NAME).read_text() == content


def test_file_that_becomes_malformed_keeps_the_last_keys(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, secret = add_key(tmp_path, "ci", "jobs")
    source = KeySource(FIXED, tmp_path)
    (tmp_path / KEYS_NAME).write_text("{}}")
    with caplog.at_level(logging.ERROR, "duet.keys"):
        source.refresh()
        source.refresh()
    assert len(caplog.records) == 1
    assert "stay as they were" in caplog.text
    assert source.keyring.find(secret) is not None


def test_revocation_is_followed_after_a_failed_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    key, secret = add_key(tmp_path, "ci", "jobs")
    source = KeySource(FIXED, tmp_path)
    revoke_key(tmp_path, key.id)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))  # no descriptor is left
    try:
        source.refresh()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert source.keyring.find(secret) is not None
    assert "cannot read the API keys" in caplog.text
    source.refresh()
    assert source.keyring.find(secret) is None


def test_pipe_in_place_of_the_file_does_not_hang(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / KEYS_NAME)
    with pytest.raises(ConfigurationError, match="not a regular file"):
        read_key_file(tmp_path)
