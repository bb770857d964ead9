"""Knowledge distillation: soft labels of a teacher, computed before training and cached on disk.

One round is one augmented view of every training image. The teacher predicts each round once, and the student trains
on these soft labels.

The cache folder `DUET_HOME`/cache/teachers/<key>/ contains:

- `dtype`: number format of the teacher's forward pass;
- `round-<n>.npy`: logits of round n, float16 [N, K];
- `round-<n>.seconds`: wall time of round n;
- `projection.npz`: projection of the features, for runs with hints, fitted on the first round;
- `hints-<n>.npy`: projected features of round n, float16 [N, 32], for runs with hints.

The key is a digest of the teacher's weights, the data and the augmentation, so runs with the same teacher share the
files. Each file is complete or absent: an interrupted computation resumes with the next round.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from filelock import FileLock
from torch import Tensor

from core.errors import CheckpointError, ConfigurationError
from core.files.durable import atomic_replace
from core.files.home import require_space
from core.recipes import RecipeConfig
from core.recipes.init_from import check_no_leakage
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from training.augment.packed_pixels import pack
from training.augment.teacher_rounds import SoftLabelFolder, StoredRounds
from training.augment.transforms import Transforms, round_transforms
from training.data.split_dataset import Images, trained_on
from training.export.weights import WEIGHTS_NAME, stored_classifier
from training.fit.dtype import autocast, pick_dtype
from training.fit.hints import Projection, capture_features, last_dense
from training.networks import Classifier
from training.networks.whitened import pool_first
from training.run.checkpoint import Dtype
from training.run.reporter import Reporter

_BATCH = 500


@dataclass(frozen=True)
class Teacher:
    """A published version, with its network in evaluation mode on the CPU."""

    manifest: Manifest
    classifier: Classifier


@dataclass(frozen=True)
class SoftLabels:
    """Soft labels of a run.

    Attributes:
        rounds: one element per round, read from disk on access.
        seconds: total wall time of computing them, including cached rounds.
    """

    rounds: StoredRounds
    seconds: float


def pin_teacher_version(
    config: RecipeConfig, repository: ModelRepository, *, resumed: RecipeConfig | None = None
) -> RecipeConfig:
    """Replace a family name in `distillation.teacher` by the exact version of its current champion.

    Args:
        config: the recipe, with overrides merged in.
        repository: holds the teachers.
        resumed: configuration of the run that is resumed. Its teacher is kept if it is of the same family.

    Raises:
        UnknownFamilyError, UnknownVersionError: the version does not exist, or the family has no champion.
    """
    teacher = config.distillation.teacher
    if teacher is None:
        return config
    earlier = None if resumed is None else resumed.distillation.teacher
    if earlier is not None and earlier.partition("@")[0] == teacher:
        teacher = earlier
    return config.with_overrides({"distillation.teacher": "{}@{}".format(*repository.resolve(teacher))})


def read_teacher(config: RecipeConfig, images: Images, repository: ModelRepository) -> Teacher | None:
    """Load the recipe's teacher and verify its files; None if the recipe has no teacher.

    Raises:
        ConfigurationError: the teacher has other classes or another image size, or was trained on the validation
            images of this run.
        UnknownFamilyError, UnknownVersionError, CorruptVersionError: the version does not exist or is damaged.
    """
    if config.distillation.teacher is None:
        return None
    manifest = repository.verify(*repository.resolve(config.distillation.teacher))
    same_images = manifest.data.digest == images.dataset.digest
    check_no_leakage(manifest, config, "teach", same_images=same_images)
    _require_same_task(manifest, images)
    return Teacher(manifest, stored_classifier(manifest, repository.folder(manifest.family, manifest.version)))


def soft_labels(
    teacher: Teacher,
    config: RecipeConfig,
    images: Images,
    cache: Path,
    *,
    fill_C: Tensor,
    reporter: Reporter,
    device: torch.device,
    room: int = 0,
) -> SoftLabels:
    """Compute the teacher's calibrated logits, and hints if configured, for every round of the run.

    The logits are divided by the teacher's calibration temperature. Without it the student inherits the teacher's
    miscalibration (for example of label smoothing), which a temperature of the student cannot correct.

    Args:
        teacher: the teacher.
        config: the recipe, which determines the augmentation and the number of rounds (at most one per epoch).
        images: the data. Only the training part is predicted; a round depends on the number of its images.
        cache: folder of the cached soft labels of all teachers.
        fill_C: uint8 [3], fill color of the student's cutout.
        reporter: receives progress.
        device: device of the teacher's forward pass.
        room: bytes that the training run needs on the same disk, in addition to the soft labels.

    Raises:
        CheckpointError: the soft labels cannot be written.
        LowDiskError: the disk has too little space for the soft labels and the run.
    """
    part = images.part(*trained_on(config))
    rounds, hints = _rounds(config), _hints(config)
    folder = SoftLabelFolder(cache / _key(teacher, config, images, fill_C))
    reporter.stage(f"soft labels of {teacher.manifest.reference}: {rounds} rounds of {len(part):,} images")
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.path / ".lock"):
            _compute_missing(
                folder, teacher, config, torch.from_numpy(part.images_NHWC), fill_C, reporter, device, room
            )
            seconds = folder.seconds(range(rounds))
    except OSError as error:
        raise CheckpointError(
            f"cannot store the soft labels of {teacher.manifest.reference} in {folder.path} ({error}): free some disk "
            "space and continue with --resume, or start again. Existing soft labels are reused"
        ) from error
    temperature = teacher.manifest.calibration["fp32"].temperature
    return SoftLabels(StoredRounds(folder, rounds, temperature, hints), seconds)


def _compute_missing(
    folder: SoftLabelFolder,
    teacher: Teacher,
    config: RecipeConfig,
    images_NHWC: Tensor,
    fill_C: Tensor,
    reporter: Reporter,
    device: torch.device,
    room: int,
) -> None:
    """Compute the rounds that are missing in the folder."""
    hints = _hints(config)
    missing = [number for number in range(_rounds(config)) if not folder.has(number, hints=hints)]
    if not missing:
        return
    classifier = teacher.classifier.to(device)
    without_logits = sum(not folder.has_logits(number) for number in missing)
    values = without_logits * len(teacher.manifest.class_names)
    if hints:
        values += len(missing) * Projection.dimensions(last_dense(classifier).in_features)
    require_space(
        folder.path,
        values * len(images_NHWC) * torch.float16.itemsize + room,
        what=f"computing soft labels for {len(missing)} rounds, and the training after it,",
        advice="free some, or set fewer distillation.rounds",
    )
    round_started = time.perf_counter()
    pool_first(classifier)
    dtype = _dtype(folder.path, device)
    images_NHW = pack(images_NHWC)
    N, H, W = images_NHW.shape
    started = time.perf_counter()
    for done, number in enumerate(missing, start=1):
        transforms = round_transforms(N, H, W, config.augmentation, number)
        views_NHW = transforms.views(images_NHW, pack(fill_C))
        logits_NK, features_NF = _predict(classifier, transforms, views_NHW, dtype, device)
        hints_NF = _projection(folder.path, features_NF)(features_NF) if hints else None
        now = time.perf_counter()
        folder.save(number, logits_NK, hints_NF, now - round_started)
        round_started = now
        left = (time.perf_counter() - started) / done * (len(missing) - done)
        reporter.note(f"round {number + 1} done, {len(missing) - done} remaining, about {left / 60:.0f} minutes")


@torch.inference_mode()
def _predict(
    classifier: Classifier, transforms: Transforms, views_NHW: Tensor, dtype: Dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Logits float16 [N, K] and features float32 [N, F] of the views int32 [N, H, W] of one round."""
    logits, features = [], []
    with capture_features(classifier) as captured, autocast(device, dtype):
        for index_M in torch.arange(len(views_NHW)).split(_BATCH):
            pixels_MHWC = transforms.pixels(views_NHW, index_M).to(device)
            logits.append(classifier(pixels_MHWC).to("cpu", torch.float16))
            features.append(captured.pop().to("cpu", torch.float32))
    return torch.cat(logits), torch.cat(features)


