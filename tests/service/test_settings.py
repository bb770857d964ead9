from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from core.cpu import available_cores
from core.errors import ConfigurationError
from core.files.home import duet_home
from core.gate.report import GateThresholds
from service.errors import DatasetTooLargeError
from service.settings import Settings, mistyped_variables, read_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"DUET_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_defaults_serve_this_machine_alone() -> None:
    settings = Settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.home == duet_home()
    assert (settings.workers, settings.precision) == (1, "auto")
    assert settings.model_threads == available_cores()


def test_environment_sets_every_field(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DUET_PORT", "9123")
    monkeypatch.setenv("DUET_HOME", "elsewhere")
    monkeypatch.setenv("DUET_LOG_FORMAT", "text")
    monkeypatch.setenv("DUET_PRECISION", "int8")
    monkeypatch.setenv("DUET_THREADS", "3")
    settings = Settings()
    assert (settings.port, settings.home, settings.log_format) == (9123, tmp_path / "elsewhere", "text")
    assert (settings.precision, settings.model_threads) == ("int8", 3)
    assert settings.providers == ("auto",)
    monkeypatch.setenv("DUET_PROVIDERS", "openvino, cpu")
    assert Settings().providers == ("openvino", "cpu")


def test_empty_variable_equals_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = Settings()
    for name in Settings.model_fields:
        monkeypatch.setenv(f"DUET_{name.upper()}", "")
    assert Settings() == defaults


@pytest.mark.parametrize(("cores", "workers", "threads"), [(8, 1, 8), (8, 2, 4), (8, 3, 2), (2, 4, 1)])
def test_workers_share_the_cores(cores: int, workers: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.settings.available_cores", lambda: cores)
    assert Settings(workers=workers).model_threads == threads
    assert Settings(workers=workers, threads=5).model_threads == 5


@pytest.mark.parametrize(("name", "value"), [("precision", "fp16"), ("threads", "0"), ("workers", "0")])
def test_senseless_values_are_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"DUET_{name.upper()}", value)
    with pytest.raises(ValidationError, match=name):
        Settings()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "opnvino",
            r"unknown .*'opnvino' \(did you mean 'openvino'\?\): use auto, cpu, openvino or cuda",
        ),
        ("cpu,cpu", "name each execution provider once"),
        ("auto,cpu", "or auto alone"),
        (",", "name each execution provider once"),
    ],
)
def test_unknown_provider_gives_a_clear_error(text: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_PROVIDERS", text)
    with pytest.raises(ConfigurationError, match=f"^DUET_PROVIDERS: .*{problem}"):
        read_settings()


def test_errors_name_the_variable_and_every_choice_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_PRECISION", "fp16")
    monkeypatch.setenv("DUET_PROVIDERS", "opnvino")
    monkeypatch.setenv("DUET_CORS_ORIGINS", "https://a.example,nowhere")
    with pytest.raises(ConfigurationError) as caught:
        read_settings()
    problems = dict(problem.split(": ", 1) for problem in str(caught.value).split("; "))
    assert problems.keys() == {"DUET_PRECISION", "DUET_PROVIDERS", "DUET_CORS_ORIGINS"}
    assert problems["DUET_PRECISION"] == "Input should be 'auto', 'fp32', 'bf16' or 'int8'"
    assert problems["DUET_PROVIDERS"].startswith("unknown execution provider 'opnvino'")


def test_thresholds_of_the_gate_come_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_GATE", '{"significance": 0.01}')
    assert Settings().gate == GateThresholds(significance=0.01)


@pytest.mark.parametrize(("text", "problem"), [('{"significanse": 0.01}', "significanse: Extra"), ("0.01, 3", "JSON")])
def test_invalid_thresholds_give_a_clear_error(text: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_GATE", text)
    with pytest.raises(ConfigurationError, match=f"^DUET_GATE: .*{problem}"):
        read_settings()


def test_every_field_is_documented() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize(("queue_size", "files"), [(96, 64), (8, 8)])
def test_settings_small_queue_limits_the_files_of_a_request(queue_size: int, files: int) -> None:
    assert Settings(queue_size=queue_size).max_files == files


def test_mistyped_variables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUET_PROT", "9000")
    monkeypatch.setenv("DUET_SOMETHING_ELSE", "1")
    monkeypatch.setenv("DUET_PORT", "9001")
    assert mistyped_variables() == ["DUET_PROT is not a setting and is ignored (did you mean 'DUET_PORT'?)"]


@pytest.mark.parametrize(("what", "together"), [("images", False), ("bytes", False), ("bytes", True)])
def test_advice_of_the_data_set_limits_names_existing_settings(what: str, together: bool) -> None:
    message = str(DatasetTooLargeError(what, 1_000, together=together))
    named = re.findall(r"DUET_[A-Z_]+", message)
    assert all(name.removeprefix("DUET_").lower() in Settings.model_fields for name in named)
    assert bool(named) == (what == "images" or together), "the limit of one data set's bytes is no setting"
