"""Array types of the engine. N: images, H: height, W: width, C: channels, K: classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float32]

RunModel: TypeAlias = Callable[[Pixels], Floats]
"""images_NHWC uint8 -> logits_NK float32; blocks, and may be called from several threads at a time."""
