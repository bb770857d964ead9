from __future__ import annotations

from importlib.metadata import version
from types import SimpleNamespace

import pytest

from benchmarks.serving import machine


def test_versions_leave_out_what_says_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.serving.machine.os.uname", lambda: SimpleNamespace(release="6.1.52-cloud-7"))
    found = machine.versions()
    assert found["kernel"] == "6.1.52"
    assert found["numpy"] == version("numpy")
