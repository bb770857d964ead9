from __future__ import annotations

import pytest

from tests.support.published_pair import PublishedPair, publish_pair


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> PublishedPair:
    return publish_pair(tmp_path_factory.mktemp("pair"))
