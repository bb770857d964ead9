from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from service.jobs.store.store import JobStore
from tests.support.broker import Broker, running_broker
from tests.support.service import RunningApp, running_app, settings_for, write_home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose champions are cnn@1 and its opposite mlp@1."""
    write_home(tmp_path)
    return tmp_path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApp]:
    """As `running`, for modules whose tests leave the app unchanged; they run in the event loop of the module."""
    home = tmp_path_factory.mktemp("home")
    write_home(home)
    async with running_app(settings_for(home, max_body_bytes=200_000, max_pixels=1_000_000)) as app:
        yield app


@pytest.fixture
async def running(home: Path) -> AsyncIterator[RunningApp]:
    """The ready app over `home`, with small limits."""
    settings = settings_for(home, max_body_bytes=200_000, max_pixels=1_000_000)
    async with running_app(settings) as app:
        yield app


@pytest.fixture(scope="session")
def shared_broker() -> Iterator[Broker]:
    """Shared server for tests that do not kill it."""
    with running_broker() as broker:
        yield broker


@pytest.fixture
def broker(shared_broker: Broker) -> Broker:
    """The shared server, emptied."""
    with shared_broker.client() as client:
        client.flushall()
    return shared_broker


@pytest.fixture
def mortal_broker() -> Iterator[Broker]:
    """Server of one test, which may kill it."""
    with running_broker() as broker:
        yield broker


@pytest.fixture
def store(broker: Broker) -> Iterator[JobStore]:
    store = JobStore.open(broker.url)
    yield store
    store.client.close()
