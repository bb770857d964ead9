from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cifar_server import PublishedCifar, published_cifar


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PublishedCifar]:
    """A small archive like the published one, on a local server."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with published_cifar(tmp_path / "published") as served:
        yield served
