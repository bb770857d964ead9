"""What a job is asked to do. The API validates with these what the training environment will run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from core.errors import ConfigurationError
from core.images.labelled_folders import FOLDER_PREFIX, NAME_PATTERN, default_family
from core.recipes import Config, RecipeConfig, recipe_config
from core.repository.manifest import FamilyName

JobKind = Literal["train", "evaluate"]
PromotionPolicy = Literal["never", "if_better", "always"]
DATA_PATTERN = rf"^(cifar10|{FOLDER_PREFIX}{NAME_PATTERN.removeprefix('^').removesuffix('$')})$"
REFERENCE_PATTERN = r"^[a-z][a-z0-9_-]{0,31}@[1-9][0-9]{0,8}$"
DataReference = Annotated[str, Field(pattern=DATA_PATTERN)]
VersionReference = Annotated[str, Field(pattern=REFERENCE_PATTERN)]


class TrainParameters(Config):
    """One training run, from a recipe to a published version."""

    recipe: str = Field(description="name of the recipe, such as cnn_baseline")
    seed: int | None = Field(None, ge=0, lt=2**63, description="seed of weights, order and augmentation")
    data: DataReference = Field("cifar10", description="cifar10, or folder:NAME for the data set of that name")
    family: FamilyName | None = Field(
        None, description="publish under this family; by default the network's kind, but for a folder"
    )
    init_from: VersionReference | None = Field(None, description="start from this version's weights, such as cnn@3")
    overrides: dict[str, JsonValue] = Field(
        default_factory=dict, description="settings of the recipe to change, dotted or nested, such as epochs"
    )
    promote: PromotionPolicy = Field(
        "if_better", description="whether the new version becomes champion: never, on evidence, or whatever it is"
    )

    def config(self) -> RecipeConfig:
        """The full configuration of the run: the recipe's, with the overrides, the seed and the version to start from.

        Raises:
            ConfigurationError: no such recipe, a setting that it does not take, or one that is given in both places.
        """
        changes = dict(self.overrides)
        for name, value in (("seed", self.seed), ("init_from", self.init_from)):
            if value is None:
                continue
            if name in changes:
                raise ConfigurationError(f"{name} is given twice: as {name} and among the overrides; leave one out")
            changes[name] = value
        return recipe_config(self.recipe).with_overrides(changes)

    def target_family(self) -> str:
        """The family under which the version will be published; raises as `config` does.

        Raises:
            ConfigurationError: none is given, and the data are a folder, whose classes fit no family by themselves.
        """
        return self.family or default_family(self.config().network.kind, self.data)


class EvaluateParameters(Config):
    """One evaluation of published versions on a data set; the versions themselves never change."""

    versions: tuple[VersionReference, ...] = Field((), description="such as cnn@3; none stands for all champions")
    data: DataReference = Field("cifar10", description="cifar10, or folder:NAME for the data set of that name")


JobParameters = TrainParameters | EvaluateParameters
