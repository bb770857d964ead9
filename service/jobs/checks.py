"""Whether a job that is asked for could run: said before it is recorded, rather than by a process that fails later."""

from __future__ import annotations

from pathlib import Path

from core.errors import ConfigurationError, DataError
from core.jobs.parameters import EvaluateParameters, TrainParameters
from core.labelled_folders import folder_of, read_folder
from core.recipes import RECIPES
from service.catalogue import Catalogue, Reference
from service.errors import InvalidParametersError


def check_training(parameters: TrainParameters, catalogue: Catalogue, home: Path) -> None:
    """Check recipe, settings, data and first weights; reads the disk.

    Raises:
        InvalidParametersError: one of them is not there, or does not fit.
        UnknownModelError, UnknownModelVersionError, VersionRefusedError: of the version to start from.
    """
    if parameters.recipe not in RECIPES:
        raise _invalid("recipe", f"no recipe {parameters.recipe!r}: there are {', '.join(sorted(RECIPES))}")
    try:
        parameters.config()
    except ConfigurationError as error:
        raise _invalid("overrides", str(error)) from None
    try:
        parameters.target_family()
    except ConfigurationError as error:
        raise _invalid("family", str(error)) from None
    _check_data(parameters.data, home)
    if parameters.init_from is not None:
        catalogue.resolve(Reference.parse(parameters.init_from))


def check_evaluation(parameters: EvaluateParameters, catalogue: Catalogue, home: Path) -> None:
    """Check versions and data; reads the disk.

    Raises:
        InvalidParametersError: the data is not there.
        UnknownModelError, UnknownModelVersionError, VersionRefusedError: of a version; with none named, there is no
            champion at all.
    """
    _check_data(parameters.data, home)
    for reference in parameters.versions:
        catalogue.resolve(Reference.parse(reference))
    if not parameters.versions and not catalogue.repository.champions():
        raise _invalid("versions", "none is named and there is no champion: name one, such as cnn@3")


def _check_data(data: str, home: Path) -> None:
    name = folder_of(data)
    if name is None:
        return
    try:
        shortfalls = read_folder(home, name).shortfalls()
    except DataError as error:
        raise _invalid("data", str(error)) from None
    if shortfalls:
        raise _invalid("data", f"{data} is too small: {'; '.join(shortfalls)}")


def _invalid(parameter: str, message: str) -> InvalidParametersError:
    return InvalidParametersError([(parameter, message)])
