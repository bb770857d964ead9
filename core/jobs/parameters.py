"""Job parameters, which the API validates before the training environment runs the job."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, field_validator

from core.errors import ConfigurationError
from core.images.labelled_folders import FOLDER_PREFIX, NAME_PATTERN, default_family
from core.recipes import RecipeConfig, recipe_config
from core.repository.manifest import FamilyName, ModelReference, Precision, VersionReference
from core.strict_model import StrictModel
from core.text_pattern import TextPattern

JobKind = Literal["train", "evaluate", "batch", "download"]
PromotionPolicy = Literal["never", "if_better", "always"]
DATA_PATTERN = rf"^(cifar10|{FOLDER_PREFIX}{NAME_PATTERN.removeprefix('^').removesuffix('$')})$"
MAX_OVERRIDES = 100
MAX_EVALUATED_VERSIONS = 100
MAX_BATCH_MODELS = 8
TableFormat = Literal["csv", "jsonl", "parquet"]
DataReference = Annotated[
    str, TextPattern(DATA_PATTERN, "use cifar10, or folder:NAME for a data set of your own, such as folder:my-pets")
]

FolderReference = Annotated[
    str,
    TextPattern(
        rf"^{FOLDER_PREFIX}{NAME_PATTERN.removeprefix('^')}",
        "use folder:NAME for a data set of your own, such as folder:my-pets",
    ),
]


class TrainParameters(StrictModel):
    """One training run, from a recipe to a published version."""

    recipe: str = Field(max_length=100, description="name of the recipe, such as cnn_baseline")
    seed: int | None = Field(None, ge=0, lt=2**63, description="seed of weights, order and augmentation")
    data: DataReference = Field("cifar10", description="cifar10, or folder:NAME for the data set of that name")
    family: FamilyName | None = Field(
        None, description="family to publish under; by default the kind of network, required for a folder"
    )
    init_from: VersionReference | None = Field(None, description="start from this version's weights, such as cnn@3")
    overrides: dict[str, JsonValue] = Field(
        default_factory=dict,
        max_length=MAX_OVERRIDES,
        description="settings of the recipe to change, dotted or nested, such as epochs",
    )
    promote: PromotionPolicy = Field(
        "if_better", description="when the new version becomes champion: never, if the gate passes it, or always"
    )

    def config(self) -> RecipeConfig:
        """The full configuration of the run: the recipe with overrides, seed and init_from.

        Raises:
            ConfigurationError: the recipe or a setting does not exist, or a setting is given twice.
        """
        changes = dict(self.overrides)
        for name, value in (("seed", self.seed), ("init_from", self.init_from)):
            if value is None:
                continue
            if name in changes:
                raise ConfigurationError(f"{name} is given twice: as {name} and among the overrides: leave one out")
            changes[name] = value
        return recipe_config(self.recipe).with_overrides(changes)

    def target_family(self) -> str:
        """The family under which the version will be published; raises as `config` does.

        Raises:
            ConfigurationError: no family is given and the data is a folder.
        """
        return self.family or default_family(self.config().network.kind, self.data)


class EvaluateParameters(StrictModel):
    """One evaluation of published versions on a data set."""

    versions: tuple[VersionReference, ...] = Field(
        (), max_length=MAX_EVALUATED_VERSIONS, description="such as cnn@3; empty for all champions"
    )
    data: DataReference = Field("cifar10", description="cifar10, or folder:NAME for the data set of that name")


class BatchParameters(StrictModel):
    """One prediction of all images of a data set, into one table per model."""

    data: FolderReference = Field(description="folder:NAME for the data set of that name")
    models: tuple[ModelReference, ...] = Field(
        ("cnn",),
        min_length=1,
        max_length=MAX_BATCH_MODELS,
        description="such as cnn@3, or cnn for its champion, which is recorded as the version it then is",
    )
    precision: Precision | None = Field(None, description="fp32, bf16 or int8; by default DUET_PRECISION of the worker")
    format: TableFormat = Field("csv", description="format of the tables; parquet needs pyarrow on the service")

    @property
    def folder(self) -> str:
        """Name of the data set."""
        return self.data.removeprefix(FOLDER_PREFIX)

    @field_validator("models")
    @classmethod
    def _check_unique(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(models)) < len(models):
            raise ValueError("name each model once")
        return models


class DownloadParameters(StrictModel):
    """One download of a built-in data set into DUET_HOME."""

    data: Literal["cifar10"] = "cifar10"


JobParameters = TrainParameters | EvaluateParameters | BatchParameters | DownloadParameters
