from __future__ import annotations

import pytest
from pydantic import ValidationError

from core.errors import ConfigurationError
from service.security.keys import ApiKey, Keyring, parse_keys, with_all_scopes
from service.settings import Settings, read_settings

JOBS, ADMIN = "j" * 16, "a" * 40


def test_scopes_include_the_lesser_ones() -> None:
    jobs, admin = parse_keys(f"jobs:{JOBS}, admin:{ADMIN}").keys
    assert jobs.scopes == ("predict", "feedback", "jobs")
    assert admin.scopes == ("predict", "feedback", "jobs", "admin")


def test_key_may_contain_colons() -> None:
    assert parse_keys("admin:a:b:c:d:e:f:g:h:i").find("a:b:c:d:e:f:g:h:i") is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "entry 1"),
        (JOBS, "entry 1 does not begin with one of the scopes predict, feedback, jobs, admin and a colon"),
        (f"jobs:{JOBS},", "entry 2 does not begin"),
        (f"root:{JOBS}", "entry 1 does not begin"),
        (f"Jobs:{JOBS}", "entry 1 does not begin"),
        (f"jobs:{JOBS},admin:short", "the key of entry 2 has fewer than 16"),
        (f"jobs:{'j' * 8} {'j' * 8}", "other than visible ASCII"),
        (f"jobs:{'ä' * 16}", "other than visible ASCII"),
        (f"jobs:{JOBS},admin:{JOBS}", "entries 1 and 2 have the same key"),
    ],
)
def test_malformed_keys_error_shows_no_key(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        parse_keys(text)
    assert JOBS not in str(caught.value)
    assert "short:" not in str(caught.value)


def test_malformed_keys_error_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_API_KEYS", f"jobs:{JOBS},nonsense-that-is-secret")
    with pytest.raises(ConfigurationError, match=r"DUET_API_KEYS: entry 2") as caught:
        read_settings()
    assert "nonsense" not in str(caught.value)
    with pytest.raises(ValidationError) as raw:
        Settings()
    assert "nonsense" not in str(raw.value)


def test_settings_show_no_key() -> None:
    settings = Settings(api_keys=f"jobs:{JOBS}")
    assert JOBS not in repr(settings)
    assert JOBS not in settings.model_dump_json()


def test_names_of_hosts_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_ALLOWED_HOSTS", "duet.example.org, models.example.org,")
    assert Settings().allowed_hosts == ("duet.example.org", "models.example.org")


def test_key_is_found_by_its_secret() -> None:
    keyring = parse_keys(f"jobs:{JOBS},admin:{ADMIN}")
    assert keyring.find(JOBS) is keyring.keys[0]
    assert keyring.find(ADMIN) is keyring.keys[1]
    for wrong in ("", JOBS[:-1], JOBS + "j", ADMIN.upper(), keyring.keys[0].id, "\udcff", "ä"):
        assert keyring.find(wrong) is None
    assert Keyring([]).find(JOBS) is None


def test_key_repr_and_id_do_not_reveal_the_secret() -> None:
    [key] = with_all_scopes(ADMIN).keys
    assert ADMIN not in repr(key)
    assert key.id == ApiKey.of_secret(("jobs",), ADMIN).id != ApiKey.of_secret(("jobs",), JOBS).id
    assert key.scopes == ("predict", "feedback", "jobs", "admin")
