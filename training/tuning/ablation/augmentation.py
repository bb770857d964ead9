"""Ablation study of augmentation: cumulative steps, for several recipes with several seeds each.

All runs of a study have the same images and the same number of epochs. Each result is stored immediately, so an
interrupted study resumes with the next run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import ConfigurationError
from core.files.durable import atomic_replace
from core.recipes import Augmentation, RecipeConfig, recipe_config
from core.records.studies import TaughtBy
from core.repository.manifest import Manifest
from core.statistics.intervals import ConfidenceInterval, student_mean
from training.data.split_dataset import Images
from training.export.weights import WEIGHTS_NAME
from training.fit.distillation import read_teachers
from training.tuning.ablation.progress import StudyProgress
from training.tuning.ablation.runner import RESULTS_NAME, damaged_results, open_study, require_same_images, run_missing
from training.tuning.ablation.study_setup import StudySetup, final_accuracy, short_run

STEPS = ("none", "+ flip", "+ translate", "+ cutout", "+ mixup", "+ distillation")
"""Cumulative steps; the last needs a teacher."""
_TRANSLATE, _CUTOUT, _MIXUP = 2, 8, 0.5
"""Strengths if the recipe has none: two pixels, a quarter of CIFAR-10's image side, and Beta(0.5, 0.5)."""


@dataclass(frozen=True)
class Run:
    """A finished run."""

    recipe: str
    step: str
    seed: int
    accuracy: float
    """Validation accuracy after the last epoch."""
    seconds: float
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Study:
    """Content of results.json: digests of the data and the split, the teacher and the finished runs."""

    data_digest: str
    split_digest: str
    images: int
    """Number of training images of each run."""
    teacher: TaughtBy | None
    runs: list[Run]


@dataclass(frozen=True)
class Cell:
    """One step of a recipe over all seeds; the difference to the previous step is paired by seed."""

    recipe: str
    step: str
    accuracies: tuple[float, ...]
    accuracy: ConfidenceInterval
    difference: ConfidenceInterval | None


def step_config(recipe: RecipeConfig, step: str, teacher: str | None = None) -> RecipeConfig:
    """Return the recipe with the augmentations up to this step, with the recipe's strengths.

    Rotation, stretching and outlier images belong to no step and are disabled.
    """
    rank, own = STEPS.index(step), recipe.augmentation
    augmentation = Augmentation(
        flip=rank >= 1,
        alternate=own.alternate and rank >= 1,
        translate=(own.translate or _TRANSLATE) if rank >= 2 else 0,
        cutout=(own.cutout or _CUTOUT) if rank >= 3 else 0,
        mixup=(own.mixup or _MIXUP) if rank >= 4 else 0.0,
    )
    # A run uses at most one round per epoch.
    rounds = min(recipe.distillation.rounds, recipe.epochs)
    distillation = recipe.distillation.model_copy(update={"teacher": teacher if rank >= 5 else None, "rounds": rounds})
    return recipe.with_overrides({"augmentation": augmentation.model_dump(), "distillation": distillation.model_dump()})


_STRENGTHS = ("alternate", "translate", "cutout", "mixup")
"""Settings of the augmentation that a recipe may change."""


def require_used(recipe: RecipeConfig, changed: RecipeConfig) -> None:
    """Check that no changed setting is overwritten by the steps.

    Raises:
        ConfigurationError: a changed setting is controlled by the steps; the message names it.
    """
    controlled = {
        "distillation.teacher",
        *(f"augmentation.{name}" for name in Augmentation.model_fields if name not in _STRENGTHS),
    }
    ignored = sorted(controlled & recipe.differences(changed).keys())
    if ignored:
        raise ConfigurationError(
            f"the steps of the study control {', '.join(ignored)}: remove that setting (the strengths of translate, "
            "cutout and mixup may be changed, and --teacher sets the teacher of the last step)"
        )


def run_study(
    recipes: Sequence[RecipeConfig],
    seeds: int,
    setup: StudySetup,
    folder: Path,
    *,
    teacher: str | None,
    progress: StudyProgress,
) -> Study:
    """Execute all runs that are missing in `folder`/results.json, and return the requested ones.

    The file keeps its other runs, for example those of more seeds.

    Args:
        recipes: configurations with reduced epochs.
        seeds: number of seeds, starting from 0.
        setup: images and machine.
        folder: folder of the study; created if missing.
        teacher: version to distill from in the last step, such as teacher@1; None omits that step.
        progress: receives the progress.

    Raises:
        ConfigurationError: a finished run has other settings, which the message lists, or another teacher, or the
            teacher is unsuitable.
        UnknownFamilyError, UnknownVersionError, CorruptVersionError: the teacher does not exist or is damaged.
        CheckpointError: another process runs the study, or its files cannot be read or written.
        LowDiskError: there is no space for the checkpoints.
        TrainingDivergedError: a loss is NaN or infinite.
    """
    steps = STEPS if teacher is not None else STEPS[:-1]
    # Read the teacher first: only the last step uses it, so an error would appear after hours.
    last = [step_config(recipe, steps[-1], teacher) for recipe in recipes]
    read = [one for config in last for one in read_teachers(config, setup.images, setup.repository)]
    taught_by = _taught_by(read[0].manifest) if read else None
    # The champion of a family may change during the study: all runs have the teacher that was read here.
    teacher = None if taught_by is None else taught_by.reference
    # Seeds vary slowest, so that an interrupted study has all steps with fewer seeds.
    planned = [
        ((recipe.recipe, step, seed), step_config(recipe, step, teacher).with_overrides({"seed": seed}))
        for seed in range(seeds)
        for recipe in recipes
        for step in steps
    ]
    with open_study(folder):
        earlier = _earlier(folder, setup.images)
        kept = replace(earlier, teacher=_require_same_teacher(earlier, taught_by, folder))
        runs = run_missing(
            planned,
            {(run.recipe, run.step, run.seed): run for run in earlier.runs},
            folder,
            execute=lambda key, config, run_folder: _run(config, key[1], setup, run_folder, progress),
            store=lambda runs: _write(folder, replace(kept, runs=runs)),
            progress=progress,
        )
    return replace(earlier, teacher=taught_by, runs=runs)


