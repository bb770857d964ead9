"""Staging of uploads: limits are checked when the images join the data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.images.dataset_deletion import delete_dataset
from core.images.labelled_folders import dataset_names
from service.datasets.files import limits_of
from service.datasets.quota import UPLOADED_NAME, Owner
from service.datasets.staging import Staging
from service.errors import DatasetQuotaError, DatasetTooLargeError, NotReadyError
from tests.support.service import settings_for


@pytest.mark.parametrize("second", ["cats", "pets"])
def test_simultaneous_uploads_share_the_limit_of_all_data_sets(tmp_path: Path, second: str) -> None:
    limits = replace(limits_of(settings_for(tmp_path)), all_bytes=1_000)
    uploads = {name: Staging(tmp_path, Owner("a", None)) for name in ("first", "second")}
    try:
        for name, staging in uploads.items():
            staging.write("cat", f"{name}.png", b"x" * 600)
        assert uploads["first"].install("pets", limits).bytes == 600
        with pytest.raises(DatasetTooLargeError, match="all data sets together may have at most 1,000 bytes"):
            uploads["second"].install(second, limits)
        assert dataset_names(tmp_path) == ["pets"]
        assert [path.name for path in (tmp_path / "datasets" / "pets" / "cat").iterdir()] == ["first.png"]
    finally:
        for staging in uploads.values():
            staging.close()


def staged(home: Path, owner: Owner, count: int, name: str = "one") -> Staging:
    staging = Staging(home, owner)
    staging.write("cat", f"{name}.png", b"x" * count)
    return staging


def test_quota_counts_the_images_of_a_key_in_all_data_sets(tmp_path: Path) -> None:
    limits, owner = limits_of(settings_for(tmp_path)), Owner("a", 1_000)
    for name, count in (("cats", 400), ("pets", 500)):
        staged(tmp_path, owner, count).install(name, limits)
    staged(tmp_path, Owner("b", 1_000), 900, "other").install("pets", limits)
    over = staged(tmp_path, owner, 101, "two")
    with pytest.raises(DatasetQuotaError, match="take 900 bytes, the quota is 1,000 bytes"):
        over.install("pets", limits)
    staged(tmp_path, owner, 100, "three").install("cats", limits)
    delete_dataset(tmp_path, "cats", actor="someone", reason="a test")
    staged(tmp_path, owner, 500, "four").install("cats", limits)


def test_damaged_record_of_uploads_is_an_error(tmp_path: Path) -> None:
    limits, owner = limits_of(settings_for(tmp_path)), Owner("a", 1_000)
    staged(tmp_path, owner, 10).install("pets", limits)
    (tmp_path / "datasets" / "pets" / UPLOADED_NAME).write_text("{")
    with pytest.raises(NotReadyError, match="delete it"):
        staged(tmp_path, owner, 10, "two").install("pets", limits)
