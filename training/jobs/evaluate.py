"""An evaluation job: measure published versions again, each on the whole test part of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from core.errors import DataError
from core.jobs.events import Note, Result, Stage
from core.jobs.parameters import EvaluateParameters
from core.repository.evaluation_records import EvaluationRecord, write_record
from core.repository.manifest import Geometry, Manifest
from core.repository.repository import ModelRepository
from training.data.split_dataset import Images
from training.evaluation.reproduce import disagreements, evaluate_version, published_evaluation, require_same_classes
from training.jobs.worker_line import WorkerLine
from training.pipeline.requests import images_for


def evaluate(job_id: str, parameters: EvaluateParameters, home: Path, line: WorkerLine, *, threads: int) -> None:
    """Write an evaluation record of each version; the versions themselves stay as they are.

    Raises:
        DuetError: there is no such version or no such data, or the two do not fit. Where all champions are measured,
            those that do not fit are passed over, as long as one does.
        JobCancelledError, NotPermittedError: the worker wants it to stop; records that are written stay.
    """
    repository = ModelRepository.open(home)
    results = []
    for manifest, images in _fitting(repository, parameters, line):
        line.check()
        line.send(Stage(name=f"evaluate {manifest.reference}"))
        record = _measure(job_id, parameters.data, repository, manifest, images, threads=threads)
        line.ask("publish")
        write_record(home, record)
        results.append(
            {
                "reference": manifest.reference,
                "reproduced": None if record.differences is None else not record.differences,
                "accuracy": {name: scores.accuracy.value for name, scores in record.evaluation.scores.items()},
            }
        )
    line.send(Result(result={"data": parameters.data, "evaluations": results}))


def _measure(
    job_id: str, data: str, repository: ModelRepository, manifest: Manifest, images: Images, *, threads: int
) -> EvaluationRecord:
    folder = repository.folder(manifest.family, manifest.version)
    measured = evaluate_version(folder, manifest, images, threads=threads)
    published = published_evaluation(folder, measured)
    return EvaluationRecord(
        job=job_id,
        family=manifest.family,
        version=manifest.version,
        created_at=datetime.now(UTC),
        data=data,
        evaluation=measured,
        differences=None if published is None else tuple(disagreements(published, measured)),
    )


def _fitting(
    repository: ModelRepository, parameters: EvaluateParameters, line: WorkerLine
) -> Sequence[tuple[Manifest, Images]]:
    """The versions to measure, hashed, each with its images, so that the job fails before any work is done."""
    references = parameters.versions or repository.champions()
    fitting, problems = [], []
    images_by_input: dict[tuple[int, Geometry], Images] = {}
    for reference in references:
        manifest = repository.verify(*repository.resolve(reference))
        line.send(Stage(name=f"read {parameters.data} for {manifest.reference}"))
        spec = manifest.input.height, manifest.input.geometry
        if spec not in images_by_input:
            images_by_input[spec] = images_for(manifest, parameters.data, note=lambda text: line.send(Note(text=text)))
        line.check()
        try:
            require_same_classes(manifest, images_by_input[spec])
        except DataError as error:
            problems.append(str(error))
        else:
            fitting.append((manifest, images_by_input[spec]))
    if problems and (parameters.versions or not fitting):
        raise DataError("; ".join(problems))
    if not fitting:
        raise DataError("there is no champion to evaluate: name versions, or promote one")
    for problem in problems:
        line.send(Note(text=f"passed over: {problem}"))
    return fitting
