"""Evaluation job: evaluates published versions again on the test images of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from core.errors import DataError
from core.jobs.events import Note, Result, Stage
from core.jobs.parameters import EvaluateParameters
from core.jobs.worker_channel import WorkerChannel
from core.repository.evaluation import EvaluationRecord, write_record
from core.repository.manifest import Geometry, Manifest
from core.repository.repository import ModelRepository
from training.data.split_dataset import Images
from training.evaluation.reproduce import disagreements, evaluate_version, published_evaluation, require_same_classes
from training.pipeline.requests import images_for


def evaluate(job_id: str, parameters: EvaluateParameters, home: Path, channel: WorkerChannel, *, threads: int) -> None:
    """Evaluate each version and write its evaluation record. The versions are not changed.

    Raises:
        DuetError: a version or the data set does not exist, or they do not match. If no versions are named, champions
            that do not match are skipped, as long as one matches.
        JobCancelledError, NotPermittedError: the worker stopped the job; records written so far are kept.
    """
    repository = ModelRepository.open(home)
    results = []
    for manifest, images in _load(repository, parameters, channel):
        channel.check()
        channel.send(Stage(name=f"evaluate {manifest.reference}"))
        folder = repository.folder(manifest.family, manifest.version)
        measured = evaluate_version(folder, manifest, images, threads=threads)
        published = published_evaluation(folder, measured)
        record = EvaluationRecord(
            job=job_id,
            family=manifest.family,
            version=manifest.version,
            created_at=datetime.now(UTC),
            data=parameters.data,
            evaluation=measured,
            differences=None if published is None else tuple(disagreements(published, measured)),
        )
        channel.request_permission("publish")
        write_record(home, record)
        results.append(
            {
                "reference": manifest.reference,
                "reproduced": None if record.differences is None else not record.differences,
                "images": record.evaluation.data.images,
                "accuracy": {name: scores.accuracy.value for name, scores in record.evaluation.scores.items()},
            }
        )
    channel.send(Result(result={"data": parameters.data, "evaluations": results}))


def _load(
    repository: ModelRepository, parameters: EvaluateParameters, channel: WorkerChannel
) -> Sequence[tuple[Manifest, Images]]:
    """Verify the versions and load the images of each, so that the job fails before the first evaluation."""
    references = parameters.versions or repository.champions()
    loaded, problems = [], []
    images_by_input: dict[tuple[int, Geometry], Images] = {}
    for reference in references:
        manifest = repository.verify(*repository.resolve(reference))
        channel.send(Stage(name=f"read {parameters.data} for {manifest.reference}"))
        spec = manifest.input.height, manifest.input.geometry
        if spec not in images_by_input:
            images_by_input[spec] = images_for(
                manifest, parameters.data, note=lambda text: channel.send(Note(text=text))
            )
        channel.check()
        try:
            require_same_classes(manifest, images_by_input[spec])
        except DataError as error:
            problems.append(str(error))
        else:
            loaded.append((manifest, images_by_input[spec]))
    if problems and (parameters.versions or not loaded):
        raise DataError("; ".join(problems))
    if not loaded:
        raise DataError("no family has a champion to evaluate: name versions, or promote one")
    for problem in problems:
        channel.send(Note(text=f"skipped: {problem}"))
    return loaded
