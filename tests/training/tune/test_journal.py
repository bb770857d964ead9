from pathlib import Path

import pytest

from core.disk import MIB
from core.errors import LowDiskError
from tests.support.disks import let_disks_have
from tests.support.training_runs import small_recipe
from training.tune.journal import Description, journal_path, open_journal


def test_a_tuning_that_the_disk_has_no_room_for_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    description = Description(
        config=small_recipe("mlp"), share=0.5, seed=0, data="cifar10", data_digest="d" * 64, split_digest="s" * 64
    )
    let_disks_have(monkeypatch, 255 * MIB)
    with pytest.raises(LowDiskError, match="a study is not begun with less than 256 MiB"):
        open_journal(tmp_path, "mlp", description).__enter__()
    assert not journal_path(tmp_path, "mlp").exists()
    let_disks_have(monkeypatch, 256 * MIB)
    with open_journal(tmp_path, "mlp", description) as journal:
        assert journal.description == description