def cells(runs: Sequence[Run]) -> list[Cell]:
    """Return the steps in their order, by recipe, over the seeds that all steps of the recipe have.

    Raises:
        ConfigurationError: a recipe has fewer than two such seeds.
    """
    found = []
    for recipe in dict.fromkeys(run.recipe for run in runs):
        of_step = {step: {run.seed: run.accuracy for run in runs if (run.recipe, run.step) == (recipe, step)}
                   for step in STEPS if any((run.recipe, run.step) == (recipe, step) for run in runs)}  # fmt: skip
        seeds = sorted(set.intersection(*map(set, of_step.values())))
        if len(seeds) < 2:
            raise ConfigurationError(f"{recipe} has {len(seeds)} complete seeds: intervals need two or more")
        before: list[float] | None = None
        for step, accuracy_of in of_step.items():
            values = [accuracy_of[seed] for seed in seeds]
            difference = None if before is None else student_mean([a - b for a, b in zip(values, before, strict=True)])
            found.append(Cell(recipe, step, tuple(values), student_mean(values), difference))
            before = values
    return found


def changed_settings(run: Run) -> dict[str, str]:
    """Return the settings of a run that differ from its recipe's step, by dotted name."""
    config = RecipeConfig.model_validate(run.config)
    recipe = recipe_config(run.recipe).with_overrides({"epochs": config.epochs, "seed": config.seed})
    differences = config.differences(step_config(recipe, run.step, config.distillation.teacher))
    return {key: str(value) for key, (value, _) in differences.items()}


def strengths(study: Study, recipe: str) -> dict[str, str]:
    """Return the strengths of a recipe's steps: translate and cutout in pixels, mixup as alpha."""
    last = max((run for run in study.runs if run.recipe == recipe), key=lambda run: STEPS.index(run.step))
    augmentation = RecipeConfig.model_validate(last.config).augmentation
    values = {"translate": augmentation.translate, "cutout": augmentation.cutout, "mixup": augmentation.mixup}
    return {name: str(value) for name, value in values.items() if value}


def read_study(folder: Path) -> Study:
    """Read `folder`/results.json, which must exist.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = folder / RESULTS_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        runs = [Run(**run) for run in content["runs"]]
        for run in runs:
            RecipeConfig.model_validate(run.config)
        taught = content["teacher"]
        return Study(
            data_digest=content["data_digest"],
            split_digest=content["split_digest"],
            images=content["images"],
            teacher=None if taught is None else TaughtBy.model_validate(taught),
            runs=runs,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise damaged_results(path, error) from error


def _run(config: RecipeConfig, step: str, setup: StudySetup, folder: Path, progress: StudyProgress) -> Run:
    result = short_run(config, setup, folder, validation=setup.images.part("validation"), reporter=progress)
    accuracy = final_accuracy(result)
    progress.line(f"{config.recipe} {step}, seed {config.seed}: {accuracy:.2%} in {result.seconds:.0f} s")
    return Run(config.recipe, step, config.seed, accuracy, round(result.seconds, 1), config.model_dump(mode="json"))


def _earlier(folder: Path, images: Images) -> Study:
    """Return the stored study; a study without runs if `folder`/results.json does not exist."""
    if not (folder / RESULTS_NAME).exists():
        return Study(images.dataset.digest, images.split.digest, len(images.split.train), teacher=None, runs=[])
    study = read_study(folder)
    require_same_images(study.split_digest, images, folder)
    return study


def _require_same_teacher(earlier: Study, taught_by: TaughtBy | None, folder: Path) -> TaughtBy | None:
    """Return the teacher of the study; raises ConfigurationError if it differs from the stored one."""
    if earlier.teacher is None or taught_by is None:
        return earlier.teacher or taught_by
    if earlier.teacher != taught_by:
        raise ConfigurationError(
            f"the study in {folder} was started with a {earlier.teacher.reference} of other weights or accuracy than "
            f"{taught_by.reference}: give another --name"
        )
    return taught_by


def _taught_by(manifest: Manifest) -> TaughtBy:
    weights, accuracy = manifest.files[WEIGHTS_NAME].sha256, manifest.metrics.test_accuracy
    return TaughtBy(reference=manifest.reference, recipe=manifest.recipe, weights=weights, test_accuracy=accuracy)


def _write(folder: Path, study: Study) -> None:
    teacher = None if study.teacher is None else study.teacher.model_dump(mode="json")
    content = json.dumps(asdict(study) | {"teacher": teacher}, indent=1) + "\n"
    atomic_replace(folder / RESULTS_NAME, content.encode())
