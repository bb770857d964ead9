"""torchvision's reader of the files of CIFAR-10."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torchvision.datasets import CIFAR10

from core.images.cifar_files import META_FILE, TEST_FILE


class TorchvisionFiles(CIFAR10):  # type: ignore[misc]
    """Reader for a folder of any name and any list of files; it checks every md5 again."""

    def __init__(self, folder: Path, files: Sequence[tuple[str, str]], *, train: bool) -> None:
        self.train_list = [list(file) for file in files if file[0] not in (TEST_FILE, META_FILE)]
        self.test_list = [list(file) for file in files if file[0] == TEST_FILE]
        self.meta = {**CIFAR10.meta, "md5": dict(files)[META_FILE]}
        self.base_folder = folder.name
        super().__init__(folder.parent, train=train)
