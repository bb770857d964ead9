from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import CheckpointError
from training.augment.teacher_rounds import SoftLabelFolder, StoredRounds

LOGITS = torch.tensor([[2.0, -4.0], [1.0, 8.0]]).half()
HINTS = torch.tensor([[1.0], [3.0]]).half()


def test_stored_round_is_read_with_calibrated_logits(tmp_path: Path) -> None:
    folder = SoftLabelFolder(tmp_path)
    folder.save(0, LOGITS, HINTS, 1.5)
    folder.save(1, -LOGITS, None, 2.0)
    rounds = StoredRounds(((folder, 2.0),), 2, hints=False)
    assert len(rounds) == 2
    assert torch.equal(rounds[0].logits_NK, LOGITS.float() / 2)
    assert torch.equal(rounds[-1].logits_NK, -LOGITS.float() / 2)
    assert [labels.hints_NF for labels in rounds] == [None, None]
    hints = StoredRounds(((folder, 2.0),), 1, hints=True)[0].hints_NF
    assert hints is not None
    assert torch.equal(hints, HINTS)
    assert folder.seconds([0, 1]) == 3.5


def test_logits_are_divided_in_float32(tmp_path: Path) -> None:
    folder = SoftLabelFolder(tmp_path)
    folder.save(0, torch.tensor([[11.0, -7.0]]).half(), None, 1.0)
    logits_NK = StoredRounds(((folder, 1.1),), 1, hints=False)[0].logits_NK
    assert logits_NK[0].tolist() == pytest.approx([10.0, -7.0 / 1.1], abs=1e-6)


def test_several_teachers_average_their_probabilities(tmp_path: Path) -> None:
    folders = [SoftLabelFolder(tmp_path / name) for name in "ab"]
    for number, folder in enumerate(folders):
        folder.path.mkdir()
        folder.save(0, LOGITS * (1 - 2 * number), None, 1.0)
    rounds = StoredRounds(((folders[0], 2.0), (folders[1], 0.5)), 1, hints=False)
    expected = ((LOGITS.float() / 2).softmax(1) + (-LOGITS.float() / 0.5).softmax(1)) / 2
    assert torch.allclose(rounds[0].logits_NK.softmax(1), expected, atol=1e-6)


def test_stored_rounds_are_limited_to_the_run(tmp_path: Path) -> None:
    folder = SoftLabelFolder(tmp_path)
    for number in range(3):
        folder.save(number, LOGITS * number, None, 1.0)
    rounds = StoredRounds(((folder, 1.0),), 2, hints=False)
    with pytest.raises(IndexError):
        rounds[2]
    assert [float(labels.logits_NK[0, 0]) for labels in rounds[:]] == [0.0, 2.0]


def test_stored_rounds_are_not_cached_in_memory(tmp_path: Path) -> None:
    folder = SoftLabelFolder(tmp_path)
    folder.save(0, LOGITS, None, 1.0)
    rounds = StoredRounds(((folder, 1.0),), 1, hints=False)
    assert torch.equal(rounds[0].logits_NK, LOGITS.float())
    np.save(tmp_path / "round-0.npy", (2 * LOGITS).numpy())
    assert torch.equal(rounds[0].logits_NK, 2 * LOGITS.float())


def test_existing_logits_are_kept_and_times_added(tmp_path: Path) -> None:
    folder = SoftLabelFolder(tmp_path)
    folder.save(0, LOGITS, None, 1.0)
    assert folder.has(0, hints=False)
    assert not folder.has(0, hints=True)
    folder.save(0, 3 * LOGITS, HINTS, 2.0)
    assert folder.has(0, hints=True)
    assert torch.equal(folder.read(0, temperature=1.0, hints=True).logits_NK, LOGITS.float())
    assert folder.seconds([0]) == 3.0


def test_damaged_file_is_named(tmp_path: Path) -> None:
    folder = SoftLabelFolder(tmp_path)
    folder.save(0, LOGITS, None, 1.0)
    (tmp_path / "round-0.npy").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"round-0\.npy.*delete the file.*--resume"):
        folder.read(0, temperature=1.0, hints=False)
