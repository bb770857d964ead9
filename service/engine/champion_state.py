"""State of a champion: loaded or not, precision and execution provider, refusals."""

from __future__ import annotations

from dataclasses import dataclass

from core.repository.graph_records import ProviderName
from core.repository.manifest import Precision
from service.engine.loaded_model import LoadedModel


@dataclass(frozen=True)
class ChampionState:
    """State of the champion of one family in this process.

    Attributes:
        refused: True if the last attempt to load the version failed.
        precision, provider: those of requests that name none; None while the version is not loaded.
        refused_providers: execution providers that the check refused, in any precision.
    """

    family: str
    version: int
    refused: bool
    precision: Precision | None = None
    provider: ProviderName | None = None
    refused_providers: frozenset[ProviderName] = frozenset()


def champion_state(family: str, version: int, served: LoadedModel | None, refusal: str | None) -> ChampionState:
    """State of `family`@`version`, of which `served` is the loaded version of the family and `refusal` the problem."""
    if served is None or served.version != version:
        return ChampionState(family, version, refusal is not None)
    statuses, precision = served.providers(), served.default.precision
    return ChampionState(
        family,
        version,
        refused=False,
        precision=precision,
        provider=next(
            (each.provider for each in statuses if each.state == "loaded" and each.precision == precision), None
        ),
        refused_providers=frozenset(each.provider for each in statuses if each.state == "refused"),
    )
