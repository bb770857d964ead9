from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from service.broker.lock import sole_service


def test_a_second_service_on_the_same_home_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with sole_service(home):
        assert home.stat().st_mode & 0o777 == 0o700
        expected = f"another duet serve runs on {home} (process {os.getpid()})"
        for _ in range(2):  # being refused takes nothing from the holder
            with pytest.raises(ConfigurationError, match=re.escape(expected)), sole_service(home):
                pass
        with sole_service(tmp_path / "other"):
            pass
    with sole_service(home):
        assert (home / "broker" / "serve.lock").read_text() == f"{os.getpid()}\n"


def test_a_holder_that_was_killed_holds_no_longer(tmp_path: Path) -> None:
    program = (
        "import os, signal; from pathlib import Path; from service.broker.lock import sole_service\n"
        f"with sole_service(Path({str(tmp_path)!r})): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == -9
    with sole_service(tmp_path):
        pass
