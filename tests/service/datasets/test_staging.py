"""Staging of uploads: limits are checked when the images join the data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.images.labelled_folders import dataset_names
from service.datasets.files import limits_of
from service.datasets.staging import Staging
from service.errors import DatasetTooLargeError
from tests.support.service import settings_for


@pytest.mark.parametrize("second", ["cats", "pets"])
def test_simultaneous_uploads_share_the_limit_of_all_data_sets(tmp_path: Path, second: str) -> None:
    limits = replace(limits_of(settings_for(tmp_path)), all_bytes=1_000)
    uploads = {name: Staging(tmp_path) for name in ("first", "second")}
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
