"""The two families of networks, as configurations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from core.recipes.config import Settings

Activation = Literal["relu", "gelu", "silu", "tanh"]
Width = Annotated[int, Field(gt=0, le=65_536)]
"""Units of a dense layer, or channels of a convolution."""


class MLPNetwork(Settings):
    """A plain neural network: flatten, dense layers, a non-linearity between them.

    Dense layers only: no convolution, no attention, and no weight that is used at more than one position.
    """

    kind: Literal["mlp"] = "mlp"
    hidden: tuple[Width, ...] = Field(min_length=1, description="width of each hidden dense layer")
    blocks: int = Field(
        0, ge=0, le=64, description="residual blocks after the hidden layers, of two dense layers each; 0: a chain"
    )
    expansion: float = Field(2.0, gt=0, le=8, description="width inside a residual block, relative to that outside")
    activation: Activation = "relu"
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="share of hidden units dropped while training")


class CNNNetwork(Settings):
    """A convolutional network: blocks of 3x3 convolutions, each with max-pooling, then dense layers.

    The `plain` design is that of a textbook. The `whitened` one is that of Jordan 2024 ("94% on CIFAR-10 in 3.29
    Seconds on a Single GPU"): a first convolution that decorrelates small patches and is never trained, blocks that
    pool right after their first convolution, partial-identity first weights, and a maximum over what is left of the
    image.
    """

    kind: Literal["cnn"] = "cnn"
    design: Literal["plain", "whitened"] = "plain"
    channels: tuple[Width, ...] = Field(
        min_length=1, description="channels of each block; every block halves the image"
    )
    convolutions: int = Field(2, ge=1, le=4, description="3x3 convolutions in each block")
    residual: bool = Field(
        False, description="add what a whitened block's first convolution gives to what its last one gives"
    )
    whitening: bool = Field(
        True, description="freeze a whitened network's first convolution where it decorrelates patches; false: train it"
    )
    whitening_epsilon: float = Field(
        5e-4,
        gt=0,
        le=1,
        description="added to the variance of each direction of a patch; small values amplify pixel noise",
    )
    whitening_bias: int = Field(
        0, ge=0, le=10_000, description="epochs in which the frozen first convolution's bias is trained; 0: no bias"
    )
    identity: bool = Field(
        True, description="a whitened network's convolutions start by passing on what they are given; false: at random"
    )
    hidden: tuple[Width, ...] = Field(description="width of each hidden dense layer after the blocks")
    activation: Activation = "relu"
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="share of dense units dropped while training")
