"""Network configurations: MLP and CNN."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from core.recipes.config import Settings

Activation = Literal["relu", "gelu", "silu", "tanh"]
Width = Annotated[int, Field(gt=0, le=65_536)]
"""Units of a dense layer, or channels of a convolution."""


class MLPNetwork(Settings):
    """Multilayer perceptron: flatten, then dense layers with a non-linearity between them.

    Dense layers only: no convolution, no attention, no weights shared between positions.
    """

    kind: Literal["mlp"] = "mlp"
    hidden: tuple[Width, ...] = Field(min_length=1, description="width of each hidden dense layer")
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
        min_length=1, description="channels of each block; every block halves the image"
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
    hidden: tuple[Width, ...] = Field(description="width of each hidden dense layer after the blocks")
    activation: Activation = "relu"
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="share of dense units dropped in training")
