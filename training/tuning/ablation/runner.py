"""Runner of the ablation studies: executes the missing runs of a study and stores each result immediately."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from filelock import FileLock, Timeout

from core.errors import CheckpointError, ConfigurationError
from core.recipes import RecipeConfig
from training.data.split_dataset import Images
from training.tuning.ablation.progress import StudyProgress
from training.tuning.ablation.study_folder import require_room

RESULTS_NAME = "results.json"
_OTHER_NAME = "give another --name"


class FinishedRun(Protocol):
    """A finished run with its configuration."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The fields of its RecipeConfig."""


Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result", bound=FinishedRun)


@contextmanager
def open_study(folder: Path) -> Iterator[None]:
    """Create and lock the folder of a study.

    Raises:
        CheckpointError: another process runs the study, or its files cannot be read or written.
        LowDiskError: there is no space for the checkpoints.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        require_room(folder)
        with FileLock(folder / ".lock").acquire(timeout=0):
            yield
    except Timeout:
        raise CheckpointError(
            f"another process is running the study in {folder}: wait for it, or {_OTHER_NAME}"
        ) from None
    except OSError as error:
        raise CheckpointError(
            f"cannot write the study in {folder} ({error}): free some space and run the same command again"
        ) from error


def require_same_images(split_digest: str, images: Images, folder: Path) -> None:
    """Check that a study was started with these images.

    Raises:
        ConfigurationError: it was not.
    """
    if split_digest != images.split.digest:
        raise ConfigurationError(f"the study in {folder} was started with other images: {_OTHER_NAME}")


def damaged_results(path: Path, reason: object) -> CheckpointError:
    """The error for a results file that cannot be parsed."""
    return CheckpointError(f"{path} is damaged or of another release ({reason}): move it away, or {_OTHER_NAME}")


def run_missing(
    planned: Sequence[tuple[Key, RecipeConfig]],
    finished: Mapping[Key, Result],
    folder: Path,
    *,
    execute: Callable[[Key, RecipeConfig, Path], Result],
    store: Callable[[list[Result]], None],
    progress: StudyProgress,
) -> list[Result]:
    """Execute the planned runs that are not finished; returns the results of all planned runs.

    Args:
        planned: key and configuration of each run, in the order of execution.
        finished: stored results by key; those of other keys are kept.
        folder: folder of the study.
        execute: performs a run and returns its result. Its folder is named after the key, so that an interrupted run
            resumes even if other runs were added.
        store: writes all results; called after each run.
        progress: receives the progress.

    Raises:
        ConfigurationError: a finished run has other settings, which the message lists.
    """
    results = dict(finished)
    for number, (key, config) in enumerate(planned):
        progress.runs("study", done=number, total=len(planned))
        if key in results:
            _require_same_settings(results[key], config, folder)
            continue
        run_folder = folder / "run" / hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        results[key] = execute(key, config, run_folder)
        store(list(results.values()))
        shutil.rmtree(run_folder, ignore_errors=True)
    progress.runs("study", done=len(planned), total=len(planned))
    shutil.rmtree(folder / "run", ignore_errors=True)
    return [results[key] for key, _ in planned]


def _require_same_settings(run: FinishedRun, config: RecipeConfig, folder: Path) -> None:
    differences = RecipeConfig.model_validate(run.config).differences(config)
    if differences:
        listed = "; ".join(f"{key} was {old!r}, now {new!r}" for key, (old, new) in differences.items())
        raise ConfigurationError(f"the study in {folder} was started with other settings ({listed}): {_OTHER_NAME}")
