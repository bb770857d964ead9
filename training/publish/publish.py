"""Publishing of a trained network as a version: class biases -> export -> evaluate -> manifest -> publish."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import numpy as np
import numpy.typing as npt

from core.jobs.run_folder import HISTORY_NAME
from core.recipes import RecipeConfig
from core.recipes.init_from import DEFAULT_GEOMETRY
from core.repository.graph_records import ClassBiasRecord, GradientRecord
from core.repository.manifest import GRAPHS, CostRecord, EnvironmentRecord, Geometry, InputSpec, LicenceRecord, Manifest
from core.repository.publishing import Staging, reserve
from core.repository.repository import ModelRepository
from training.data.split_dataset import Images, trained_on
from training.evaluation.calibrate import debias
from training.evaluation.evaluate import EvaluationResult, evaluate
from training.export.gradients import check_gradient, export_gradient
from training.export.run_onnx import check_parity
from training.export.to_onnx import export_model
from training.fit.backbone import backbone_record
from training.networks import Classifier, count_macs, count_parameters
from training.publish.holdout_champions import write_champion_predictions, write_image_keys
from training.publish.version_files import data_record, evaluate_corrupted, write_evaluation_files
from training.run.checkpoint import EpochRecord, history_lines
from training.run.reporter import Reporter

_GRADIENT_IMAGES = 256
"""Maximum number of images for the check of gradient.onnx, if they are of 32x32 pixels."""
_GRADIENT_PIXELS = _GRADIENT_IMAGES * 32 * 32
"""Maximum number of pixels for the check, which limits its time; `_MIN_GRADIENT_IMAGES` are checked in any case."""
_MIN_GRADIENT_IMAGES = 8
_WEIGHTS_TERMS = "Weights: Apache-2.0."


@dataclass(frozen=True)
class Origin:
    """Provenance of a network's weights.

    Attributes:
        config: the recipe.
        history: metrics of the epochs.
        environment: machine and library versions.
        source_digest: digest of the source code at the end of the run.
        derived_from: family@version that the weights were copied or fine-tuned from; None for random initialization.
        geometry: method that fits images to the square input.
        teachers: sha256 of the weights of each teacher, by reference.
        teacher_seconds: wall time of the soft labels; None without a teacher or if unknown.
        class_biases: record of class biases that are already included in the weights; None to fit them.
    """

    config: RecipeConfig
    history: Sequence[EpochRecord]
    environment: EnvironmentRecord
    source_digest: str
    derived_from: str | None = None
    geometry: Geometry = DEFAULT_GEOMETRY
    teachers: Mapping[str, str] = field(default_factory=dict)
    teacher_seconds: float | None = None
    class_biases: ClassBiasRecord | None = None


def publish_version(
    classifier: Classifier,
    origin: Origin,
    images: Images,
    repository: ModelRepository,
    family: str,
    *,
    reporter: Reporter,
    before_publishing: Callable[[Manifest], None] = lambda _: None,
) -> Manifest:
    """Export, evaluate and publish a network, in evaluation mode on the CPU, as the next version of `family`.

    Class biases are added to a copy of the network first, if they lower the log loss on the holdout.
    `before_publishing` is called with the complete manifest just before the version is put in place.

    Raises:
        ExportError: an exported graph disagrees with the network.
        PublishError: the version cannot be written; no files remain.
    """
    threads = origin.environment.threads
    with reserve(repository, family) as staging:
        class_biases = origin.class_biases
        if class_biases is None:
            reporter.stage("fit class biases on the holdout")
            holdout = images.part("holdout")
            classifier, class_biases = debias(classifier, holdout.images_NHWC, holdout.labels_N)

        reporter.stage(f"export {staging.reference}")
        spec = _input_spec(classifier, images, origin.geometry)
        export_model(classifier, staging.folder, height=spec.height, width=spec.width)
        export_gradient(classifier, staging.folder, height=spec.height, width=spec.width)

        reporter.stage("quantize, calibrate on the holdout, evaluate on the test images")
        result = evaluate(
            staging.folder / GRAPHS["fp32"],
            partial(check_parity, classifier),
            images,
            validate="validation" not in trained_on(origin.config),
            threads=threads,
        )

        reporter.stage("evaluate on corrupted holdout images")
        corrupted = evaluate_corrupted(staging, origin.config.architecture, images, result, threads=threads)

        write_image_keys(staging.folder, images, trained_on(origin.config), repository, origin.derived_from)
        write_champion_predictions(
            staging.folder, images, spec.geometry, repository, family, threads=threads, note=reporter.note
        )

        reporter.stage("check gradients against autograd in float64")
        gradient = check_gradient(staging.folder, classifier, _gradient_images(images), threads=threads)

        reporter.stage("publish")
        manifest = _manifest(staging, spec, classifier, origin, images, result, class_biases, gradient)
        (staging.folder / HISTORY_NAME).write_text(history_lines(origin.history), encoding="utf-8")
        manifest = write_evaluation_files(staging, manifest, result, corrupted, origin.history)
        reporter.writing("publish")
        before_publishing(manifest)
        staging.publish(manifest)
    return manifest


def _gradient_images(images: Images) -> npt.NDArray[np.uint8]:
    """The first validation images, 256 of 32x32 pixels or fewer large ones; training images are added if needed."""
    _, height, width, _ = images.dataset.training.images_NHWC.shape
    count = min(_GRADIENT_IMAGES, max(_MIN_GRADIENT_IMAGES, _GRADIENT_PIXELS // (height * width)))
    enough = len(images.split.validation) >= count
    part = images.part("validation") if enough else images.part("validation", "train")
    return part.images_NHWC[:count]


def _manifest(
    staging: Staging,
    spec: InputSpec,
    classifier: Classifier,
    origin: Origin,
    images: Images,
    result: EvaluationResult,
    class_biases: ClassBiasRecord | None,
    gradient: GradientRecord,
) -> Manifest:
    config, dataset = origin.config, images.dataset
    return Manifest(
        family=staging.family,
        version=staging.version,
        created_at=datetime.now(UTC).replace(microsecond=0),
        architecture=config.architecture,
        class_names=dataset.class_names,
        input=spec,
        recipe=config.recipe,
        config=config.model_dump(mode="json"),
        seed=config.seed,
        derived_from=origin.derived_from,
        teachers=dict(origin.teachers),
        backbone=backbone_record(config),
        source_digest=origin.source_digest,
        data=data_record(images, trained_on(config)),
        environment=origin.environment,
        licence=LicenceRecord(weights=_WEIGHTS_TERMS, data=dataset.licence, provenance=_provenance(config)),
        cost=CostRecord(
            parameters=count_parameters(classifier),
            macs=count_macs(classifier, height=spec.height, width=spec.width),
            training_seconds=sum(record.seconds for record in origin.history),
            teacher_seconds=origin.teacher_seconds,
            epochs=len(origin.history),
        ),
        calibration=result.calibration,
        class_biases=class_biases,
        averaged_views=result.averaged_views,
        quantization=result.quantization,
        bf16=result.bf16,
        gradient=gradient,
        metrics=result.metrics,
        parity=result.parity,
        files={},
    )


def _provenance(config: RecipeConfig) -> str:
    backbone = backbone_record(config)
    start = "random initial weights"
    if config.init_from is not None:
        start = f"the weights of {config.init_from}"
    elif backbone is not None:
        start = f"pretrained weights of {backbone.name} (sha256 {backbone.weights[:12]}; {backbone.licence})"
    teachers = config.distillation.teachers
    distilled = f", distilled from {' and '.join(teachers)}" if teachers else ""
    return f"Trained from {start} by Duet's recipe {config.recipe}{distilled}."


def _input_spec(classifier: Classifier, images: Images, geometry: Geometry) -> InputSpec:
    _, height, width, _ = images.dataset.test.images_NHWC.shape
    mean, std = classifier.mean.tolist(), classifier.std.tolist()
    return InputSpec(height=height, width=width, geometry=geometry, mean=tuple(mean), std=tuple(std))
