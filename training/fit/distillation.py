"""A teacher's answers to every training image as each round of augmentation changes it, computed once and kept.

`DUET_HOME`/cache/teachers/<key>/ holds `dtype` and, for each round, its answers, float16 [N, K], and the seconds that
they took. For runs with hints it also holds `projection.npz`, which the first round decides, and each round's projected
features, float16 [N, 32]. The key says which weights answered to which images, so that every run that learns from the
same teacher uses the same files. A file is complete or absent: an interrupted run goes on with the next round.
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
from core.files.disk_space import require_space
from core.files.durable import atomic_replace
from core.recipes import RecipeConfig
from core.recipes.leakage import check_no_leakage
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from training.augment.packed_pixels import pack
from training.augment.teacher_rounds import AnswersFolder, StoredRounds
from training.augment.transforms import Changes, round_of_changes
from training.data.split_dataset import Images, trained_on
from training.export.weights import WEIGHTS_NAME, stored_classifier
from training.fit.dtype import autocast, pick_dtype
from training.fit.hints import Projection, kept_features, last_dense
from training.networks import Classifier
from training.networks.whitened import pool_first
from training.run.checkpoint import Dtype
from training.run.reporter import Reporter

_BATCH = 500


@dataclass(frozen=True)
class Teacher:
    """A published version and its network in evaluation mode on the CPU."""

    manifest: Manifest
    classifier: Classifier


@dataclass(frozen=True)
class SoftLabels:
    """What a teacher answers.

    Attributes:
        rounds: those of the run, read one at a time; see `round_of_changes`.
        seconds: wall time of computing them, whenever that was; None where rounds are among them that were kept before
            times were.
    """

    rounds: StoredRounds
    seconds: float | None


def with_exact_teacher(
    config: RecipeConfig, repository: ModelRepository, *, begun: RecipeConfig | None = None
) -> RecipeConfig:
    """The configuration with the teacher's version in place of its family, whose champion changes.

    Args:
        config: as it was asked for.
        repository: where teachers lie.
        begun: configuration of the run that goes on, if one does: a family then stands for the version of it that
            the run began with, whoever is champion by now.

    Raises:
        UnknownFamilyError, UnknownVersionError: there is no such version, or no champion.
    """
    wanted = config.distillation.teacher
    if wanted is None:
        return config
    earlier = None if begun is None else begun.distillation.teacher
    if earlier is not None and earlier.partition("@")[0] == wanted:
        wanted = earlier
    return config.with_overrides({"distillation.teacher": "{}@{}".format(*repository.resolve(wanted))})


def read_teacher(config: RecipeConfig, images: Images, repository: ModelRepository) -> Teacher | None:
    """The teacher that the recipe names, its files checked; None where it names none.

    Raises:
        ConfigurationError: the teacher was trained on the validation images, by which this run is judged; it tells
            other classes apart; or it takes images of another size.
        UnknownFamilyError, UnknownVersionError, CorruptVersionError: there is no such version, or it is damaged.
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
    """The teacher's calibrated logits, and hints if asked for, of every round that the run shows, and their seconds.

    They are divided by the temperature that calibrates the teacher, because a student is no better calibrated than what
    it learns from: one taught by label smoothing's cautious answers cannot be mended by a temperature of its own.

    Args:
        teacher: who answers.
        config: of the run; its augmentation decides the pictures. It shows no more rounds than it has epochs, and the
            teacher is asked about no others.
        images: those that the run is trained on are asked about, just these: a round depends on how many there are.
        cache: folder in which the answers are kept.
        fill_C: uint8 [3], the color that cutout paints for the student.
        reporter: is told how far it is.
        device: where to compute what is not in `cache` yet.
        room: bytes that the run itself will need on the disk of `cache`, besides the answers.

    Raises:
        CheckpointError: the answers could not be written.
        LowDiskError: there is no room for them and the run.
    """
    part = images.part(*trained_on(config))
    rounds, hints = _rounds(config), _hints(config)
    folder = AnswersFolder(cache / _key(teacher, config, images, fill_C))
    reporter.stage(f"{teacher.manifest.reference} answers to {rounds} changes of {len(part):,} images each")
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.path / ".lock"):
            _complete(folder, teacher, config, torch.from_numpy(part.images_NHWC), fill_C, reporter, device, room)
            seconds = folder.seconds(range(rounds))
    except OSError as error:
        raise CheckpointError(
            f"the answers of {teacher.manifest.reference} cannot be kept in {folder.path} ({error}): free some space "
            "and go on with --resume, or start again; what is there already is used"
        ) from error
    temperature = teacher.manifest.calibration["fp32"].temperature
    return SoftLabels(StoredRounds(folder, rounds, temperature, hints), seconds)


