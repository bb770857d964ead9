from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.supervisor.program import Program
from service.supervisor.training_env import SetupState, TrainingSetup, clear_setup, read_setup, write_setup
from tests.support.children import is_alive, lines_of, wait_until


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Interpreter of an environment that does not exist yet."""
    return tmp_path / "environment" / "bin" / "python"


def setup(tmp_path: Path, python: Path, source: str) -> TrainingSetup:
    command = (sys.executable, "-S", "-c", source)
    output = tmp_path / "output"
    return TrainingSetup(Program(name="set-up", command=command, stop_seconds=30, output=output), python)


def state(python: Path) -> str | None:
    told = read_setup(python)
    return None if told is None else told.state


def test_setup_state_is_written_and_then_removed(tmp_path: Path, python: Path) -> None:
    go_on = tmp_path / "go-on"
    source = f"import os, time\nprint('on it', flush=True)\nwhile not os.path.exists({str(go_on)!r}): time.sleep(0.01)"
    before = datetime.now(UTC)
    making = setup(tmp_path, python, source)
    making.start()
    wait_until(lambda: lines_of(tmp_path / "output") == ["on it"])
    told = read_setup(python)
    assert told is not None
    assert told.state == "installing"
    assert str(tmp_path / "output") in told.reason
    assert before <= told.since <= datetime.now(UTC)
    go_on.touch()
    wait_until(lambda: read_setup(python) is None)
    making.stop()
    assert read_setup(python) is None


def test_setup_failure_is_reported_and_retried_at_the_next_start(tmp_path: Path, python: Path) -> None:
    failing = setup(tmp_path, python, "import sys; print('No torch found', flush=True); sys.exit('make: Error 1')")
    failing.start()
    wait_until(lambda: state(python) == "failed")
    failing.stop()
    told = read_setup(python)
    assert told is not None
    assert "exit status 1: No torch found / make: Error 1" in told.reason
    again = setup(tmp_path, python, "pass")
    again.start()
    wait_until(lambda: read_setup(python) is None)
    again.stop()


def test_stop_ends_the_whole_process_group(tmp_path: Path, python: Path) -> None:
    source = "import os, time; os.fork(); print(os.getpid(), flush=True); time.sleep(600)"
    making = setup(tmp_path, python, source)
    making.start()
    output = tmp_path / "output"
    wait_until(lambda: len(lines_of(output)) == 2)
    making.stop()
    assert state(python) == "interrupted"
    for pid in map(int, lines_of(output)):
        assert not is_alive(pid)


def test_unwritable_state_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    making = setup(tmp_path, tmp_path / "file" / "bin" / "python", "import sys; sys.exit('no')")
    making.start()
    making.stop()
    assert "cannot write the state of the training environment" in caplog.text


def test_state_is_read_as_written(python: Path) -> None:
    assert read_setup(python) is None
    written = SetupState(state="failed", reason="why", since=datetime.now(UTC))
    write_setup(python, written)
    assert read_setup(python) == written
    clear_setup(python)
    clear_setup(python)
    assert read_setup(python) is None


def test_damaged_state_makes_the_environment_unusable(python: Path) -> None:
    write_setup(python, SetupState(state="failed", reason="why", since=datetime.now(UTC)))
    (python.parent.parent / "setup.json").write_text("{")
    told = read_setup(python)
    assert told is not None
    assert told.state == "failed"
    assert "cannot be read" in told.reason
