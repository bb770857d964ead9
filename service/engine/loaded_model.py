"""Loaded model versions: verifies a version, opens its graphs on demand, and keeps them with their queues."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass

from core.errors import CorruptVersionError
from core.images.geometry import ModelInput
from core.repository.graph_records import Calibration
from core.repository.integrity import unlisted_files
from core.repository.manifest import GRADIENT_GRAPH, GRAPHS, Manifest, Precision
from core.repository.repository import ModelRepository
from core.schemas.api import ProviderStatus
from service.engine.gradient_model import GradientGraph
from service.engine.graph_opener import OpenGraph
from service.engine.postprocess import with_postprocessing
from service.engine.provider_policy import AUTOMATIC, ProviderPolicy
from service.engine.queue import ModelQueue
from service.engine.version_graphs import VersionGraphs
from service.errors import PrecisionNotPublishedError, VersionRefusedError, ViewsNotMeasuredError

log = logging.getLogger("duet.models")
_HASHED = (".onnx", ".safetensors")
"""Suffixes of files that onnxruntime opens."""
_NO_BF16 = (
    "no execution provider of this machine computes in bf16, which needs an Intel CPU with avx512_bf16 or amx_bf16, "
    "the extra `openvino` and DUET_PROVIDERS with openvino or auto"
)


@dataclass(frozen=True)
class ModelVariant:
    """A loaded version in one precision, ready to serve requests.

    Attributes:
        manifest: manifest of the version.
        precision: number format of the predictions.
        queue: queue of the graph.
        gradient: gradient graph for explanations, shared by all precisions; None if the version has no gradient.onnx.
    """

    manifest: Manifest
    precision: Precision
    queue: ModelQueue
    gradient: GradientGraph | None = None

    @property
    def family(self) -> str:
        """Name of the model family."""
        return self.manifest.family

    @property
    def version(self) -> int:
        """Version number within the family."""
        return self.manifest.version

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels of the input images."""
        return self.manifest.input.height, self.manifest.input.width

    @property
    def input(self) -> ModelInput:
        """Size of the input images, and the way other images are fitted to it."""
        spec = self.manifest.input
        return ModelInput(spec.height, spec.width, spec.geometry)

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names; label k belongs to logit k."""
        return self.manifest.class_names

    @property
    def calibration(self) -> Calibration:
        """Temperature and thresholds of this precision."""
        return self.manifest.calibration_of(self.precision)

    @property
    def calibration_of_averages(self) -> Calibration:
        """Temperature and thresholds for logits averaged over the views of `core.images.tta_views`.

        Raises:
            ViewsNotMeasuredError: the version was published without them.
        """
        record = self.manifest.averaged_views_of(self.precision)
        if record is None:
            raise ViewsNotMeasuredError(self.manifest.reference)
        return record.calibration


class LoadedModel:
    """A loaded version. The graph of its default precision is open; others are opened at the first request for them.

    Attributes:
        manifest: manifest of the version.
        default: the variant for requests that name no precision.
    """

    def __init__(
        self, manifest: Manifest, graphs: VersionGraphs, default: OpenGraph, policy: ProviderPolicy, loader: Executor
    ) -> None:
        """`loader` is the thread that loads versions; it opens graphs one at a time."""
        self.manifest = manifest
        self._graphs = graphs
        self._precisions = policy.precisions(manifest)
        self._loader = loader
        folder = graphs.folder
        self._gradient = (
            GradientGraph(manifest, folder / GRADIENT_GRAPH, loader) if GRADIENT_GRAPH in manifest.files else None
        )
        self._open_graphs: dict[Precision, OpenGraph] = {}
        self._variants: dict[Precision, ModelVariant] = {}
        self._opening: dict[Precision, asyncio.Future[OpenGraph | None]] = {}
        self.default = self._add(default)

    @property
    def version(self) -> int:
        """Version number within the family."""
        return self.manifest.version

    def variants(self) -> list[ModelVariant]:
        """The variants whose graphs are open."""
        return list(self._variants.values())

    def providers(self) -> tuple[ProviderStatus, ...]:
        """The state of each execution provider that was measured for this version."""
        return self._graphs.statuses(list(self._open_graphs.values()))

    def opened(self, precision: Precision | None = None) -> ModelVariant | None:
        """Return the variant of `precision` if its graph is open, otherwise None; None means the default precision.

        Raises:
            PrecisionNotPublishedError: the version cannot be served in this precision.
        """
        if precision is None:
            return self.default
        if precision not in self._precisions:
            raise self._not_served(precision, _why_no_bf16(self.manifest) if precision == "bf16" else None)
        return self._variants.get(precision)

    async def variant(self, precision: Precision | None = None) -> ModelVariant:
        """Return the variant of `precision`, and open its graph if necessary; concurrent callers share one opening.

        Raises:
            PrecisionNotPublishedError: the version cannot be served in this precision.
            VersionRefusedError: the graph cannot be opened.
        """
        found = self.opened(precision)
        if found is not None or precision is None:
            return found or self.default
        opening = self._opening.get(precision)
        if opening is None or (opening.done() and opening.exception()):
            opening = asyncio.get_running_loop().run_in_executor(self._loader, self._graphs.open_best, [precision])
            self._opening[precision] = opening
        try:
            graph = await asyncio.shield(opening)
        except (CorruptVersionError, TimeoutError) as error:
            raise VersionRefusedError(self.manifest.family, self.manifest.version, str(error)) from error
        if graph is None:
            raise self._not_served(precision, self._graphs.refusals(precision))
        return self._variants.get(precision) or self._add(graph)

    def _add(self, graph: OpenGraph) -> ModelVariant:
        manifest, precision = self.manifest, graph.precision
        run_batch = with_postprocessing(graph.run, manifest.calibration_of(precision))
        queue = ModelQueue(manifest.family, manifest.version, run_batch, graph.seconds_per_image, precision)
        self._open_graphs[precision] = graph
        self._variants[precision] = ModelVariant(manifest, precision, queue, self._gradient)
        self._compile(graph, list(self._graphs.batches_to_compile(graph)))
        return self._variants[precision]

    def _compile(self, graph: OpenGraph, sizes: Sequence[int]) -> None:
        """Compile a graph for batch sizes on the loader thread, one at a time, so that other versions can load."""

        def compile_next() -> None:
            self._graphs.compile_batch(graph, sizes[0])
            self._compile(graph, sizes[1:])

        if sizes:
            with suppress(RuntimeError):  # the loader is shut down
                self._loader.submit(compile_next)

    def _not_served(self, precision: Precision, reason: str | None) -> PrecisionNotPublishedError:
        return PrecisionNotPublishedError(
            self.manifest.reference, precision, [one for one in self._precisions if one != precision], reason
        )


def load_model(
    repository: ModelRepository,
    family: str,
    version: int,
    *,
    max_batch: int,
    loader: Executor,
    policy: ProviderPolicy,
) -> LoadedModel:
    """Verify, open and warm up a version. The call blocks while it hashes the files and runs the model.

    Args:
        repository: repository that holds the version.
        family: model family.
        version: version number.
        max_batch: largest batch size.
        loader: thread on which other graphs are opened when a request first needs them.
        policy: execution providers and preferred precision.

    Raises:
        UnknownFamilyError, UnknownVersionError: the repository has no such version.
        CorruptVersionError: a file differs from its manifest, or a graph cannot be opened or run.
    """
    manifest = repository.verify(family, version)
    _check_listed(repository, manifest)
    if "fp32" not in manifest.calibration:
        raise CorruptVersionError(f"{manifest.reference}: the manifest has no calibration for fp32")
    graphs = VersionGraphs(manifest, repository.folder(family, version), policy, max_batch=max_batch)
    default = _open_default(graphs, manifest, policy)
    for precision in manifest.calibration:
        if GRAPHS[precision] != GRAPHS[default.precision]:
            graphs.check_published(precision)
    return LoadedModel(manifest, graphs, default, policy, loader)


def _open_default(graphs: VersionGraphs, manifest: Manifest, policy: ProviderPolicy) -> OpenGraph:
    """Open the graph of the preferred precision; fp32 if the version cannot be served in it."""
    available = policy.precisions(manifest)
    wanted = AUTOMATIC if policy.preferred == "auto" else (policy.preferred,)
    precisions = [precision for precision in wanted if precision in available]
    graph = graphs.open_best(precisions) if precisions else None
    if graph is not None:
        return graph
    if policy.preferred == "bf16":
        reason = graphs.refusals("bf16") or _why_no_bf16(manifest)
        log.warning("%s is served in fp32, although DUET_PRECISION is bf16: %s", manifest.reference, reason)
    exact = graphs.open_best(["fp32"])
    if exact is None:  # the policy always has `cpu`, which either runs the graph or raises
        raise CorruptVersionError(f"{manifest.reference}: no execution provider runs model.onnx")
    return exact


def _why_no_bf16(manifest: Manifest) -> str:
    record = manifest.bf16
    return _NO_BF16 if record is None or record.accepted else f"when it was published, bf16 was {record.verdict}"


def _check_listed(repository: ModelRepository, manifest: Manifest) -> None:
    """Check that the manifest lists all graphs and weights, so that their hashes were verified."""
    folder = repository.folder(manifest.family, manifest.version)
    unlisted = {GRAPHS[precision] for precision in manifest.calibration} - manifest.files.keys()
    unlisted |= {name for name in unlisted_files(folder, manifest) if name.endswith(_HASHED)}
    if unlisted:
        names = ", ".join(sorted(unlisted))
        raise CorruptVersionError(
            f"{manifest.reference}: the manifest does not list {names}, which would be used unverified"
        )
