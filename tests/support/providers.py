"""Execution providers for tests: a policy of `cpu` alone, and a stand-in for OpenVINO that needs no plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from core.repository.graph_records import ProviderName
from core.repository.manifest import Precision
from core.repository.onnx_session import Provider, find_provider, installed_providers, open_session
from service.engine import graph_opener, provider_policy
from service.engine.graph_opener import OpenGraph
from service.engine.provider_measurements import MeasurementStore
from service.engine.provider_policy import PreferredPrecision, ProviderPolicy
from service.engine.version_graphs import VersionGraphs

needs_openvino = pytest.mark.skipif(
    all(provider.name != "openvino" for provider in installed_providers()),
    reason="needs the extra `openvino`, on x86-64 Linux",
)
needs_bf16 = pytest.mark.skipif(
    all("bf16" not in provider.precisions for provider in installed_providers()),
    reason="needs the extra `openvino` and an Intel CPU with avx512_bf16 or amx_bf16",
)
STAND_IN = Provider("openvino", frozenset({"fp32", "bf16", "int8"}), "stand-in 1")
Pixels = npt.NDArray[np.uint8]


def samples() -> list[Pixels]:
    """Return twenty gray images, uint8 [8, 8, 3]."""
    return [np.full((8, 8, 3), round(index * 255 / 19), np.uint8) for index in range(20)]


def policy_of(home: Path, *providers: Provider, preferred: PreferredPrecision = "auto") -> ProviderPolicy:
    """Return a policy that chooses the fastest one of `providers`."""
    store = MeasurementStore(home / "cache" / "providers", [provider.versions for provider in providers])
    return ProviderPolicy((providers,), preferred, parallel_runs=1, samples=samples, store=store)


def cpu_policy(home: Path) -> ProviderPolicy:
    """Return a policy of the `cpu` provider alone."""
    return policy_of(home, find_provider("cpu"))


class StandIn:
    """Stand-in for OpenVINO: the `cpu` provider, with errors that a test sets.

    Attributes:
        errors: added to the logit of class 0, by precision.
        broken: precisions whose graphs cannot be opened.
        rates: images per second.
        opened: opened graphs, in order.
        timed: timed graphs, in order.
    """

    def __init__(self) -> None:
        self.errors: dict[Precision, float] = {}
        self.broken: set[Precision] = set()
        self.rates: dict[tuple[ProviderName, Precision], float] = {("openvino", "bf16"): 1000.0}
        self.opened: list[tuple[ProviderName, Precision]] = []
        self.timed: list[tuple[ProviderName, Precision]] = []

    def open_session(self, path: Path, *, provider: ProviderName, precision: Precision, **options: Any) -> Any:
        """Open a graph as `core.repository.onnx_session.open_session`."""
        self.opened.append((provider, precision))
        if provider == "openvino" and precision in self.broken:
            raise RuntimeError("no kernel")
        session = open_session(path, threads=options["threads"])
        return _Shifted(session, self.errors.get(precision, 0.0)) if provider == "openvino" else session

    def images_per_second(self, graph: OpenGraph) -> float:
        """Return the rate of a graph; 100 by default."""
        pair = graph.provider.name, graph.precision
        self.timed.append(pair)
        return self.rates.get(pair, 100.0)


class _Shifted:
    def __init__(self, session: Any, error: float) -> None:
        self._session = session
        self._error = error

    def run(self, names: list[str], feeds: dict[str, Any]) -> list[npt.NDArray[np.float32]]:
        logits_NK = self._session.run(names, feeds)[0].copy()
        logits_NK[:, 0] += self._error
        return [logits_NK]


def install_stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Make `cpu` and the stand-in the installed providers."""
    stand_in = StandIn()
    installed = find_provider("cpu"), STAND_IN
    by_name = {provider.name: provider for provider in installed}
    monkeypatch.setattr(graph_opener, "open_session", stand_in.open_session)
    monkeypatch.setattr(VersionGraphs, "_images_per_second", lambda _, graph: stand_in.images_per_second(graph))
    monkeypatch.setattr(provider_policy, "installed_providers", lambda: installed)
    monkeypatch.setattr(provider_policy, "find_providers", lambda names: tuple(by_name[name] for name in names))
    return stand_in
