"""How much each augmentation gives: steps that add one after the other, for several recipes, each with several seeds.

All runs of a study have the same images and the same number of epochs. Results are kept as they come, so that a study
that was killed goes on where it was.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from core.errors import CheckpointError, ConfigurationError
from core.files.durable import atomic_replace
from core.recipes import Augmentation, RecipeConfig, recipe_config
from core.records.studies import TaughtBy
from core.repository.confidence_interval import ConfidenceInterval
from core.repository.manifest import Manifest
from core.statistics.student import student_mean
from training.data.split_dataset import Images
from training.export.weights import WEIGHTS_NAME
from training.fit.distillation import read_teacher
from training.tuning.ablation.places import require_room
from training.tuning.ablation.progress import StudyProgress
from training.tuning.ablation.study_setup import StudySetup, final_accuracy, short_run

STEPS = ("none", "+ flip", "+ translate", "+ cutout", "+ mixup", "+ distillation")
"""Each adds to those before it; the last needs a teacher."""
RESULTS_NAME = "results.json"
_TRANSLATE, _CUTOUT, _MIXUP = 2, 8, 0.5
"""How strong, where the recipe does without: two pixels, a quarter of CIFAR-10's side, and Beta(0.5, 0.5)."""


@dataclass(frozen=True)
class Run:
    """One run that is done."""

    recipe: str
    step: str
    seed: int
    accuracy: float
    """On the validation images, after the last epoch."""
    seconds: float
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Study:
    """What results.json holds: whose images, which part of them, and the runs that are done."""

    data_digest: str
    split_digest: str
    images: int
    """How many every run is trained on."""
    teacher: TaughtBy | None
    runs: list[Run]


@dataclass(frozen=True)
class Cell:
    """One step of one recipe over all seeds; the difference is to the step before, seed by seed."""

    recipe: str
    step: str
    accuracies: tuple[float, ...]
    accuracy: ConfidenceInterval
    difference: ConfidenceInterval | None


def step_config(recipe: RecipeConfig, step: str, teacher: str | None = None) -> RecipeConfig:
    """The recipe with the augmentations of this step and of those before it, as strong as the recipe has them.

    Turns, stretches and pictures of no class are part of no step: all go without.
    """
    rank, own = STEPS.index(step), recipe.augmentation
    augmentation = Augmentation(
        flip=rank >= 1,
        alternate=own.alternate and rank >= 1,
        translate=(own.translate or _TRANSLATE) if rank >= 2 else 0,
        cutout=(own.cutout or _CUTOUT) if rank >= 3 else 0,
        mixup=(own.mixup or _MIXUP) if rank >= 4 else 0.0,
    )
    # A short run gets to no more rounds than it has epochs.
    rounds = min(recipe.distillation.rounds, recipe.epochs)
    distillation = recipe.distillation.model_copy(update={"teacher": teacher if rank >= 5 else None, "rounds": rounds})
    return recipe.with_overrides({"augmentation": augmentation.model_dump(), "distillation": distillation.model_dump()})


_STRENGTHS = ("alternate", "translate", "cutout", "mixup")
"""Settings of the augmentation that a recipe may change."""


