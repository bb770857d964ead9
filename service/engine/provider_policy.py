"""Provider policy: the execution providers that may run versions, in order, and the preferred precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from core.repository.graph_records import ProviderName
from core.repository.manifest import Manifest, Precision
from core.repository.onnx_session import Provider, find_provider, find_providers, installed_providers
from service.engine.arrays import Pixels
from service.engine.provider_measurements import MeasurementStore

PreferredPrecision: TypeAlias = Precision | Literal["auto"]
ProviderSetting: TypeAlias = ProviderName | Literal["auto"]
AUTOMATIC: tuple[Precision, ...] = ("fp32", "bf16")
"""Precisions that `auto` chooses from. int8 is only used on request, because it may lose accuracy."""


@dataclass(frozen=True)
class ProviderPolicy:
    """Choice of the provider that runs a version.

    Attributes:
        groups: groups of providers, the preferred one first; in a group, the fastest one is chosen. The last one
            contains `cpu`.
        preferred: precision of requests that do not name one; `auto` is the fastest of AUTOMATIC.
        parallel_runs: number of batches that run at a time.
        samples: returns the images that the check images are made from, each uint8 [h, w, 3].
        store: stored measurements.
    """

    groups: tuple[tuple[Provider, ...], ...]
    preferred: PreferredPrecision
    parallel_runs: int
    samples: Callable[[], Sequence[Pixels]]
    store: MeasurementStore

    @property
    def providers(self) -> tuple[Provider, ...]:
        """All providers."""
        return tuple(provider for group in self.groups for provider in group)

    def precisions(self, manifest: Manifest) -> tuple[Precision, ...]:
        """Precisions in which a version can be run on this machine if the providers pass the check.

        bf16 is left out if the version did not pass its acceptance test when it was published.
        """
        offered = frozenset[Precision]().union(*(provider.precisions for provider in self.providers))
        judged = manifest.bf16 is None or manifest.bf16.accepted
        published: list[Precision] = [*manifest.calibration, *(("bf16",) if judged else ())]
        return tuple(precision for precision in published if precision in offered)

    def precision_before_loading(self, manifest: Manifest) -> Precision | None:
        """Precision of requests that do not name one, for a version that is not loaded; None if measurements decide."""
        possible = [
            precision
            for precision in (AUTOMATIC if self.preferred == "auto" else (self.preferred,))
            if precision in self.precisions(manifest)
        ]
        if not possible:
            return "fp32"
        return None if "bf16" in possible else possible[0]


def provider_groups(names: Sequence[ProviderSetting]) -> tuple[tuple[Provider, ...], ...]:
    """Groups of providers for the setting DUET_PROVIDERS: `auto` alone, or names in order of preference.

    Raises:
        ProviderMissingError: a named provider is not available; the message says what to install.
    """
    if "auto" in names:
        return (installed_providers(),)
    named = find_providers([name for name in names if name != "auto"])
    if all(provider.name != "cpu" for provider in named):
        named = (*named, find_provider("cpu"))
    return tuple((provider,) for provider in named)
