from __future__ import annotations

import pytest

from tests.support.published_pair import PublishedPair, published_pair


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> PublishedPair:
    return published_pair(tmp_path_factory)
