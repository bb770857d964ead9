from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser import chromium, served_site
from tests.support.service import ServiceProcess


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service with the shipped models and the keys of `tests.support.browser`, with a broker and a worker."""
    with served_site(tmp_path_factory.mktemp("home")) as service:
        yield service
