"""Out-of-distribution (OOD) detection: synthetic OOD images, and AUROC and flag rate of the energy score on them.

The images are the same for every version:

- noise: uniform random values from 0 to 255.
- textures: for each channel, the sum of six plane waves of random direction, phase and wavelength (from a quarter of
  the image's side to the whole side), stretched to [0, 255].
- flat: one random color.
- shuffled: a test image with randomly permuted pixels.
- digits: 1,797 handwritten digits, 8x8 pixels of 17 grays, enlarged bilinearly (scikit-learn's `load_digits`: the test
  part of Alpaydin and Kaynak 1998, "Optical recognition of handwritten digits", UCI).
- binary: random black and white pixels, 50 % each.
- text: four lines of random letters in DejaVu Sans, dark on light or light on dark.
- photographs: square crops of two photographs that ship with scikit-learn (a temple, a flower), and of a portrait that
  ships with matplotlib. Crops of one photograph are similar, so the intervals of this kind are too narrow.

No recipe trains on these kinds. Noise, textures and flat images resemble the outliers of
`training.augment.outlier_exposure`; binary noise, digits, text and photographs do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from core.repository.evaluation import StrangeImages, StrangeKind
from core.repository.graph_records import Calibration
from core.statistics.energy import auroc, energy
from training.export.run_onnx import predict_logits

SEED = 20_250_101
MAX_IMAGES = 2_000
"""Maximum number of images of each kind."""
MAX_PHOTOGRAPHS = 300
"""Maximum number of crops, a third from each photograph. More crops would overlap too much."""
_WAVES = 6
_LINES = 4
_BLOCK = 250
"""Textures per block, which limits the memory."""

Pixels = npt.NDArray[np.uint8]


def ood_images(test_NHWC: Pixels) -> Mapping[StrangeKind, Pixels]:
    """Generate OOD images, uint8 [M, H, W, 3] per kind, in the size of the test images.

    M is the number of test images, at most 2,000, and at most 1,797 for digits and 300 for photographs.

    Args:
        test_NHWC: uint8 [N, H, W, 3], test images, the source of the shuffled images.
    """
    some_NHWC = test_NHWC[:MAX_IMAGES]
    N, H, W, _ = some_NHWC.shape
    noise, textures, flat, shuffled, binary, text, photographs = (
        np.random.default_rng([SEED, kind]) for kind in range(7)
    )
    return {
        "noise": noise.integers(0, 256, size=(N, H, W, 3), dtype=np.uint8),
        "textures": _textures(N, H, W, textures),
        "flat": np.tile(flat.integers(0, 256, size=(N, 1, 1, 3), dtype=np.uint8), (1, H, W, 1)),
        "shuffled": _shuffled(some_NHWC, shuffled),
        "digits": _digits(N, H, W),
        "binary": np.tile(255 * binary.integers(0, 2, size=(N, H, W, 1), dtype=np.uint8), (1, 1, 1, 3)),
        "text": _text(N, H, W, text),
        "photographs": _photographs(min(N, MAX_PHOTOGRAPHS), H, W, photographs),
    }


def score_ood(
    model: Path,
    test_logits_NK: npt.NDArray[np.float32],
    images: Mapping[StrangeKind, Pixels],
    calibration: Calibration,
    *,
    threads: int,
) -> tuple[StrangeImages, ...]:
    """Compare the energy of OOD images of each kind with that of the test images, whose logits are float32 [N, K]."""
    test_N = energy(test_logits_NK)
    scores = []
    for kind, images_NHWC in images.items():
        energy_M = energy(predict_logits(model, images_NHWC, threads=threads))
        scores.append(
            StrangeImages(
                kind=kind,
                images=len(images_NHWC),
                auroc=auroc(test_N, energy_M),
                flag_rate=float((energy_M > calibration.ood_threshold).mean()),
            )
        )
    return tuple(scores)


def _textures(count: int, height: int, width: int, random: np.random.Generator) -> Pixels:
    rows_HW, columns_HW = np.mgrid[0:height, 0:width] / max(height, width)
    blocks = []
    for start in range(0, count, _BLOCK):
        shape = (min(_BLOCK, count - start), 3, _WAVES, 1, 1)
        direction, phase = random.uniform(0, 2 * np.pi, size=(2, *shape))
        cycles = random.uniform(1, 4, size=shape)
        along = rows_HW * np.sin(direction) + columns_HW * np.cos(direction)
        waves_NCHW = np.sin(2 * np.pi * cycles * along + phase).sum(axis=2)
        low = waves_NCHW.min(axis=(2, 3), keepdims=True)
        high = waves_NCHW.max(axis=(2, 3), keepdims=True)
        stretched_NCHW = np.rint(255 * (waves_NCHW - low) / (high - low)).astype(np.uint8)
        blocks.append(stretched_NCHW.transpose(0, 2, 3, 1))
    return np.ascontiguousarray(np.concatenate(blocks))


def _digits(count: int, height: int, width: int) -> Pixels:
    """The first `count` digits, white on black."""
    from sklearn.datasets import load_digits  # imports scipy.stats, 1 s

    small_N88 = np.rint(load_digits().images[:count] * (255 / 16)).astype(np.uint8)
    large_NHW = [
        np.asarray(Image.fromarray(digit_88).resize((width, height), Image.Resampling.BILINEAR))
        for digit_88 in small_N88
    ]
    return np.stack(large_NHW)[..., None].repeat(3, axis=-1)


def _text(count: int, height: int, width: int, random: np.random.Generator) -> Pixels:
    """Lines of random letters of random size and position, in a dark and a light color."""
    letters = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))
    path = Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    pages = []
    for _ in range(count):
        size = int(random.integers(max(4, height // 4), max(5, height // 2) + 1))
        font = ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
        dark, light = random.integers(0, 80, 3), random.integers(176, 256, 3)
        ink, paper = (dark, light) if random.random() < 0.5 else (light, dark)
        page = Image.new("RGB", (width, height), tuple(paper.tolist()))
        left, top = random.integers(-size, 1, 2).tolist()
        lines = "\n".join("".join(random.choice(letters, 2 * width // size + 4)) for _ in range(_LINES + 2))
        ImageDraw.Draw(page).multiline_text((left, top), lines, fill=tuple(ink.tolist()), font=font, spacing=0)
        pages.append(np.asarray(page))
    return np.stack(pages)


def _photographs(count: int, height: int, width: int, random: np.random.Generator) -> Pixels:
    """Square crops of three photographs in turn, from a quarter of the shorter side to all of it."""
    from sklearn.datasets import load_sample_image

    with Image.open(Path(get_data_path(), "sample_data", "grace_hopper.jpg")) as opened:
        portrait = opened.convert("RGB")
    pictures = [*(Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")), portrait]
    parts = []
    for number in range(count):
        picture = pictures[number % len(pictures)]
        shorter = min(picture.size)
        side = int(random.integers(shorter // 4, shorter + 1))
        left, top = (int(random.integers(0, length - side + 1)) for length in picture.size)
        part = picture.crop((left, top, left + side, top + side))
        parts.append(np.asarray(part.resize((width, height), Image.Resampling.BICUBIC)))
    return np.stack(parts)


def _shuffled(images_NHWC: Pixels, random: np.random.Generator) -> Pixels:
    N, H, W, C = images_NHWC.shape
    pixels_NPC = images_NHWC.reshape(N, H * W, C)
    order_NP = np.argsort(random.random((N, H * W)), axis=1)
    return np.take_along_axis(pixels_NPC, order_NP[..., None], axis=1).reshape(images_NHWC.shape)
