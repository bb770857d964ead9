"""Session fixtures of the `docker` tests: one run of all containers, with timings printed at the end."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.compose import Stack, running_stack, upload, why_not

FIGURES = pytest.StashKey[dict[str, str]]()


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Every service in one container; a test that changes this restores it. Skips without a Docker engine."""
    if reason := why_not():
        pytest.skip(reason)
    with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        request.config.stash[FIGURES] = stack.figures
        yield stack


@pytest.fixture(scope="session")
def client(stack: Stack) -> Iterator[httpx.Client]:
    """A client with the key that the service generated."""
    code, output = stack.in_api("duet", "key")
    assert code == 0, output
    with httpx.Client(base_url=stack.url, headers={"X-API-Key": output.split()[-1]}, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def colours(client: httpx.Client) -> None:
    """Upload the data set `colours`."""
    upload(client)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the measurements of the containers, if they ran."""
    figures = config.stash.get(FIGURES, {})
    if figures:
        terminalreporter.section("containers")
        width = max(map(len, figures))
        for what, figure in figures.items():
            terminalreporter.write_line(f"{what:{width}}  {figure}")
