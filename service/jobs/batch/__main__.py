"""Entry of the process of a batch prediction: `python -m service.jobs.batch job ...`, see `core.jobs.child`."""

from __future__ import annotations

import sys

from core.jobs.child import JobArguments, run_child
from core.jobs.parameters import BatchParameters
from core.jobs.worker_channel import WorkerChannel


def _run(job: JobArguments, channel: WorkerChannel) -> None:
    # Imported here, because the engine takes a second to load.
    from service.jobs.batch.predict import predict_dataset
    from service.settings import read_settings

    parameters = BatchParameters.model_validate_json(job.parameters.read_bytes())
    predict_dataset(job.id, parameters, read_settings(), channel, threads=job.threads)


if __name__ == "__main__":
    sys.exit(run_child(sys.argv[1:], _run, program="python -m service.jobs.batch", kinds=("batch",)))
