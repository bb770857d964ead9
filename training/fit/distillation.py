"""Knowledge distillation: soft labels of teachers, computed before training and cached on disk.

One round is one augmented view of every training image, or, with `view="clean"`, the image itself or its mirror image.
Each teacher predicts each round once, and the student trains on the mean of their probabilities.

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
from collections.abc import Sequence
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
from training.augment.transforms import Transforms, round_transforms, teacher_augmentation
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

    @property
    def weights(self) -> str:
        """sha256 of the weights."""
        return self.manifest.files[WEIGHTS_NAME].sha256


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
    """Replace family names in `distillation.teacher` by the exact versions of their current champions.

    Args:
        config: the recipe, with overrides merged in.
        repository: holds the teachers.
        resumed: configuration of the run that is resumed. Its teachers are kept if they are of the same families.

    Raises:
        UnknownFamilyError, UnknownVersionError: the version does not exist, or the family has no champion.
    """
    teachers = config.distillation.teachers
    if not teachers:
        return config
    earlier = () if resumed is None else resumed.distillation.teachers
    if tuple(name.partition("@")[0] for name in earlier) == teachers:
        teachers = earlier
    pinned = ["{}@{}".format(*repository.resolve(name)) for name in teachers]
    return config.with_overrides({"distillation.teacher": "+".join(pinned)})


def read_teachers(config: RecipeConfig, images: Images, repository: ModelRepository) -> tuple[Teacher, ...]:
    """Load the recipe's teachers and verify their files; empty if the recipe has none.

    Raises:
        ConfigurationError: a teacher has other classes or another image size, or was trained on the validation
            images of this run.
        UnknownFamilyError, UnknownVersionError, CorruptVersionError: a version does not exist or is damaged.
    """
    return tuple(_read_teacher(name, config, images, repository) for name in config.distillation.teachers)


def _read_teacher(reference: str, config: RecipeConfig, images: Images, repository: ModelRepository) -> Teacher:
    manifest = repository.verify(*repository.resolve(reference))
    same_images = manifest.data.digest == images.dataset.digest
    check_no_leakage(manifest, config, "teach", same_images=same_images)
    _require_same_task(manifest, images)
    return Teacher(manifest, stored_classifier(manifest, repository.folder(manifest.family, manifest.version)))


def soft_labels(
    teachers: Sequence[Teacher],
    config: RecipeConfig,
    images: Images,
    cache: Path,
    *,
    fill_C: Tensor,
    reporter: Reporter,
    device: torch.device,
    room: int = 0,
) -> SoftLabels:
    """Compute the teachers' calibrated logits, and hints if configured, for every round of the run.

    The logits are divided by each teacher's calibration temperature. Without it the student inherits the teacher's
    miscalibration (for example of label smoothing), which a temperature of the student cannot correct.

    Args:
        teachers: at least one.
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
    rounds, seconds = _rounds(config), 0.0
    folders = [SoftLabelFolder(cache / _key(teacher, config, images, fill_C)) for teacher in teachers]
    names = " and ".join(teacher.manifest.reference for teacher in teachers)
    views = f"{config.distillation.view} view, {rounds} rounds of {len(part):,} images"
    reporter.stage(f"soft labels of {names}: {views}")
    try:
        for folder in folders:
            folder.path.mkdir(parents=True, exist_ok=True)
        _require_space(folders, teachers, config, len(part), room)
        for folder, teacher in zip(folders, teachers, strict=True):
            with FileLock(folder.path / ".lock"):
                _compute_missing(folder, teacher, config, torch.from_numpy(part.images_NHWC), fill_C, reporter, device)
                seconds += folder.seconds(range(rounds))
    except OSError as error:
        raise CheckpointError(
            f"cannot store the soft labels of {names} in {cache} ({error}): free some disk space and continue with "
            "--resume, or start again. Existing soft labels are reused"
        ) from error
    temperatures = [teacher.manifest.calibration["fp32"].temperature for teacher in teachers]
    sources = tuple(zip(folders, temperatures, strict=True))
    return SoftLabels(StoredRounds(sources, rounds, _hints(config)), seconds)


