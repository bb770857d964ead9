"""Study of settings: a recipe with single changes, evaluated on clean and corrupted validation images.

The corruptions are the four extra kinds of CIFAR-10-C, which settings may be chosen on. The fourteen corruptions of the
robustness report are never used here. Each result is stored immediately, so an interrupted study resumes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ValidationError

from core.errors import explain
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
from training.tuning.ablation.runner import RESULTS_NAME, damaged_results, open_study, require_same_images, run_missing
from training.tuning.ablation.study_setup import StudySetup, final_accuracy, require_study_config, short_run

PAGE_NAME = "README.md"
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
    planned = [
        ((change, seed), config.with_overrides({"seed": seed}))
        for seed in range(seeds)
        for change, config in configs.items()
    ]
    with open_study(folder):
        earlier = _earlier(folder, setup)
        runs = run_missing(
            planned,
            {(run.change, run.seed): run for run in earlier.runs},
            folder,
            execute=lambda key, config, run_folder: _run(config, key[0], setup, run_folder, progress),
            store=lambda runs: _write(folder, earlier, runs),
            progress=progress,
        )
        (folder / PAGE_NAME).write_text(_page(earlier, runs, configs), encoding="utf-8")
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
        raise damaged_results(path, explain(error, at_most=1)) from error
    require_same_images(study.split_digest, setup.images, folder)
    return study


def _write(folder: Path, study: SettingsStudy, runs: Sequence[SettingsRun]) -> None:
    content = study.model_copy(update={"runs": tuple(runs)}).model_dump_json(indent=1)
    atomic_replace(folder / RESULTS_NAME, content.encode())


def _page(study: SettingsStudy, finished: Sequence[SettingsRun], configs: dict[str, RecipeConfig]) -> str:
    recipe = configs[""].recipe
    rows = []
    for change in configs:
        runs = [run for run in finished if run.change == change]
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
