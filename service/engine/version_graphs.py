"""Graphs of one version: opens each with the preferred execution provider that passes the check."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from core.images.geometry import ModelInput
from core.repository.manifest import GRAPHS, Manifest, Precision
from core.repository.onnx_session import Provider
from core.schemas.api import ProviderStatus
from service.engine.arrays import Pixels
from service.engine.batch_sizes import SIZES
from service.engine.graph_opener import GraphOpener, OpenGraph, first_line
from service.engine.provider_check import Doubles, agreement, check_images, probabilities_of
from service.engine.provider_measurements import Measurement, Measurements
from service.engine.provider_policy import ProviderPolicy

log = logging.getLogger("duet.models")
_TIMED_BATCH = 32
_TIMED_SECONDS = 0.05
_MIN_SECONDS = 1e-6
"""Assumed resolution of the clock."""
_DIGITS = 7
"""Decimal digits of stored probabilities."""

Pair = tuple[Provider, Precision]


class VersionGraphs:
    """Opens the graphs of one version. Methods that open graphs block and are used from one thread at a time.

    Attributes:
        folder: folder of the version.
    """

    def __init__(self, manifest: Manifest, folder: Path, policy: ProviderPolicy, *, max_batch: int) -> None:
        self._manifest = manifest
        self.folder = folder
        self._policy = policy
        self._opener = GraphOpener(manifest, folder, max_batch=max_batch, parallel_runs=policy.parallel_runs)
        self._max_batch = max_batch
        self._batch = min(max_batch, _TIMED_BATCH)
        stored = policy.store.read(manifest) if len(policy.providers) > 1 else Measurements()
        self._references = dict(stored.references)
        self._published = set(stored.published)
        self._results = {(each.provider, each.precision): each for each in stored.results}
        self._stored = stored
        self._cpu: dict[Precision, OpenGraph] = {}
        self._images: Pixels | None = None

    def check_published(self, precision: Precision) -> None:
        """Open and run the graph of a precision with the `cpu` provider, and close it again; success is remembered.

        Raises:
            CorruptVersionError: the graph cannot be opened or run.
        """
        if precision in self._published:
            return
        self._open_cpu(precision)
        self._cpu.clear()
        self._published.add(precision)
        self._remember()

    def open_best(self, precisions: Sequence[Precision]) -> OpenGraph | None:
        """Open the graph with the best provider in one of `precisions`; None if no provider passes the check.

        The first group of the policy with a provider that passes is used, and in it the fastest provider.

        Raises:
            CorruptVersionError: the graph cannot be opened or run with the `cpu` provider.
        """
        try:
            for group in self._policy.groups:
                pairs = [(each, one) for each in group for one in precisions if one in each.precisions]
                chosen = self._best(pairs)
                if chosen is not None:
                    self._log(chosen, pairs)
                    return chosen
            return None
        finally:
            self._cpu.clear()
            self._images = None
            self._remember()

    def batches_to_compile(self, graph: OpenGraph) -> tuple[int, ...]:
        """Batch sizes up to 32 that have not been run yet, if the provider compiles the graph for each size."""
        if graph.provider.name != "openvino":
            return ()
        return tuple(size for size in SIZES if 1 < size < self._max_batch)

    def compile_batch(self, graph: OpenGraph, size: int) -> None:
        """Run a batch of `size` images, so that a later request does not wait for its compilation (10 to 30 ms).

        Raises:
            CorruptVersionError: the graph cannot be run.
        """
        self._opener.run_batch(graph.precision, graph.run, size)

    def statuses(self, open_graphs: Iterable[OpenGraph]) -> tuple[ProviderStatus, ...]:
        """Return the state of each measured provider and precision; those of `open_graphs` are loaded."""
        loaded = {(graph.provider.name, graph.precision): graph for graph in open_graphs}
        results = {
            pair: Measurement(
                provider=pair[0], precision=pair[1], images_per_second=round(1 / graph.seconds_per_image, 1)
            )
            for pair, graph in loaded.items()
        } | self._results
        return tuple(
            ProviderStatus(
                provider=each.provider,
                precision=each.precision,
                state="refused" if each.refused else "loaded" if pair in loaded else "standby",
                images_per_second=each.images_per_second,
                equal_classes=each.equal_classes,
                max_difference=each.max_difference,
                reason=each.refused,
            )
            for pair, each in sorted(results.items())
        )

    def refusals(self, precision: Precision) -> str:
        """Return the reasons for refusing providers in a precision."""
        refused = [each for each in list(self._results.values()) if each.precision == precision and each.refused]
        return "; ".join(f"{each.provider}: {each.refused}" for each in refused)

    def _best(self, pairs: Sequence[Pair]) -> OpenGraph | None:
        usable = self._without_slower([pair for pair in pairs if not self._result(pair).refused])
        rates = [self._result(pair).images_per_second for pair in usable]
        if len(usable) < 2 or all(rates):
            fastest_first = sorted(usable, key=lambda pair: self._result(pair).images_per_second or 0.0, reverse=True)
            opened = (self._open(pair, timed=len(pairs) > 1) for pair in fastest_first)
            return next((graph for graph in opened if graph is not None), None)
        best = None
        for pair in sorted(usable, key=lambda pair: pair[1] != "bf16"):
            if pair not in self._without_slower(usable):
                continue
            graph = self._open(pair, timed=True)
            if graph is not None and (best is None or graph.seconds_per_image < best.seconds_per_image):
                best = graph
        return best

    def _without_slower(self, pairs: Sequence[Pair]) -> list[Pair]:
        """The pairs without fp32 of providers that passed the check in bf16, which is never slower."""
        passed = {
            provider
            for provider, precision in pairs
            if precision == "bf16" and self._result((provider, precision)).images_per_second
        }
        return [(provider, precision) for provider, precision in pairs if precision != "fp32" or provider not in passed]

    def _open(self, pair: Pair, *, timed: bool) -> OpenGraph | None:
        """Open and check a graph; None if it is refused. With `timed`, its speed is measured unless it is known."""
        provider, precision = pair
        if provider.name == "cpu":
            graph = self._open_cpu(precision)
            return self._measure(graph, self._result(pair)) if timed else graph
        try:
            graph = self._opener.open(provider, precision)
            probabilities_NK = self._probabilities(graph)
        except Exception as error:  # onnxruntime has no common base class for its errors
            self._refuse(self._result(pair), f"the graph cannot be run ({first_line(error)})")
            return None
        agreed = agreement(probabilities_NK, self._reference(precision))
        checked = self._result(pair).model_copy(
            update={"equal_classes": agreed.equal_classes, "max_difference": agreed.max_difference}
        )
        problem = agreed.problem(precision)
        if problem is not None:
            self._refuse(checked, problem)
            return None
        return self._measure(graph, checked)

    def _open_cpu(self, precision: Precision) -> OpenGraph:
        if precision not in self._cpu:
            self._cpu[precision] = self._opener.open_cpu(precision)
        return self._cpu[precision]

    def _probabilities(self, graph: OpenGraph) -> Doubles:
        temperature = self._manifest.calibration_of(graph.precision).temperature
        return probabilities_of(graph.run, self._check_images(), batch=self._batch, temperature=temperature)

    def _reference(self, precision: Precision) -> Doubles:
        """Probabilities of the `cpu` provider on the check images, float64 [64, K]."""
        name = GRAPHS[precision]
        if name not in self._references:
            exact: Precision = "fp32" if precision == "bf16" else precision
            computed_NK = self._probabilities(self._open_cpu(exact)).round(_DIGITS)
            self._references[name] = tuple(tuple(row) for row in computed_NK.tolist())
        return np.asarray(self._references[name])

    def _check_images(self) -> Pixels:
        if self._images is None:
            spec = self._manifest.input
            self._images = check_images(self._policy.samples(), ModelInput(spec.height, spec.width, spec.geometry))
        return self._images

    def _measure(self, graph: OpenGraph, checked: Measurement) -> OpenGraph:
        """Return the graph with its speed, which is measured unless it is stored."""
        rate = checked.images_per_second or self._images_per_second(graph)
        self._results[graph.provider.name, graph.precision] = checked.model_copy(update={"images_per_second": rate})
        return OpenGraph(graph.provider, graph.precision, graph.run, 1 / rate)

    def _images_per_second(self, graph: OpenGraph) -> float:
        """Images per second of one thread of a graph that has run before.

        On the CPU this is CPU time, so that other processes do not matter.
        """
        clock = time.perf_counter if graph.provider.name == "cuda" else time.process_time
        batch_NHWC = self._check_images()[: self._batch]
        seconds: list[float] = []
        while sum(seconds) < _TIMED_SECONDS:
            started = clock()
            graph.run(batch_NHWC)
            seconds.append(max(clock() - started, _MIN_SECONDS))
        return round(len(batch_NHWC) / min(seconds), 1)

    def _result(self, pair: Pair) -> Measurement:
        provider, precision = pair
        found = self._results.get((provider.name, precision))
        return found or Measurement(provider=provider.name, precision=precision)

    def _refuse(self, result: Measurement, reason: str) -> None:
        self._results[result.provider, result.precision] = result.model_copy(update={"refused": reason})
        log.warning(
            "%s is not run by %s in %s: %s", self._manifest.reference, result.provider, result.precision, reason
        )

    def _log(self, chosen: OpenGraph, pairs: Sequence[Pair]) -> None:
        if len(self._policy.providers) < 2:
            return
        others = [
            f"{result.provider} {result.precision} {result.refused or f'{result.images_per_second:.0f} images/s'}"
            for pair in pairs
            if pair != (chosen.provider, chosen.precision)
            and ((result := self._result(pair)).refused or result.images_per_second)
        ]
        log.info(
            "%s is run by %s in %s at %.0f images/s (%s)",
            self._manifest.reference,
            chosen.provider.name,
            chosen.precision,
            1 / chosen.seconds_per_image,
            "; ".join(others) or "no other choice",
        )

    def _remember(self) -> None:
        # A refusal without a comparison, such as for lack of memory, may be temporary.
        results = [each for each in self._results.values() if not each.refused or each.equal_classes is not None]
        now = Measurements(
            references=self._references, results=tuple(results), published=tuple(sorted(self._published))
        )
        if len(self._policy.providers) > 1 and now != self._stored:
            self._policy.store.write(self._manifest, now)
            self._stored = now
