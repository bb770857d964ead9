from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.exports import exported_once
from tests.support.published_pair import PublishedPair, published_pair
from tests.support.training_runs import small_images
from training.data.split_dataset import Images


@pytest.fixture(scope="session", autouse=True)
def _exports() -> Iterator[None]:
    with exported_once():
        yield


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> PublishedPair:
    return published_pair(tmp_path_factory)


@pytest.fixture(scope="session")
def images() -> Images:
    """Images that a test must not change."""
    return small_images()
