"""Study of settings: a recipe with single changes, evaluated on clean and corrupted validation images.

The corruptions are the four extra kinds of CIFAR-10-C, which settings may be chosen on. The fourteen corruptions of the
robustness report are never used here. Each result is stored immediately, so an interrupted study resumes.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from filelock import FileLock, Timeout
from pydantic import ValidationError

from core.errors import CheckpointError, ConfigurationError, explain
from core.files.durable import atomic_replace
from core.recipes import RecipeConfig, parse_override
from core.repository.manifest import Sha256
from core.statistics.energy import energy_threshold
from core.strict_model import StrictModel
from training.data.preprocessing import scale_pixels
from training.evaluation.calibrate import OOD_FLAG_RATE
from training.evaluation.corrupted_holdout import corrupted_conditions
from training.fit.distillation import read_teachers
from training.fit.dtype import autocast
from training.fit.loop import FitResult
from training.tuning.ablation.progress import StudyProgress
from training.tuning.ablation.study_folder import require_room
from training.tuning.ablation.study_setup import StudySetup, final_accuracy, require_study_config, short_run

RESULTS_NAME, PAGE_NAME = "results.json", "README.md"
_BATCH = 500


class SettingsRun(StrictModel):
    """A finished run; `change` is empty for the recipe itself."""

    change: str
    seed: int
    accuracy: float
    corrupted_accuracy: float
    flag_rate: float
    seconds: float
    config: dict[str, Any]


class SettingsStudy(StrictModel):
    """Content of results.json."""

    split_digest: Sha256
    images: int
    runs: tuple[SettingsRun, ...]


def changed_configs(config: RecipeConfig, changes: Sequence[str]) -> dict[str, RecipeConfig]:
    """The recipe and its variants, by change.

    Args:
        config: the recipe.
        changes: settings such as `network.whitening_epsilon=5e-4`; several in one change are separated by spaces.

    Raises:
        ConfigurationError: a setting does not exist, or the variant cannot be studied.
    """
    configs = {"": config}
    configs |= {change: config.with_overrides(dict(map(parse_override, change.split()))) for change in changes}
    for variant in configs.values():
        require_study_config(variant)
    return configs


def run_settings(
    configs: dict[str, RecipeConfig], seeds: int, setup: StudySetup, folder: Path, *, progress: StudyProgress
) -> Path:
    """Execute all runs that are missing in `folder`/results.json, and write the page; returns its path.

    Args:
        configs: result of `changed_configs`.
        seeds: number of seeds, starting from 0.
        setup: images and machine.
        folder: folder of the study; created if missing.
        progress: receives the progress.

    Raises:
        ConfigurationError: a finished run has other settings or images, or a teacher is unsuitable.
        CheckpointError: another process runs the study, or its files cannot be read or written.
        LowDiskError: there is no space for the checkpoints.
        TrainingDivergedError: a loss is NaN or infinite.
    """
    for config in configs.values():
        read_teachers(config, setup.images, setup.repository)
    planned = [(seed, change) for seed in range(seeds) for change in configs]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        require_room(folder)
        with FileLock(folder / ".lock").acquire(timeout=0):
            study = _earlier(folder, setup)
            for number, (seed, change) in enumerate(planned):
                progress.runs("study", done=number, total=len(planned))
                config = configs[change].with_overrides({"seed": seed})
                if not _is_done(study, change, config, folder):
                    # Named by the change, so that an interrupted run resumes if other changes are added.
                    name = hashlib.sha256(change.encode()).hexdigest()[:16]
                    run = _run(config, change, setup, folder / "run" / f"{name}-{seed}", progress)
                    study = study.model_copy(update={"runs": (*study.runs, run)})
                    atomic_replace(folder / RESULTS_NAME, study.model_dump_json(indent=1).encode())
                    shutil.rmtree(folder / "run", ignore_errors=True)
            (folder / PAGE_NAME).write_text(_page(study, configs))
    except Timeout:
        raise CheckpointError(
            f"another process is running the study in {folder}: wait for it, or give another --name"
        ) from None
    except OSError as error:
        raise CheckpointError(
            f"cannot write the study in {folder} ({error}): free some space and run the same command again"
        ) from error
    return folder / PAGE_NAME


def _run(config: RecipeConfig, change: str, setup: StudySetup, folder: Path, progress: StudyProgress) -> SettingsRun:
    validation = setup.images.part("validation")
    result = short_run(config, setup, folder, validation=validation, reporter=progress)

    def predict(images_NHWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return _predict(result, images_NHWC, setup.device)

    # The flag rate on clean validation images is 5 % for every run.
    threshold = energy_threshold(predict(validation.images_NHWC), OOD_FLAG_RATE)
    conditions = corrupted_conditions(predict, validation, ood_threshold=threshold)
    run = SettingsRun(
        change=change,
        seed=config.seed,
        accuracy=final_accuracy(result),
        corrupted_accuracy=float(np.mean([each.accuracy for each in conditions])),
        flag_rate=float(np.mean([each.flag_rate for each in conditions])),
        seconds=round(result.seconds, 1),
        config=config.model_dump(mode="json"),
    )
    progress.line(
        f"{change or config.recipe}, seed {run.seed}: {run.accuracy:.2%} clean, {run.corrupted_accuracy:.2%} under "
        f"corruption, {run.flag_rate:.2%} flagged, {run.seconds:.0f} s"
    )
    return run


@torch.inference_mode()
def _predict(result: FitResult, images_NHWC: npt.NDArray[np.uint8], device: torch.device) -> npt.NDArray[np.float32]:
    """Logits float32 [N, K] of images uint8 [N, H, W, 3], in the number format of the run."""
    classifier = result.classifier.to(device)
    with autocast(device, result.dtype):
        parts = [
            classifier(scale_pixels(part.to(device))).float().cpu()
            for part in torch.from_numpy(images_NHWC).split(_BATCH)
        ]
    logits_NK: npt.NDArray[np.float32] = torch.cat(parts).numpy()
    return logits_NK


def _earlier(folder: Path, setup: StudySetup) -> SettingsStudy:
    """The stored study; one without runs if there is none."""
    split, path = setup.images.split, folder / RESULTS_NAME
    if not path.exists():
        return SettingsStudy(split_digest=split.digest, images=len(split.train), runs=())
    try:
        study = SettingsStudy.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise CheckpointError(
            f"{path} is damaged or of another release ({explain(error, at_most=1)}): move it away, or give another "
            "--name"
        ) from error
    if study.split_digest != split.digest:
        raise ConfigurationError(f"the study in {folder} was started with other images: give another --name")
    return study


def _is_done(study: SettingsStudy, change: str, config: RecipeConfig, folder: Path) -> bool:
    """True if the run is stored; raises ConfigurationError if it has other settings."""
    for run in study.runs:
        if (run.change, run.seed) == (change, config.seed):
            differences = RecipeConfig.model_validate(run.config).differences(config)
            if differences:
                listed = "; ".join(f"{key} was {old!r}, now {new!r}" for key, (old, new) in differences.items())
                raise ConfigurationError(
                    f"the study in {folder} was started with other settings: {listed}. Give another --name"
                )
            return True
    return False


def _page(study: SettingsStudy, configs: dict[str, RecipeConfig]) -> str:
    recipe = configs[""].recipe
    rows = []
    for change in configs:
        runs = [run for run in study.runs if run.change == change]
        figures = zip(*((run.accuracy, run.corrupted_accuracy, run.flag_rate) for run in runs), strict=True)
        means = " | ".join(f"{float(np.mean(values)):.2%}" for values in figures)
        rows.append(f"| {f'`{change}`' if change else recipe} | {len(runs)} | {means} |")
    return "\n".join(
        [
            f"# Settings of {recipe}",
            "",
            f"{configs[''].epochs} epochs on {study.images:,} training images; means over seeds, on validation images: "
            "clean, and under the four extra corruptions of CIFAR-10-C at severities 2 and 4. The threshold of the "
            f"flag is chosen for each run so that it flags {OOD_FLAG_RATE:.0%} of the clean images.",
            "",
            "| change | seeds | clean accuracy | accuracy under corruption | flagged under corruption |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )
