"""Example images for docs/own-images.md: photograph-like close-ups of grass, sand and water, one folder per class.

python docs/examples/draw_surfaces.py FOLDER [IMAGES_PER_CLASS [FIRST_NUMBER]]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 96
COLORS = {"grass": (105, 125, 85), "sand": (145, 128, 100), "water": (95, 120, 145)}
DETAIL = {"grass": (8, 48), "sand": (64, 64), "water": (32, 6)}
"""Rows and columns of random brightness, enlarged to the image: upright blades, grains, flat waves."""


def draw(label: str, number: int) -> Image.Image:
    """Image `number` of a class, RGB [96, 96]; the same number always gives the same image.

    Light and white balance vary so much that the mean color alone does not tell the classes apart.
    """
    random = np.random.default_rng([number, *label.encode()])
    color_3 = (np.array(COLORS[label]) + random.normal(0, 11, 3)) * random.uniform(0.5, 1.5)
    pattern_HW = random.normal(128, 50, DETAIL[label]).clip(0, 255).astype(np.uint8)
    pattern = Image.fromarray(pattern_HW).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    contrast = random.uniform(0.2, 0.9)
    texture_HW1 = contrast * (np.asarray(pattern, np.float64) - 128)[..., None]
    light_HW1 = np.linspace(0, random.uniform(-40, 40), SIDE)[:, None, None]
    noise_HWC = random.normal(0, 8, (SIDE, SIDE, 3))
    return Image.fromarray((color_3 + texture_HW1 + light_HW1 + noise_HWC).clip(0, 255).astype(np.uint8))


def main(folder: Path, images: int = 120, first: int = 0) -> None:
    """Write FOLDER/CLASS/NUMBER.png for `images` numbers from `first` on."""
    for label in COLORS:
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(first, first + images):
            draw(label, number).save(folder / label / f"{number:03}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
