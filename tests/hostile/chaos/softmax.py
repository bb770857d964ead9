"""Light training job of the chaos test: softmax regression in numpy, in the real job process.

A training with torch takes half a minute of CPU time, and this one about a second. It follows the same contract:
permissions, checkpoints, resumption to the same weights, and crash-safe publishing.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from core.files.durable import atomic_replace
from core.files.home import duet_home, named_run
from core.jobs.events import FitStarted, Progress, Published, Result
from core.jobs.worker_channel import WorkerChannel
from core.repository.manifest import MANIFEST_NAME
from core.repository.publishing import reserve
from core.repository.repository import ModelRepository
from tests.support.onnx_models import write_onnx_version

FAMILY = "mlp"
WEIGHTS = "trained.npy"
EPOCHS, STEPS_PER_EPOCH, BATCH, CLASSES, FEATURES = 6, 10, 32, 10, 256
_STEP_SECONDS = 0.03

Weights = npt.NDArray[np.float64]


def run(job: argparse.Namespace, channel: WorkerChannel) -> None:
    """Train or resume, publish, and report the version; an earlier attempt may have published it."""
    home = duet_home()
    repository, folder = ModelRepository.open(home), named_run(home, job.id)
    with FileLock(folder / "softmax.lock"):
        reference = _published(folder, repository) or _publish(
            folder, repository, _fit(folder, channel), channel, job.id
        )
    channel.send(Published(reference=reference, test_accuracy=0.9))
    channel.send(Result(result={"reference": reference}))


def _fit(folder: Path, channel: WorkerChannel) -> Weights:
    """Weights [FEATURES, CLASSES] after all epochs, continued from the checkpoint, if any."""
    checkpoint = folder / "softmax.npz"
    done, weights_FK = 0, np.zeros((FEATURES, CLASSES))
    if checkpoint.exists():
        with np.load(checkpoint) as saved:
            done, weights_FK = int(saved["done"]), saved["weights"]
    steps = EPOCHS * STEPS_PER_EPOCH
    channel.send(FitStarted(steps=steps, done=done, detail="softmax regression"))
    for step in range(done + 1, steps + 1):
        channel.check()
        time.sleep(_STEP_SECONDS)
        weights_FK = _stepped(weights_FK, step)
        epoch = (step - 1) // STEPS_PER_EPOCH + 1
        channel.send(
            Progress(epoch=epoch, epochs=EPOCHS, step=step, steps=steps, loss=1.0, accuracy=0.5, seconds_left=1.0)
        )
        if step % STEPS_PER_EPOCH == 0:
            channel.request_permission("checkpoint")
            buffer = io.BytesIO()
            np.savez(buffer, done=step, weights=weights_FK)
            atomic_replace(checkpoint, buffer.getvalue())
    return weights_FK


def _stepped(weights_FK: Weights, step: int) -> Weights:
    """Weights after one step of gradient descent, on a batch that depends only on the step number."""
    generator = np.random.default_rng(step)
    labels_N = generator.integers(0, CLASSES, BATCH)
    features_NF = generator.normal(size=(BATCH, FEATURES)) + labels_N[:, None] / CLASSES
    logits_NK = features_NF @ weights_FK
    probabilities_NK = np.exp(logits_NK - logits_NK.max(axis=1, keepdims=True))
    probabilities_NK /= probabilities_NK.sum(axis=1, keepdims=True)
    probabilities_NK[np.arange(BATCH), labels_N] -= 1
    return np.asarray(weights_FK - 0.1 / BATCH * features_NF.T @ probabilities_NK)


def _publish(
    folder: Path, repository: ModelRepository, weights_FK: Weights, channel: WorkerChannel, job_id: str
) -> str:
    """Publish a runnable version that contains the weights, and return its reference."""
    buffer = io.BytesIO()
    np.save(buffer, weights_FK)
    channel.request_permission("publish")
    with reserve(repository, FAMILY) as staging:
        manifest = write_onnx_version(
            staging.folder, FAMILY, staging.version, extra_files={WEIGHTS: buffer.getvalue()}, config={"job": job_id}
        )
        (staging.folder / MANIFEST_NAME).unlink()
        digest = hashlib.sha256(manifest.to_json().encode()).hexdigest()
        atomic_replace(folder / "publishing", f"{manifest.reference} {digest}".encode())
        staging.publish(manifest)
    return manifest.reference


def _published(folder: Path, repository: ModelRepository) -> str | None:
    """Reference of the version that an earlier attempt published; None if there is none."""
    mark = folder / "publishing"
    if not mark.exists():
        return None
    reference, digest = mark.read_text(encoding="ascii").split()
    family, _, version = reference.partition("@")
    manifest = repository.home_models / family / version / MANIFEST_NAME
    if not manifest.exists() or hashlib.sha256(manifest.read_bytes()).hexdigest() != digest:
        return None
    return reference