def _projection(folder: Path, features_NF: Tensor) -> Projection:
    """Load the projection of the features, fitting it on the first round that is computed with hints."""
    path = folder / "projection.npz"
    if not path.exists():
        Projection.fit(features_NF).save(path)
    return Projection.load(path)


def _dtype(folder: Path, device: torch.device) -> Dtype:
    """Number format of this folder's soft labels, chosen before the first round; other machines keep it."""
    path = folder / "dtype"
    if not path.exists():
        dtype = pick_dtype(device)
        atomic_replace(path, dtype.encode())
    return cast(Dtype, path.read_text(encoding="utf-8"))


def _key(teacher: Teacher, config: RecipeConfig, images: Images, fill_C: Tensor) -> str:
    content = {
        "weights": teacher.manifest.files[WEIGHTS_NAME].sha256,
        "data": images.dataset.digest,
        "split": images.split.digest,
        "parts": trained_on(config),
        # Default values, and augmentations that only the student sees, do not change a round.
        "augmentation": config.augmentation.model_dump(
            mode="json",
            exclude_defaults=True,
            exclude={"outliers", "augmix", "frequency_mixing", "texture_mixing"},
        ),
        "fill": fill_C.tolist(),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _rounds(config: RecipeConfig) -> int:
    return min(config.distillation.rounds, config.epochs)


def _hints(config: RecipeConfig) -> bool:
    return config.distillation.hint_weight > 0


def _require_same_task(manifest: Manifest, images: Images) -> None:
    size = (manifest.input.height, manifest.input.width)
    if manifest.class_names != images.dataset.class_names or images.dataset.training.images_NHWC.shape[1:3] != size:
        raise ConfigurationError(
            f"{manifest.reference} cannot be the teacher on {images.dataset.name}: it has {len(manifest.class_names)} "
            f"classes and takes images of {size[1]}x{size[0]}. Choose a teacher with the same classes and image size"
        )