def _require_space(
    folders: Sequence[SoftLabelFolder], teachers: Sequence[Teacher], config: RecipeConfig, images: int, room: int
) -> None:
    """Check the disk space for the missing rounds of all teachers before the first one is computed."""
    hints, missing, values = _hints(config), 0, 0
    for folder, teacher in zip(folders, teachers, strict=True):
        numbers = _missing(folder, config)
        missing += len(numbers)
        values += sum(not folder.has_logits(number) for number in numbers) * len(teacher.manifest.class_names)
        if hints:
            values += len(numbers) * Projection.dimensions(last_dense(teacher.classifier).in_features)
    if missing:
        require_space(
            folders[0].path,
            values * images * torch.float16.itemsize + room,
            what=f"computing soft labels for {missing} rounds, and the training after it,",
            advice="free some, or set fewer distillation.rounds",
        )


def _compute_missing(
    folder: SoftLabelFolder,
    teacher: Teacher,
    config: RecipeConfig,
    images_NHWC: Tensor,
    fill_C: Tensor,
    reporter: Reporter,
    device: torch.device,
) -> None:
    """Compute the rounds that are missing in the folder."""
    hints, missing = _hints(config), _missing(folder, config)
    if not missing:
        return
    classifier = teacher.classifier.to(device)
    round_started = time.perf_counter()
    pool_first(classifier)
    dtype = _dtype(folder.path, device)
    images_NHW = pack(images_NHWC)
    N, H, W = images_NHW.shape
    started = time.perf_counter()
    for done, number in enumerate(missing, start=1):
        transforms = round_transforms(N, H, W, teacher_augmentation(config), number)
        views_NHW = transforms.views(images_NHW, pack(fill_C))
        logits_NK, features_NF = _predict(classifier, transforms, views_NHW, dtype, device)
        hints_NF = _projection(folder.path, features_NF)(features_NF) if hints else None
        now = time.perf_counter()
        folder.save(number, logits_NK, hints_NF, now - round_started)
        round_started = now
        left = (time.perf_counter() - started) / done * (len(missing) - done)
        remaining = f"{len(missing) - done} remaining, about {left / 60:.0f} minutes"
        reporter.note(f"{teacher.manifest.reference}: round {number + 1} done, {remaining}")


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
        "weights": teacher.weights,
        "data": images.dataset.digest,
        "split": images.split.digest,
        "parts": trained_on(config),
        # Default values, and augmentations that only the student sees, do not change a round.
        "augmentation": teacher_augmentation(config).model_dump(
            mode="json",
            exclude_defaults=True,
            exclude={"outliers", "augmix", "frequency_mixing", "texture_mixing"},
        ),
        "fill": fill_C.tolist(),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _rounds(config: RecipeConfig) -> int:
    if config.distillation.view == "clean":
        return 2 if config.augmentation.flip else 1
    return min(config.distillation.rounds, config.epochs)


def _missing(folder: SoftLabelFolder, config: RecipeConfig) -> list[int]:
    """Numbers of the rounds that the folder lacks."""
    return [number for number in range(_rounds(config)) if not folder.has(number, hints=_hints(config))]


def _hints(config: RecipeConfig) -> bool:
    return config.distillation.hint_weight > 0


def _require_same_task(manifest: Manifest, images: Images) -> None:
    size = (manifest.input.height, manifest.input.width)
    if manifest.class_names != images.dataset.class_names or images.dataset.training.images_NHWC.shape[1:3] != size:
        raise ConfigurationError(
            f"{manifest.reference} cannot be the teacher on {images.dataset.name}, because it has "
            f"{len(manifest.class_names)} classes and takes images of {size[1]}x{size[0]}: choose a teacher with the "
            "same classes and image size"
        )
