"""Records and files that every version has, whether it was trained or imported."""

from __future__ import annotations

from collections.abc import Sequence

from core.records.base import ReportedModel, write_report
from core.records.corrupted_holdout import CORRUPTED_HOLDOUT_NAME, CorruptedHoldout
from core.repository.evaluation import EVALUATION_NAME
from core.repository.manifest import CARD_NAME, GRAPHS, DataRecord, Manifest, file_record, sha256_of
from core.repository.predictions import PREDICTIONS_NAME, save_predictions
from core.repository.publishing import Staging
from training.data.split_dataset import Images, TrainingPart
from training.evaluation.corrupted_holdout import measure_corrupted_holdout
from training.evaluation.evaluate import EvaluationResult
from training.export.weights import WEIGHTS_NAME
from training.publish.figures import write_figures
from training.publish.model_card import model_card
from training.run.checkpoint import EpochRecord


def data_record(images: Images, trained_on: tuple[TrainingPart, ...]) -> DataRecord:
    """Record of the data set and its split, with the parts that the weights were trained on."""
    dataset, split = images.dataset, images.split
    return DataRecord(
        name=dataset.name,
        digest=dataset.digest,
        split_digest=split.digest,
        counts={
            "train": len(split.train),
            "validation": len(split.validation),
            "holdout": len(split.holdout),
            "test": len(dataset.test),
        },
        trained_on=trained_on,
        folder_digest=dataset.folder_digest,
    )


def evaluate_corrupted(
    staging: Staging, architecture: str, images: Images, result: EvaluationResult, *, threads: int
) -> CorruptedHoldout:
    """Evaluate the fp32 graph in the staging folder on corrupted holdout images.

    Args:
        staging: folder with the graph and weights.safetensors.
        architecture: architecture of the version.
        images: the data set with its split.
        result: evaluation of the version, for its calibration.
        threads: number of onnxruntime threads.
    """
    folder = staging.folder
    model = ReportedModel(
        family=staging.family,
        version=staging.version,
        architecture=architecture,
        weights=sha256_of(folder / WEIGHTS_NAME),
    )
    return measure_corrupted_holdout(
        folder / GRAPHS["fp32"], model, images, result.calibration["fp32"], threads=threads
    )


def write_evaluation_files(
    staging: Staging,
    manifest: Manifest,
    result: EvaluationResult,
    corrupted: CorruptedHoldout,
    history: Sequence[EpochRecord],
) -> Manifest:
    """Write the evaluation, predictions, figures and model card to the staging folder, after all its other files.

    Returns:
        The manifest with the accuracy on corrupted images and the records of all files in the folder.
    """
    folder = staging.folder
    metrics = {"corrupted_accuracy": corrupted.accuracy, "corrupted_flag_rate": corrupted.flag_rate}
    manifest = manifest.model_copy(update={"metrics": manifest.metrics.model_copy(update=metrics)})
    write_report(folder / CORRUPTED_HOLDOUT_NAME, corrupted)
    (folder / EVALUATION_NAME).write_text(result.evaluation.to_json(), encoding="utf-8")
    save_predictions(folder / PREDICTIONS_NAME, result.predictions)
    write_figures(folder, staging.reference, history, result.scores)
    (folder / CARD_NAME).write_text(model_card(manifest, result.evaluation), encoding="utf-8")
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): file_record(path) for path in paths}
    return manifest.model_copy(update={"files": files})
