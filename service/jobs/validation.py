"""Validation of job parameters before a job is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.batch.output import check_parquet
from core.errors import ConfigurationError, DataError, SettingsError
from core.images.cifar_files import IMAGE_SIDE
from core.images.labelled_folders import LabelledFolder, folder_of, read_folder
from core.jobs.parameters import BatchParameters, EvaluateParameters, TrainParameters
from core.recipes import RECIPES
from core.recipes.init_from import check_no_leakage, require_same_network
from core.repository.manifest import Manifest
from service.broker.address import broker_folder, embedded_url
from service.errors import InvalidParametersError, NotReadyError, PrecisionNotPublishedError, ResultsFullError
from service.jobs.batch.results import stored_bytes
from service.models.catalog import ModelCatalog, ModelRef
from service.settings import Settings


def check_home(settings: Settings) -> None:
    """Check that the home, in which jobs leave their results, and the folder of an embedded broker still exist.

    After their removal the broker goes on over its open connections, but its files are gone: a job that it accepts then
    is lost with its process.

    Raises:
        NotReadyError: one of them was removed.
    """
    url = "" if settings.redis_url is None else settings.redis_url.get_secret_value()
    is_embedded = url == embedded_url(settings.home)
    if not settings.home.is_dir() or (is_embedded and not broker_folder(settings.home).is_dir()):
        raise NotReadyError(
            f"{settings.home} was removed or emptied while the service runs: restore it, and restart the service"
        )


def check_training(parameters: TrainParameters, catalog: ModelCatalog, home: Path) -> TrainParameters:
    """Check recipe, settings, data, initial weights and teachers, and return the parameters; reads the disk.

    Raises:
        InvalidParametersError: one of them does not exist or does not fit.
        UnknownFamilyError, UnknownVersionError, VersionRefusedError: for initial weights or a teacher.
    """
    if parameters.recipe not in RECIPES:
        raise _invalid(
            "recipe", f"unknown recipe {parameters.recipe!r}: available recipes are {', '.join(sorted(RECIPES))}"
        )
    try:
        config = parameters.config()
    except SettingsError as error:
        problems = [(f"overrides.{name}", message) for name, message in error.problems]
        raise InvalidParametersError(problems) from None
    except ConfigurationError as error:
        raise _invalid("overrides", str(error)) from None
    with _blaming("family"):
        parameters.target_family()
    if _check_data(parameters.data, home) is None and config.image_size not in (None, IMAGE_SIDE):
        if "image_size" not in parameters.overrides:
            raise _invalid(
                "recipe",
                f"{parameters.recipe} takes images of {config.image_size}x{config.image_size}, and those of "
                f"{parameters.data} are {IMAGE_SIDE}x{IMAGE_SIDE}: use a data set of your own, or another recipe",
            )
        raise _invalid(
            "overrides.image_size",
            f"the images of {parameters.data} are {IMAGE_SIDE}x{IMAGE_SIDE} and cannot be resized: leave it out, it "
            "applies to image folders only",
        )
    for reference in config.distillation.teachers:
        teacher = catalog.resolve(ModelRef.parse(reference))
        with _blaming("overrides.distillation.teacher"):
            check_no_leakage(teacher, config, "teach", same_images=_same_images(parameters.data, teacher))
    if config.init_from is not None:
        start = catalog.resolve(ModelRef.parse(config.init_from))
        with _blaming("init_from"):
            require_same_network(config, start)
            check_no_leakage(start, config, "start", same_images=_same_images(parameters.data, start))
    return parameters


def check_evaluation(parameters: EvaluateParameters, catalog: ModelCatalog, home: Path) -> EvaluateParameters:
    """Check versions and data, and return the parameters; reads the disk.

    Raises:
        InvalidParametersError: the data does not exist, its classes differ from those of a version, or no versions are
            named and there is no champion.
        UnknownFamilyError, UnknownVersionError, VersionRefusedError: for a version.
    """
    folder = _check_data(parameters.data, home)
    for reference in parameters.versions:
        classes = catalog.resolve(ModelRef.parse(reference)).class_names
        if folder is not None and tuple(folder.files) != classes:
            raise _invalid(
                "versions",
                f"{reference} has other classes ({', '.join(classes)}) than {parameters.data} "
                f"({', '.join(folder.files)})",
            )
    if not parameters.versions and not catalog.repository.champions():
        raise _invalid("versions", "no versions are named and there is no champion: name a version, such as cnn@3")
    return parameters


def check_batch(parameters: BatchParameters, catalog: ModelCatalog, settings: Settings) -> BatchParameters:
    """Check versions, data and the space for results; reads the disk.

    Returns:
        The parameters with the version of each model.

    Raises:
        InvalidParametersError: the data does not exist or has no images, or the format cannot be written.
        UnknownFamilyError, UnknownVersionError, VersionRefusedError: for a model.
        PrecisionNotPublishedError: a version has no such graph.
        ResultsFullError: the tables of earlier jobs take all space that DUET_MAX_RESULTS_BYTES gives.
    """
    with _blaming("format"):
        check_parquet(parameters.format)
    with _blaming("data"):
        images = read_folder(settings.home, parameters.folder).images
    if images == 0:
        raise _invalid("data", f"{parameters.data} has no images: upload some first")
    manifests = [catalog.resolve(ModelRef.parse(model)) for model in parameters.models]
    for manifest in manifests:
        if parameters.precision == "int8" and "int8" not in manifest.calibration:
            raise PrecisionNotPublishedError(manifest.reference, "int8", list(manifest.calibration))
    stored = stored_bytes(settings.home)
    if stored >= settings.max_results_bytes:
        raise ResultsFullError(stored, settings.max_results_bytes)
    references = dict.fromkeys(manifest.reference for manifest in manifests)
    return parameters.model_copy(update={"models": tuple(references)})


def _same_images(data: str, version: Manifest) -> bool:
    """Return whether the version was trained on this data set; False for folders, which the job itself checks."""
    return folder_of(data) is None and version.data.name == data


def _check_data(data: str, home: Path) -> LabelledFolder | None:
    """The folder named by `data`; None for a built-in data set."""
    name = folder_of(data)
    if name is None:
        return None
    with _blaming("data"):
        folder = read_folder(home, name)
    if shortfalls := folder.shortfalls():
        raise _invalid("data", f"{data} is too small: {'; '.join(shortfalls)}")
    return folder


@contextmanager
def _blaming(parameter: str) -> Iterator[None]:
    """Convert an error of the configuration or the data into one about this parameter."""
    try:
        yield
    except (ConfigurationError, DataError) as error:
        raise _invalid(parameter, str(error)) from None


def _invalid(parameter: str, message: str) -> InvalidParametersError:
    return InvalidParametersError([(parameter, message)])