def _complete(
    folder: AnswersFolder,
    teacher: Teacher,
    config: RecipeConfig,
    images_NHWC: Tensor,
    fill_C: Tensor,
    reporter: Reporter,
    device: torch.device,
    room: int,
) -> None:
    """Compute the rounds that the folder lacks."""
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
        what=f"asking a teacher {len(missing)} times, and the training after it,",
        advice="free some, or give fewer distillation.rounds",
    )
    begun = time.perf_counter()
    pool_first(classifier)
    dtype = _dtype(folder.path, device)
    images_NHW = pack(images_NHWC)
    N, H, W = images_NHW.shape
    started = time.perf_counter()
    for done, number in enumerate(missing, start=1):
        changes = round_of_changes(N, H, W, config.augmentation, number)
        pictures_NHW = changes.pictures(images_NHW, pack(fill_C))
        logits_NK, features_NF = _answers(classifier, changes, pictures_NHW, dtype, device)
        hints_NF = _projection(folder.path, features_NF)(features_NF) if hints else None
        now = time.perf_counter()
        folder.keep(number, logits_NK, hints_NF, now - begun)
        begun = now
        left = (time.perf_counter() - started) / done * (len(missing) - done)
        reporter.note(f"round {number + 1}: {len(missing) - done} to go, about {left / 60:.0f} minutes")


@torch.inference_mode()
def _answers(
    classifier: Classifier, changes: Changes, pictures_NHW: Tensor, dtype: Dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Logits float16 [N, K] and features float32 [N, F] of each image as `changes` has it.

    `pictures_NHW` are those of `changes`, packed, int32.
    """
    logits, features = [], []
    with kept_features(classifier) as kept, autocast(device, dtype):
        for index_M in torch.arange(len(pictures_NHW)).split(_BATCH):
            pixels_MHWC = changes.pixels(pictures_NHW, index_M).to(device)
            logits.append(classifier(pixels_MHWC).to("cpu", torch.float16))
            features.append(kept.pop().to("cpu", torch.float32))
    return torch.cat(logits), torch.cat(features)


def _projection(folder: Path, features_NF: Tensor) -> Projection:
    """The projection of this folder's features; the first round that is computed with hints decides it."""
    path = folder / "projection.npz"
    if not path.exists():
        Projection.fit(features_NF).save(path)
    return Projection.load(path)


def _dtype(folder: Path, device: torch.device) -> Dtype:
    """Compute type of this folder's rounds, chosen when the first is computed; other machines keep it."""
    path = folder / "dtype"
    if not path.exists():
        dtype = pick_dtype(device)
        atomic_replace(path, dtype.encode())
    return cast(Dtype, path.read_text())


def _key(teacher: Teacher, config: RecipeConfig, images: Images, fill_C: Tensor) -> str:
    content = {
        "weights": teacher.manifest.files[WEIGHTS_NAME].sha256,
        "data": images.dataset.digest,
        "split": images.split.digest,
        "parts": trained_on(config),
        # A default, and changes that the teacher does not see, leave a round as it is.
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
            f"{manifest.reference} cannot teach on {images.dataset.name}: it tells {len(manifest.class_names)} classes "
            f"apart in images of {size[1]}x{size[0]}, and classes and size must be the same"
        )
