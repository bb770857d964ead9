"""Import of an ONNX file (`duet models import`): wrap -> calibrate -> evaluate -> parity -> publish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from core.errors import DataError, ExportError, shortened
from core.repository.graph_records import ParityRecord
from core.repository.manifest import GRAPHS, CostRecord, Geometry, InputSpec, LicenceRecord, Manifest, sha256_of
from core.repository.onnx_session import open_session
from core.repository.publishing import Staging, reserve
from core.repository.repository import ModelRepository
from training.data.split_dataset import Images, TrainingPart
from training.evaluation.evaluate import EvaluationResult, evaluate
from training.export.imported_graph import (
    are_probabilities,
    as_logits,
    count_macs,
    count_parameters,
    write_served_graph,
)
from training.export.run_onnx import MAX_LOGIT_DIFFERENCE
from training.export.source_graph import SourceGraph
from training.publish.holdout_champions import write_champion_predictions, write_image_keys
from training.publish.version_files import data_record, evaluate_corrupted, write_evaluation_files
from training.run.environment import environment_record, source_digest
from training.run.reporter import Reporter

RECIPE = "import"
ARCHITECTURE: Final = "imported"
_TRAINED_ON: tuple[TrainingPart, ...] = ("train", "validation")
"""Parts that count as trained on, because the origin of the weights is unknown."""
_BATCH = 100
_PROBED = 100
"""Training images that show if the outputs are probabilities."""


@dataclass(frozen=True)
class ImportSettings:
    """Properties of a file that its graph does not state.

    Attributes:
        class_names: class of each output.
        mean: per channel, subtracted from pixels on the [0, 1] scale.
        std: per channel, divides the difference.
        geometry: fit of images that are not square.
    """

    class_names: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    geometry: Geometry


def import_version(
    source: SourceGraph,
    settings: ImportSettings,
    images: Images,
    repository: ModelRepository,
    family: str,
    *,
    reporter: Reporter,
    threads: int,
) -> Manifest:
    """Publish an imported graph as the next version of `family`, calibrated on the holdout of `images`.

    Args:
        source: the file, from `read_graph`.
        settings: its classes and scaling.
        images: data set in the size of the graph's input.
        repository: receives the version.
        family: name of the family, existing or new.
        reporter: receives stages.
        threads: onnxruntime threads.

    Raises:
        DataError: the classes differ from those of the data set, or the graph cannot be run.
        ExportError: the served graph disagrees with the file.
        PublishError: the version cannot be written; no files remain.
    """
    order = _order(settings, images)
    probabilities = are_probabilities(
        _outputs(source, settings, images.part("train").images_NHWC[:_PROBED], threads=threads)
    )
    with reserve(repository, family) as staging:
        reporter.stage(f"wrap {source.path.name} as {staging.reference}")
        write_served_graph(
            source, staging.folder, mean=settings.mean, std=settings.std, order=order, probabilities=probabilities
        )
        reporter.stage("calibrate on the holdout, evaluate on the test images")
        parity = partial(_parity, source, settings, order, probabilities, threads)
        graph = staging.folder / GRAPHS["fp32"]
        result = evaluate(graph, parity, images, validate=False, threads=threads, int8=False)
        reporter.stage("evaluate on corrupted holdout images")
        corrupted = evaluate_corrupted(staging, ARCHITECTURE, images, result, threads=threads)
        write_image_keys(staging.folder, images, _TRAINED_ON, repository, None)
        write_champion_predictions(
            staging.folder, images, settings.geometry, repository, family, threads=threads, note=reporter.note
        )
        reporter.stage("publish")
        manifest = _manifest(staging, source, settings, images, result, threads=threads)
        manifest = write_evaluation_files(staging, manifest, result, corrupted, ())
        reporter.writing("publish")
        staging.publish(manifest)
    return manifest


def _order(settings: ImportSettings, images: Images) -> list[int]:
    """Output of the file for each class of the data set."""
    names, expected = settings.class_names, images.dataset.class_names
    if sorted(names) != sorted(expected):
        missing = [name for name in expected if name not in names]
        unknown = [name for name in names if name not in expected]
        raise DataError(
            f"the classes are not those of {images.dataset.name}: missing {shortened(missing) or 'none'}, unknown "
            f"{shortened(unknown) or 'none'}, {len(names)} names for {len(expected)} classes. List each class of the "
            "data set once, in the order of the outputs"
        )
    return [names.index(name) for name in expected]


def _outputs(
    source: SourceGraph, settings: ImportSettings, images_NHWC: npt.NDArray[np.uint8], *, threads: int
) -> npt.NDArray[np.float32]:
    """Outputs of the file, float32 [N, K], run as it is."""
    try:
        session = open_session(source.path, threads=threads)
        parts = [
            session.run(
                [source.output],
                {source.input: source.prepared(images_NHWC[start : start + _BATCH], settings.mean, settings.std)},
            )[0]
            for start in range(0, len(images_NHWC), _BATCH)
        ]
    except Exception as error:  # onnxruntime has no common base class for its errors
        raise DataError(f"{source.path} cannot be run: {str(error).strip().splitlines()[0]}") from error
    outputs_NK = np.concatenate(parts)
    expected = (len(images_NHWC), len(settings.class_names))
    if outputs_NK.shape != expected or not np.isfinite(outputs_NK).all():
        raise DataError(
            f"{source.path} returns {list(outputs_NK.shape)} for {expected[0]} images and {expected[1]} classes, or "
            "values that are not finite: name one class for each output"
        )
    return outputs_NK


def _parity(
    source: SourceGraph,
    settings: ImportSettings,
    order: Sequence[int],
    probabilities: bool,
    threads: int,
    images_NHWC: npt.NDArray[np.uint8],
    served_NK: npt.NDArray[np.float32],
) -> ParityRecord:
    outputs_NK = _outputs(source, settings, images_NHWC, threads=threads)
    logits_NK = as_logits(outputs_NK, order, probabilities=probabilities)
    difference = float(np.abs(logits_NK - served_NK).max())
    mismatches = int((logits_NK.argmax(1) != served_NK.argmax(1)).sum())
    if difference > MAX_LOGIT_DIFFERENCE * max(1.0, float(np.abs(logits_NK).max())) or mismatches:
        raise ExportError(
            f"the served graph disagrees with {source.path.name} on {len(images_NHWC)} images: largest difference of a "
            f"logit {difference:.2e}, {mismatches} other classes. This is a defect of the import: report it"
        )
    return ParityRecord(images=len(images_NHWC), max_abs_logit_difference=difference, argmax_mismatches=mismatches)


def _manifest(
    staging: Staging,
    source: SourceGraph,
    settings: ImportSettings,
    images: Images,
    result: EvaluationResult,
    *,
    threads: int,
) -> Manifest:
    dataset = images.dataset
    return Manifest(
        family=staging.family,
        version=staging.version,
        created_at=datetime.now(UTC).replace(microsecond=0),
        architecture=ARCHITECTURE,
        class_names=dataset.class_names,
        input=InputSpec(
            height=source.side, width=source.side, geometry=settings.geometry, mean=settings.mean, std=settings.std
        ),
        recipe=RECIPE,
        config={"file": source.path.name, "sha256": sha256_of(source.path), "class_names": list(settings.class_names)},
        seed=0,
        source_digest=source_digest(),
        data=data_record(images, _TRAINED_ON),
        environment=environment_record(threads=threads, dtype="float32", device=torch.device("cpu")),
        licence=LicenceRecord(
            weights="Weights: under the terms of their source.",
            data=dataset.licence,
            provenance=f"Imported from the file {source.path.name}.",
        ),
        cost=CostRecord(
            parameters=count_parameters(source.model), macs=count_macs(source.model), training_seconds=0, epochs=0
        ),
        calibration=result.calibration,
        averaged_views=result.averaged_views,
        quantization=result.quantization,
        bf16=result.bf16,
        metrics=result.metrics,
        parity=result.parity,
        files={},
    )
