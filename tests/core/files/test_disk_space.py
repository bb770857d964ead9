from pathlib import Path

import pytest

from core.errors import LowDiskError
from core.files.disk_space import MIB, require_space
from tests.support.disks import let_disks_have


def test_require_space_one_byte_short_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    let_disks_have(monkeypatch, 3 * MIB)
    require_space(tmp_path, 3 * MIB, what="a walk", advice="go home")
    with pytest.raises(LowDiskError) as refused:
        require_space(tmp_path, 3 * MIB + 1, what="a walk", advice="go home")
    assert str(refused.value) == (f"3 MiB are free on the disk of {tmp_path}, but a walk needs 4 MiB: go home")


def test_require_space_uses_the_disk_of_the_nearest_existing_folder(tmp_path: Path) -> None:
    require_space(tmp_path, 1, what="a walk", advice="go home")
    with pytest.raises(LowDiskError):
        require_space(tmp_path, 2**60, what="a walk", advice="go home")
