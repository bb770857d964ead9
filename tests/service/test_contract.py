"""Contract test: responses to generated requests match openapi.json, and there is no 500.

The requests are made by schemathesis from the description alone: right ones and wrong ones, the same in each run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig

from tests.support.gradient_graphs import write_explainable
from tests.support.service import ServiceProcess, service_process

KEY = "k" * 16
MAX_EXAMPLES = 6
CONFIG = SchemathesisConfig.from_dict(
    {
        "seed": 1,
        "auth": {"openapi": {"key": {"api_key": KEY}}},
        "generation": {"max-examples": MAX_EXAMPLES, "deterministic": True},
        "phases": {"stateful": {"enabled": False}},
        # What is an image, a cursor or an idempotency key that nobody had before, a schema cannot say.
        "checks": {"positive_data_acceptance": {"enabled": False}},
    }
)


@schemathesis.serializer("application/zip")
def _as_it_is(_: schemathesis.SerializationContext, value: Any) -> Any:
    return value


described = schemathesis.openapi.from_path(Path(__file__).parents[2] / "openapi.json", config=CONFIG)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service with a broker of its own and no worker, so that jobs are recorded and wait."""
    home = tmp_path_factory.mktemp("home")
    write_explainable(home)
    with service_process(
        home,
        DUET_API_KEYS=f"admin:{KEY}",
        DUET_EMBEDDED_BROKER="1",
        DUET_EMBEDDED_WORKER="0",
    ) as running:
        yield running


@pytest.mark.slow
@described.parametrize()
def test_answers_are_as_described(case: schemathesis.Case[Any], service: ServiceProcess) -> None:
    case.call_and_validate(base_url=service.url)
