"""Perceptually uniform color maps as lookup tables."""

from __future__ import annotations

import numpy as np

from service.engine.arrays import Pixels

_LEVELS = 256

# 33 points per map, interpolated linearly; within 1.5 levels of the originals.
# Inferno: Nathaniel Smith and Stefan van der Walt 2015, CC0. Coolwarm: Kenneth Moreland 2009, public domain.
_INFERNO = (
    "000004 040312 0b0724 150b37 210c4a 2e0a5a 3c0965 4a0c6b 57106d 63146e 70196e 7d1e6d 89226a 962766 a32b61 af315c "
    "bb3755 c63e4d d14644 db4f3b e35932 eb6528 f1711e f67f14 f98d0a fb9c06 fcab0f fbba1f f9ca32 f5d949 f2e865 f3f586 "
    "fcffa4"
)
_COOLWARM = (
    "3b4cc0 445acc 4d68d7 5775e1 6282ea 6c8ef1 779af7 82a5fb 8db0fe 98b9ff a3c2fe aec9fc b8d0f9 c2d5f4 ccd9ee d5dbe6 "
    "dddddd e5d8d1 ecd3c5 f1ccb9 f4c4ad f7bba0 f7b194 f7a687 f49a7b f18d6f ec7f63 e57058 de604d d55042 cb3e38 c0282f "
    "b40426"
)


def _table(points: str) -> Pixels:
    colors_PC = np.array([list(bytes.fromhex(point)) for point in points.split()])
    positions = np.linspace(0, len(colors_PC) - 1, _LEVELS)
    channels = [np.interp(positions, np.arange(len(colors_PC)), colors_PC[:, channel]) for channel in range(3)]
    return np.asarray(np.rint(np.stack(channels, axis=-1)), np.uint8)


SEQUENTIAL = _table(_INFERNO)
"""Black to red to pale yellow, uint8 [256, 3], for unsigned maps."""
DIVERGING = _table(_COOLWARM)
"""Blue to gray (zero) to red, uint8 [256, 3], for signed maps."""
