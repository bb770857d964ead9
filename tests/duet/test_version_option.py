from __future__ import annotations

import pytest

from core.release import release
from tests.support.duet_command import Duet


def test_version_is_that_of_the_distribution(duet: Duet, capsys: pytest.CaptureFixture[str]) -> None:
    assert duet("--version") == 0
    assert capsys.readouterr().out == f"duet {release()}\n"
