from pathlib import Path

import pytest

from core.errors import LowDiskError
from core.files.disk_space import MIB, require_space
from tests.support.disks import let_disks_have


def test_a_byte_less_than_is_needed_is_too_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    let_disks_have(monkeypatch, 3 * MIB)
    require_space(tmp_path, 3 * MIB, what="a walk", advice="go home")
    with pytest.raises(LowDiskError) as refused:
        require_space(tmp_path, 3 * MIB + 1, what="a walk", advice="go home")
    assert str(refused.value) == (f"3 MiB are free on the disk of {tmp_path}, but a walk needs 4 MiB: go home")


def test_the_disk_that_is_there_is_asked(tmp_path: Path) -> None:
    require_space(tmp_path, 1, what="a walk", advice="go home")
    with pytest.raises(LowDiskError):
        require_space(tmp_path, 2**60, what="a walk", advice="go home")
