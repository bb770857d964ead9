"""Entry of the job processes of the training environment: `python -m training job ...`, see `core.jobs.child`."""

from __future__ import annotations

from collections.abc import Sequence

from core.files.home import duet_home
from core.jobs.child import ExitStatus, JobArguments, run_child
from core.jobs.parameters import EvaluateParameters, TrainParameters
from core.jobs.worker_channel import WorkerChannel


def main(arguments: Sequence[str]) -> ExitStatus:
    """Run the job described by the command-line arguments."""
    return run_child(arguments, _run, program="python -m training", kinds=("train", "evaluate", "download"))


def _run(job: JobArguments, channel: WorkerChannel) -> None:
    # Imported here, because torch takes seconds to load.
    home, threads, parameters = duet_home(), job.threads, job.parameters.read_bytes()
    if job.kind == "train":
        from training.jobs.train import train

        train(job.id, TrainParameters.model_validate_json(parameters), home, channel, threads=threads)
    elif job.kind == "download":
        from training.jobs.download import download

        download(home, channel)
    else:
        from training.jobs.evaluate import evaluate

        evaluate(job.id, EvaluateParameters.model_validate_json(parameters), home, channel, threads=threads)
