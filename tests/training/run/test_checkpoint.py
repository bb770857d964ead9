import errno
import os
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
import torch

from core.errors import CheckpointError
from core.jobs.run_folder import CHECKPOINT_NAME, HISTORY_NAME, LOCK_NAME
from core.schemas.runs import EpochMetrics
from tests.support.training_runs import small_recipe
from training.run.checkpoint import (
    Checkpoint,
    EpochRecord,
    load_checkpoint,
    require_same_run,
    save_checkpoint,
)
from training.run.run_folder import locked_run

RECORD = EpochRecord(1, 2.0, 0.3, None, None, 0.01, 1.5)


def checkpoint(value: float = 1.0) -> Checkpoint:
    network = {"weight": torch.full((3, 2), value)}
    optimizer = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    return Checkpoint(
        small_recipe("mlp"), "d" * 64, "s" * 64, "float32", 2, network, optimizer, None, (RECORD,), "e" * 64, "2.9.0",
        None,
    )  # fmt: skip


def test_checkpoint_round_trip(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint())
    loaded = load_checkpoint(tmp_path)
    assert torch.equal(loaded.network["weight"], torch.ones(3, 2))
    assert loaded.config == small_recipe("mlp")
    assert loaded.history == (RECORD,)
    assert (loaded.dtype, loaded.threads) == ("float32", 2)
    assert (loaded.source_digest, loaded.torch_version) == ("e" * 64, "2.9.0")
    assert loaded.optimizer == checkpoint().optimizer
    assert sorted(path.name for path in tmp_path.iterdir()) == [CHECKPOINT_NAME, HISTORY_NAME]


def test_history_can_be_read_without_torch(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint())
    save_checkpoint(tmp_path, replace(checkpoint(), history=(RECORD, replace(RECORD, epoch=2, train_loss=1.5))))
    lines = [EpochMetrics.model_validate_json(line) for line in (tmp_path / HISTORY_NAME).read_text().splitlines()]
    assert [(each.epoch, each.train_loss, each.validation_loss) for each in lines] == [(1, 2.0, None), (2, 1.5, None)]


def test_full_disk_keeps_the_last_good_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, checkpoint(1.0))

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"No space left.*--resume"):
        save_checkpoint(tmp_path, checkpoint(2.0))
    assert torch.equal(load_checkpoint(tmp_path).network["weight"], torch.ones(3, 2))
    assert sorted(path.name for path in tmp_path.iterdir()) == [CHECKPOINT_NAME, HISTORY_NAME]


class SmallDisk(FileIO):
    """A file on a disk that is full after 100,000 bytes."""

    def write(self, content: Any) -> int:
        if self.tell() + memoryview(content).nbytes > 100_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(content)


def test_disk_full_during_write_raises_checkpoint_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, checkpoint(1.0))
    large = replace(checkpoint(2.0), network={"first": torch.zeros(10_000), "second": torch.zeros(100_000)})
    monkeypatch.setattr(Path, "open", lambda path, mode: SmallDisk(path, mode))
    with pytest.raises(CheckpointError, match=r"No space left on device.*previous one is kept.*--resume"):
        save_checkpoint(tmp_path, large)
    assert torch.equal(load_checkpoint(tmp_path).network["weight"], torch.ones(3, 2))
    assert sorted(path.name for path in tmp_path.iterdir()) == [CHECKPOINT_NAME, HISTORY_NAME]


def test_locked_run_removes_incomplete_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half_written: list[Path] = []
    with locked_run(tmp_path), monkeypatch.context() as watched:
        save_checkpoint(tmp_path, checkpoint(1.0))
        watched.setattr(os, "fsync", lambda _descriptor: half_written.extend(tmp_path.glob("*.tmp")))
        save_checkpoint(tmp_path, checkpoint(1.0))
    for left in half_written:
        left.write_bytes(b"half of a file")
    with locked_run(tmp_path):
        assert {path.name for path in tmp_path.iterdir()} == {CHECKPOINT_NAME, HISTORY_NAME, LOCK_NAME}
    assert torch.equal(load_checkpoint(tmp_path).network["weight"], torch.ones(3, 2))


def test_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint())
    path = tmp_path / CHECKPOINT_NAME
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CheckpointError, match=r"damaged.*--restart"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("change", [{"rounds": 3}, {"config": {"recipe": "gone"}}, {"history": [{"epoch": 1}]}])
def test_checkpoint_of_another_release_is_not_called_damaged(tmp_path: Path, change: dict[str, Any]) -> None:
    save_checkpoint(tmp_path, checkpoint())
    path = tmp_path / CHECKPOINT_NAME
    torch.save(torch.load(path, weights_only=True) | change, path)
    with pytest.raises(CheckpointError, match=r"format is that of another release.*--restart") as caught:
        load_checkpoint(tmp_path)
    assert "damaged" not in str(caught.value)


def test_pickled_object_is_not_executed(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "owned"),)

    torch.save({"config": Evil()}, tmp_path / CHECKPOINT_NAME)
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path)
    assert not (tmp_path / "owned").exists()


def test_load_without_checkpoint_is_none(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nothing to resume"):
        load_checkpoint(tmp_path)


def test_another_configuration_is_refused_with_the_difference() -> None:
    changed = small_recipe("mlp", batch_size=7, seed=5)
    with pytest.raises(CheckpointError, match=r"batch_size was 50, now 7; seed was 0, now 5"):
        require_same_run(checkpoint(), changed, "d" * 64, "s" * 64)


def test_other_data_is_refused_with_both_digests() -> None:
    require_same_run(checkpoint(), small_recipe("mlp"), "d" * 64, "s" * 64)
    with pytest.raises(CheckpointError, match=r"dddddddddddd.*eeeeeeeeeeee"):
        require_same_run(checkpoint(), small_recipe("mlp"), "e" * 64, "s" * 64)
