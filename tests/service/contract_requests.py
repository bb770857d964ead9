"""Responses to generated requests match openapi.json, and there is no 500; test_contract.py runs these tests.

schemathesis generates valid and invalid requests from the document, the same ones in each run.
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

# pyproject.toml disables the plugin for all other tests.
pytest_plugins = ["schemathesis.pytest.plugin"]
KEY = "k" * 16
DESCRIPTION = Path(__file__).parents[2] / "openapi.json"


def config(examples: int, *, boundaries: bool) -> SchemathesisConfig:
    """Configuration with at most `examples` random requests of each kind per operation.

    With `boundaries`, also about 20 requests per operation with boundary values, wrong types and missing fields.
    """
    return SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "auth": {"openapi": {"key": {"api_key": KEY}}},
            "generation": {"max-examples": examples, "deterministic": True},
            "phases": {"stateful": {"enabled": False}, "coverage": {"enabled": boundaries}},
            # A schema cannot describe a valid image, a valid cursor or an unused idempotency key.
            "checks": {"positive_data_acceptance": {"enabled": False}},
        }
    )


@schemathesis.serializer("application/zip")
def _as_it_is(_: schemathesis.SerializationContext, value: Any) -> Any:
    return value


one_each = schemathesis.openapi.from_path(DESCRIPTION, config=config(1, boundaries=False))
many_each = schemathesis.openapi.from_path(DESCRIPTION, config=config(20, boundaries=True))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service with a broker and no worker, so that jobs stay queued."""
    home = tmp_path_factory.mktemp("home")
    write_explainable(home)
    with service_process(
        home,
        DUET_API_KEYS=f"admin:{KEY}",
        DUET_EMBEDDED_BROKER="1",
        DUET_EMBEDDED_WORKER="0",
    ) as running:
        yield running


@one_each.parametrize()
def test_generated_request_matches_the_openapi_document(case: schemathesis.Case[Any], service: ServiceProcess) -> None:
    case.call_and_validate(base_url=service.url)


@pytest.mark.timeout(1800)
@many_each.parametrize()
def test_responses_match_the_openapi_document(case: schemathesis.Case[Any], service: ServiceProcess) -> None:
    case.call_and_validate(base_url=service.url)