def require_used(recipe: RecipeConfig, changed: RecipeConfig) -> None:
    """Refuse changes of a recipe that no step would show.

    Raises:
        ConfigurationError: a setting was changed that the steps decide themselves; the message says which.
    """
    discarded = {
        "distillation.teacher",
        *(f"augmentation.{name}" for name in Augmentation.model_fields if name not in _STRENGTHS),
    }
    ignored = sorted(discarded & recipe.differences(changed).keys())
    if ignored:
        raise ConfigurationError(
            f"the study decides {', '.join(ignored)} itself: leave that out (the strengths of translate, cutout and "
            "mixup may be changed, and --teacher names who teaches in the last step)"
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
    """Do every run that `folder`/results.json does not hold; returns those that are asked for.

    The file keeps what it holds besides, such as the runs of more seeds.

    Args:
        recipes: at their reduced number of epochs.
        seeds: how many, from 0.
        setup: images and machine.
        folder: of the study; made if it does not exist.
        teacher: version to distil from in the last step, such as teacher@1; None leaves that step out.
        progress: is told where the study is.

    Raises:
        ConfigurationError: a run that is done had other settings; the message lists them. Or the teacher does not fit,
            or is another than that of the runs that are done.
        UnknownFamilyError, UnknownVersionError, CorruptVersionError: there is no such teacher, or it is damaged.
        CheckpointError: another process has the study, or its files cannot be read or written.
        LowDiskError: there is no room for the checkpoints of its runs.
        TrainingDivergedError: a run's loss is no longer finite.
    """
    steps = STEPS if teacher is not None else STEPS[:-1]
    # Seeds first: stopped early, a study has all steps with fewer seeds.
    wanted = [(seed, recipe, step) for seed in range(seeds) for recipe in recipes for step in steps]
    # The step that needs the teacher is the last: what is wrong with it would show after hours.
    read = [read_teacher(step_config(recipe, steps[-1], teacher), setup.images, setup.repository) for recipe in recipes]
    taught_by = next((_taught_by(one.manifest) for one in read if one is not None), None)
    runs = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        require_room(folder)
        with FileLock(folder / ".lock").acquire(timeout=0):
            images = setup.images
            earlier = _earlier(folder, images)
            kept_teacher = _require_same_teacher(earlier, taught_by, folder)
            done = {(run.recipe, run.step, run.seed): run for run in earlier.runs}
            for number, (seed, recipe, step) in enumerate(wanted):
                progress.runs("study", done=number, total=len(wanted))
                config = step_config(recipe, step, teacher).with_overrides({"seed": seed})
                key = (config.recipe, step, seed)
                if key in done:
                    _require_same(done[key], config, folder)
                else:
                    done[key] = _do(config, step, setup, folder, progress)
                    _write(folder, replace(earlier, teacher=kept_teacher, runs=list(done.values())))
                runs.append(done[key])
            progress.runs("study", done=len(wanted), total=len(wanted))
            shutil.rmtree(folder / "run", ignore_errors=True)
    except Timeout:
        raise CheckpointError(f"another process is at the study in {folder}: wait for it, or give --name") from None
    except OSError as error:
        raise CheckpointError(f"the study cannot be kept in {folder} ({error}): free some space and go on") from error
    return replace(earlier, teacher=taught_by, runs=runs)


def cells(runs: Sequence[Run]) -> list[Cell]:
    """Steps in their order, recipe by recipe; only seeds that every step of the recipe has are counted.

    Raises:
        ConfigurationError: a recipe has fewer than two such seeds.
    """
    found = []
    for recipe in dict.fromkeys(run.recipe for run in runs):
        of_step = {step: {run.seed: run.accuracy for run in runs if (run.recipe, run.step) == (recipe, step)}
                   for step in STEPS if any((run.recipe, run.step) == (recipe, step) for run in runs)}  # fmt: skip
        seeds = sorted(set.intersection(*map(set, of_step.values())))
        if len(seeds) < 2:
            raise ConfigurationError(f"{recipe} has {len(seeds)} whole seeds: intervals need two or more")
        before: list[float] | None = None
        for step, accuracy_of in of_step.items():
            values = [accuracy_of[seed] for seed in seeds]
            difference = None if before is None else student_mean([a - b for a, b in zip(values, before, strict=True)])
            found.append(Cell(recipe, step, tuple(values), student_mean(values), difference))
            before = values
    return found


def changed_settings(run: Run) -> dict[str, str]:
    """What a run has otherwise than a study gives to the recipe of its name; dotted settings."""
    config = RecipeConfig.model_validate(run.config)
    recipe = recipe_config(run.recipe).with_overrides({"epochs": config.epochs, "seed": config.seed})
    differences = config.differences(step_config(recipe, run.step, config.distillation.teacher))
    return {key: str(value) for key, (value, _) in differences.items()}


def strengths(study: Study, recipe: str) -> dict[str, str]:
    """How strong the steps of a recipe are: pixels, pixels, alpha."""
    last = max((run for run in study.runs if run.recipe == recipe), key=lambda run: STEPS.index(run.step))
    augmentation = RecipeConfig.model_validate(last.config).augmentation
    values = {"translate": augmentation.translate, "cutout": augmentation.cutout, "mixup": augmentation.mixup}
    return {name: str(value) for name, value in values.items() if value}


def read_study(folder: Path) -> Study:
    """`folder`/results.json, which has to be there.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = folder / RESULTS_NAME
    try:
        content = json.loads(path.read_text())
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
        raise CheckpointError(
            f"{path} is damaged or of another release ({error}): move it away, or give another --name"
        ) from error


def _do(config: RecipeConfig, step: str, setup: StudySetup, folder: Path, progress: StudyProgress) -> Run:
    run_folder = folder / "run" / f"{config.recipe}-{STEPS.index(step)}-{config.seed}"
    judged_on = setup.images.part("validation")
    result = short_run(config, setup, run_folder, judged_on=judged_on, reporter=progress)
    accuracy = final_accuracy(result)
    progress.line(f"{config.recipe} {step}, seed {config.seed}: {accuracy:.2%} in {result.seconds:.0f} s")
    return Run(config.recipe, step, config.seed, accuracy, round(result.seconds, 1), config.model_dump(mode="json"))


def _earlier(folder: Path, images: Images) -> Study:
    """What `folder`/results.json holds of a study of these images; no runs where there is no such file."""
    if not (folder / RESULTS_NAME).exists():
        return Study(images.dataset.digest, images.split.digest, len(images.split.train), teacher=None, runs=[])
    study = read_study(folder)
    if study.split_digest != images.split.digest:
        raise ConfigurationError(f"the study in {folder} was begun with other images: give another --name")
    return study


def _require_same_teacher(earlier: Study, taught_by: TaughtBy | None, folder: Path) -> TaughtBy | None:
    """The teacher of the runs that are done and of those to come."""
    if earlier.teacher is None or taught_by is None:
        return earlier.teacher or taught_by
    if earlier.teacher != taught_by:
        raise ConfigurationError(
            f"the study in {folder} was begun with a {earlier.teacher.reference} of other weights or figures than "
            f"{taught_by.reference} has: give another --name"
        )
    return taught_by


def _taught_by(manifest: Manifest) -> TaughtBy:
    weights, accuracy = manifest.files[WEIGHTS_NAME].sha256, manifest.metrics.test_accuracy
    return TaughtBy(reference=manifest.reference, recipe=manifest.recipe, weights=weights, test_accuracy=accuracy)


def _write(folder: Path, study: Study) -> None:
    teacher = None if study.teacher is None else study.teacher.model_dump(mode="json")
    content = json.dumps(asdict(study) | {"teacher": teacher}, indent=1) + "\n"
    atomic_replace(folder / RESULTS_NAME, content.encode())


def _require_same(run: Run, config: RecipeConfig, folder: Path) -> None:
    differences = RecipeConfig.model_validate(run.config).differences(config)
    if differences:
        listed = "; ".join(f"{key} was {old!r}, now {new!r}" for key, (old, new) in differences.items())
        raise ConfigurationError(f"the study in {folder} was begun with other settings: {listed}. Give another --name")
