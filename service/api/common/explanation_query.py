"""How answers are explained, as query parameters of the routes that explain."""

from __future__ import annotations

from typing import get_args

from pydantic import ConfigDict, Field

from service.api.common.crop_query import CropQuery
from service.errors import InvalidParametersError
from service.saliency.baselines import Baseline
from service.saliency.methods import MethodName, Parameters
from service.saliency.render import Layout
from service.saliency.windows import count_windows

METHOD_NAMES: tuple[MethodName, ...] = get_args(MethodName)
MAX_WINDOWS = 4096
_WINDOWS_PER_SIDE = 8


class ExplanationQuery(CropQuery):
    """What the methods can be told, and how pictures are laid out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str | None = Field(
        None, max_length=256, description="the class to explain, by label or index; the predicted one by default"
    )
    steps: int = Field(32, ge=1, le=256, description="integrated_gradients: points on the path")
    samples: int = Field(16, ge=1, le=256, description="smoothgrad: noisy copies of the image")
    noise: float = Field(
        0.1, gt=0, le=1, allow_inf_nan=False, description="smoothgrad: standard deviation, of pixels in [0, 1]"
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, description="smoothgrad: of the noise")
    window: int | None = Field(
        None, ge=1, le=65_535, description="occlusion: side in pixels; an eighth of the image's by default"
    )
    stride: int | None = Field(
        None, ge=1, le=65_535, description="occlusion: pixels between windows; half a window by default"
    )
    baseline: Baseline = Field("black", description="integrated_gradients and occlusion: what holds no information")
    layout: Layout = Field("side_by_side", description="png: the maps beside the image, blended with it, or alone")

    def parameters(self, height: int, width: int) -> Parameters:
        """All methods' parameters for images of this size.

        Raises:
            InvalidParametersError: the windows do not fit the image, leave pixels out, or are too many.
        """
        window = self.window or max(1, max(height, width) // _WINDOWS_PER_SIDE)
        stride = self.stride or max(1, window // 2)
        if window > min(height, width):
            raise InvalidParametersError([("window", f"the model's images are {width}x{height}: at most that wide")])
        if stride > window:
            raise InvalidParametersError([("stride", f"at most the window, {window}, or pixels would be left out")])
        windows = count_windows(height, width, window, stride)
        if windows > MAX_WINDOWS:
            raise InvalidParametersError([("stride", f"makes {windows} windows, more than {MAX_WINDOWS}: enlarge it")])
        return Parameters(self.steps, self.samples, self.noise, self.seed, window, stride, self.baseline)


def named_methods(text: str) -> tuple[MethodName, ...]:
    """The methods in the order that a client names them, separated by commas, each once.

    Raises:
        ValueError: one of them is no method.
    """
    asked = [name.strip() for name in text.split(",")]
    for name in asked:
        if name not in METHOD_NAMES:
            raise ValueError(f"{name!r} is no method: there are {', '.join(METHOD_NAMES)}")
    return tuple(name for each in dict.fromkeys(asked) for name in METHOD_NAMES if name == each)
