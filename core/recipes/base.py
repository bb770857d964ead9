"""Recipe configuration: frozen pydantic models for all settings of a run, with ranges, units and help for the form."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from core.errors import SettingsError
from core.recipes.overrides import causes, flattened, setting_name, unknown_setting
from core.repository.manifest import Geometry, Sha256, VersionReference
from core.strict_model import StrictModel
from core.text_pattern import TextPattern


class Settings(StrictModel, allow_inf_nan=False):
    """Base of the settings of a run: numbers must be finite."""


Activation = Literal["relu", "gelu", "silu", "tanh"]
Width = Annotated[int, Field(gt=0, le=65_536)]
"""Units of a dense layer, or channels of a convolution."""
MAX_LAYERS = 64
"""Maximum number of hidden layers, and of blocks."""
_LISTED_PROBLEMS = 20
"""Maximum number of invalid settings in an error."""


class MLPNetwork(Settings):
    """Multilayer perceptron: flatten, then dense layers with activations, without weights shared between positions."""

    kind: Literal["mlp"] = "mlp"
    hidden: tuple[Width, ...] = Field(
        min_length=1, max_length=MAX_LAYERS, description="width of each hidden dense layer"
    )
    blocks: int = Field(0, ge=0, le=64, description="residual blocks of two dense layers after the hidden layers")
    expansion: float = Field(2.0, gt=0, le=8, description="width inside a residual block relative to its input")
    activation: Activation = "relu"
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="share of hidden units dropped in training")


class CNNNetwork(Settings):
    """A convolutional network: blocks of 3x3 convolutions, each with max-pooling, then dense layers.

    The `plain` design is the textbook one. The `whitened` design follows Jordan 2024 ("94% on CIFAR-10 in 3.29 Seconds
    on a Single GPU"): a frozen first convolution that whitens small patches, blocks with pooling after their first
    convolution, partial-identity initial weights, and global max-pooling.
    """

    kind: Literal["cnn"] = "cnn"
    design: Literal["plain", "whitened"] = "plain"
    channels: tuple[Width, ...] = Field(
        min_length=1, max_length=MAX_LAYERS, description="channels of each block; every block halves the image"
    )
    convolutions: int = Field(2, ge=1, le=4, description="3x3 convolutions in each block")
    residual: bool = Field(
        False, description="add the output of a whitened block's first convolution to that of its last one"
    )
    whitening: bool = Field(
        True, description="freeze a whitened network's first convolution at the whitening filters; false: train it"
    )
    whitening_epsilon: float = Field(
        5e-4,
        gt=0,
        le=1,
        description="added to the variance of each direction of a patch; small values amplify pixel noise",
    )
    whitening_bias: int = Field(
        0,
        ge=0,
        le=10_000,
        description="epochs in which the bias of the frozen first convolution is trained; 0: no bias",
    )
    identity: bool = Field(
        True, description="initialize a whitened network's convolutions as partial identity; false: at random"
    )
    hidden: tuple[Width, ...] = Field(
        max_length=MAX_LAYERS, description="width of each hidden dense layer after the blocks"
    )
    activation: Activation = "relu"
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="share of dense units dropped in training")


class BackboneNetwork(Settings):
    """EfficientNet-Lite0 with weights pretrained on ImageNet, and a dense layer for the classes.

    The first epoch trains the dense layer alone, on features of the frozen network; later epochs train the last blocks
    too.
    """

    kind: Literal["backbone"] = "backbone"
    design: Literal["efficientnet_lite0"] = "efficientnet_lite0"
    views: int = Field(
        8,
        ge=0,
        le=100,
        description="augmented views of every image whose features the dense layer is fitted to in the first epoch, "
        "beside the image itself; fewer for more than 5,000 images",
    )
    tuned_blocks: int = Field(
        4, ge=0, le=18, description="last blocks that epochs after the first train too; 0: the dense layer alone"
    )
    weights: Sha256 | None = Field(
        None, description="sha256 of the file with the pretrained weights; null: that of the file that is found"
    )


class Augmentation(Settings):
    """Random augmentation of the training images, drawn for every image and epoch."""

    flip: bool = Field(True, description="mirror left-right with probability one half")
    alternate: bool = Field(
        False, description="mirror each image in every other epoch instead of at random (Jordan 2024)"
    )
    translate: int = Field(0, ge=0, le=16, description="largest shift in pixels along each axis, borders reflected")
    rotate: float = Field(0.0, ge=0, le=180, description="largest rotation about the center in degrees")
    stretch: float = Field(
        0.0, ge=0, le=0.5, description="largest relative change of height and width, drawn separately"
    )
    cutout: int = Field(0, ge=0, le=32, description="side in pixels of a square set to the mean color")
    mixup: float = Field(
        0.0, ge=0, le=10, description="alpha of the Beta distribution by which pairs of images are mixed; 0: none"
    )
    cutmix: float = Field(
        0.0, ge=0, le=1, description="share of the images that show a rectangle of another one (Yun et al. 2019)"
    )
    augmix: float = Field(0.0, ge=0, le=1, description="share of the images changed by AugMix (Hendrycks et al. 2020)")
    frequency_mixing: float = Field(
        0.0, ge=0, le=1, description="share of the images with parts of another one's spectrum (Chen et al. 2021)"
    )
    texture_mixing: float = Field(
        0.0, ge=0, le=1, description="share of the images mixed with a texture of another one of their class"
    )
    outliers: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="images without an object per image of a batch, trained to a high energy; 0: none",
    )

    @model_validator(mode="after")
    def _check_shares(self) -> Self:
        shares = self.augmix + self.frequency_mixing + self.texture_mixing
        if shares > 1:
            raise ValueError(
                f"augmix, frequency_mixing and texture_mixing add up to {shares:g}: give shares with a sum of at most 1"
            )
        return self


class Optimization(Settings):
    """The optimizer, its schedule and the loss."""

    optimizer: Literal["adam", "adamw", "sgd", "muon"] = "adam"
    learning_rate: float = Field(gt=0, description="peak learning rate")
    vector_learning_rate: float = Field(
        3e-3, gt=0, description="peak rate of AdamW, which muon uses for biases, scales and the last layer"
    )
    weight_decay: float = Field(0.0, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1, description="Nesterov momentum of sgd and muon, beta1 of adam and adamw")
    schedule: Literal["constant", "linear", "cosine"] = Field("linear", description="decay to zero after the warm-up")
    warmup: float = Field(0.0, ge=0, lt=1, description="share of all steps in which the rate rises from zero")
    loss: Literal["cross_entropy", "mse"] = Field(
        "cross_entropy", description="mse compares softmax with one-hot labels"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    averaging: float = Field(
        0.0, ge=0, description="epochs over which the published weights are a running mean; 0: the last weights"
    )


_TEACHER = r"[a-z][a-z0-9_-]{0,31}(@[1-9][0-9]*)?"
Teachers = Annotated[
    str,
    TextPattern(
        rf"^{_TEACHER}(\+{_TEACHER}){{0,3}}$",
        "a teacher is a version such as cnn@4, a family such as cnn, or up to 4 of them joined by +, such as cnn@4+mlp",
    ),
]


class Distillation(Settings):
    """Knowledge distillation: learning from the predictions of other versions (Hinton et al. 2015).

    With `view="augmented"`, teacher and student see the same images, in `rounds` augmented variants through which the
    epochs cycle (Beyer et al. 2022, "Knowledge distillation: A good teacher is patient and consistent").
    """

    teacher: Teachers | None = Field(
        None,
        description="version such as cnn@4, a family for its champion, or several joined by + for the mean of their "
        "probabilities; null: learn from the labels alone",
    )
    view: Literal["augmented", "clean"] = Field(
        "augmented",
        description="images that the teacher sees: those of the student, or the unchanged images and their mirror "
        "images, whose predictions CutMix and mixup mix",
    )
    temperature: float = Field(1.0, gt=0, le=100, description="divides both networks' logits in the distillation loss")
    weight: float = Field(
        1.0, ge=0, le=1, description="share of the teacher in the loss; the labels have the remaining share"
    )
    rounds: int = Field(
        50, ge=1, le=10_000,
        description="augmented variants of every image that the teacher predicts; not used with a clean view",
    )  # fmt: skip
    hint_weight: float = Field(
        0.0, ge=0, le=100,
        description="weight of the VID loss, in which a temporary head predicts the teacher's features; 0: none",
    )  # fmt: skip

    @property
    def teachers(self) -> tuple[str, ...]:
        """The references in `teacher`; empty for null."""
        return () if self.teacher is None else tuple(self.teacher.split("+"))

    @model_validator(mode="after")
    def _check_teachers(self) -> Self:
        if len(set(self.teachers)) < len(self.teachers):
            raise ValueError(f"teacher {self.teacher} names a version twice: name each once")
        if self.hint_weight and (len(self.teachers) > 1 or self.view == "clean"):
            raise ValueError("hint_weight needs a single teacher and the augmented view: set hint_weight=0")
        return self


class RecipeConfig(Settings):
    """All settings of a run; together with data and machine they determine the weights."""

    recipe: str
    network: MLPNetwork | CNNNetwork | BackboneNetwork = Field(discriminator="kind")
    augmentation: Augmentation
    optimization: Optimization
    distillation: Distillation = Field(default_factory=Distillation)
    epochs: int = Field(gt=0, le=10_000)
    batch_size: int = Field(gt=0, le=65_536)
    seed: int = Field(0, ge=0, lt=2**63)
    include_validation: bool = Field(False, description="train on the validation images too, for a final run")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="compute type; auto is bfloat16 if the device multiplies it in hardware, else float32"
    )
    image_size: int | None = Field(
        None,
        ge=8,
        le=512,
        description="side in pixels of the model input for images of a folder; null: that of init_from, or 32",
    )
    sampling: Literal["uniform", "balanced"] | None = Field(
        None,
        description="balanced draws every class equally often in an epoch; null: balanced if the largest class of a "
        "folder has more than 3 times the training images of the smallest, else uniform",
    )
    geometry: Geometry | None = Field(
        None,
        description="fit of images that are not square: crop to the center, pad with bars, or stretch; null: that of "
        "init_from, or crop",
    )
    init_from: VersionReference | None = Field(
        None,
        description="version with the same network whose weights initialize the run, such as cnn@3; null: random",
    )

    @property
    def architecture(self) -> Literal["mlp", "cnn"]:
        """Architecture of the network, which decides the explanation methods; a backbone is a cnn."""
        return "mlp" if self.network.kind == "mlp" else "cnn"

    def with_overrides(self, overrides: dict[str, Any]) -> RecipeConfig:
        """A copy with `overrides` merged in; keys are dotted (`optimization.learning_rate`) or nested.

        Raises:
            SettingsError: a key does not exist or a value is not valid; the message names them.
        """
        tree = self.model_dump(mode="python")
        for key, value in flattened(overrides).items():
            *parents, leaf = key.split(".")
            node = tree
            for parent in parents:
                child = node.get(parent)
                if not isinstance(child, dict):
                    raise unknown_setting(key, self.recipe, node, tree)
                node = child
            if leaf not in node:
                raise unknown_setting(key, self.recipe, node, tree)
            node[leaf] = value
        try:
            return type(self).model_validate(tree)
        except ValidationError as error:
            found = [(setting_name(problem["loc"], tree), problem["msg"]) for problem in causes(error)]
            problems = list(dict.fromkeys(found))[:_LISTED_PROBLEMS]
            listed = "; ".join(f"{name}: {message}" for name, message in problems)
            raise SettingsError(f"invalid settings for recipe {self.recipe!r}: {listed}", problems) from error

    def differences(self, other: RecipeConfig) -> dict[str, tuple[Any, Any]]:
        """Dotted settings that differ between the two configurations, with both values."""
        mine, theirs = flattened(self.model_dump(mode="json")), flattened(other.model_dump(mode="json"))
        keys = sorted(mine.keys() | theirs.keys())
        return {key: (mine.get(key), theirs.get(key)) for key in keys if mine.get(key) != theirs.get(key)}
