from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import DataError
from training.data.load import load_dataset


def test_unknown_data_set_error_lists_the_available_ones() -> None:
    with pytest.raises(DataError, match="no data set 'mnist': use cifar10, or folder:NAME"):
        load_dataset("mnist")


def test_load_passes_the_folder_to_the_loader(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of its files") as caught:
        load_dataset("cifar10", tmp_path)
    assert str(tmp_path) in str(caught.value)
