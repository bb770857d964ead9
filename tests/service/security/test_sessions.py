from __future__ import annotations

import pytest

from service.security.keys import parse_keys, with_all_scopes
from service.security.sessions import SESSION_SECONDS, Session, begin, read_token, token

KEYS = parse_keys(f"jobs:{'j' * 16},admin:{'a' * 16}")
JOBS, ADMIN = KEYS.keys
NOW = 1_700_000_000.5


def test_any_process_with_the_key_reads_the_cookie() -> None:
    session = begin(JOBS, NOW)
    elsewhere = parse_keys(f"jobs:{'j' * 16}")
    assert read_token(token(session), elsewhere, NOW) == session


def test_session_ends_at_expiry_and_with_its_key() -> None:
    cookie = token(begin(JOBS, NOW))
    assert read_token(cookie, KEYS, NOW + SESSION_SECONDS - 1) is not None
    assert read_token(cookie, KEYS, NOW + SESSION_SECONDS) is None
    assert read_token(cookie, with_all_scopes("b" * 16), NOW) is None


def test_forged_cookie_is_no_session() -> None:
    session = begin(JOBS, NOW)
    cookie = token(session)
    longer = cookie.replace(str(session.expires), str(session.expires + 1))
    higher = cookie.replace(JOBS.id, ADMIN.id)
    for forged in (longer, higher, cookie[:-1] + ("0" if cookie[-1] != "0" else "1")):
        assert forged != cookie
        assert read_token(forged, KEYS, NOW) is None


@pytest.mark.parametrize("text", ["", ".", "a.b.c", "0" * 500, "٠" * 16 + ".1." + "0" * 64, f"{JOBS.id}.1."])
def test_garbage_is_no_session(text: str) -> None:
    assert read_token(text, KEYS, NOW) is None


def test_cookie_does_not_contain_the_key() -> None:
    assert "j" * 16 not in token(Session(JOBS, int(NOW)))
