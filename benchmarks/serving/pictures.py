"""The pictures that are sent: distinct PNG files of the model's size, drawn from a seed or CIFAR-10's test images.

A drawn picture is a cloudy background (amplitudes that fall with spatial frequency, as in photographs), an ellipse in
another color and some grain; that makes PNG files about as long as those of CIFAR-10's images, where a flat picture
would be ten times shorter and faster to decode.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.serving.errors import BenchmarkError

Pixels = npt.NDArray[np.uint8]

# Read here rather than through training.data, which needs torchvision.
_CIFAR_TEST = ("cifar-10-batches-py", "test_batch", "40351d587109b95175f43aff81a1287e")


@dataclass(frozen=True)
class Pictures:
    """N pictures: `images_NHWC` uint8 [N, H, W, 3], and each as a PNG file."""

    source: str
    images_NHWC: Pixels
    pngs: tuple[bytes, ...]

    def __str__(self) -> str:
        mean = sum(map(len, self.pngs)) / len(self.pngs)
        return f"{len(self.pngs)} {self.source}, PNG of {mean:,.0f} bytes on average"


def drawn_pictures(count: int, *, height: int, width: int, seed: int = 0) -> Pictures:
    """Pictures from a seed."""
    generator = np.random.default_rng(seed)
    images_NHWC = np.stack([_draw(generator, height, width) for _ in range(count)])
    return Pictures("drawn pictures", images_NHWC, tuple(map(as_png, images_NHWC)))


def cifar_pictures(count: int, data_dir: Path) -> Pictures:
    """The first test images of CIFAR-10 in `data_dir`, which is the folder `cifar-10-batches-py` or holds it.

    Raises:
        BenchmarkError: the file is missing, or is not the published one; unpickling another could run its code.
    """
    folder_name, file_name, md5 = _CIFAR_TEST
    path = (data_dir if data_dir.name == folder_name else data_dir / folder_name) / file_name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BenchmarkError(f"{path}: {error.strerror}; unset DUET_DATA_DIR to measure with drawn pictures") from error
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        raise BenchmarkError(f"{path} is not CIFAR-10's published test file; unset DUET_DATA_DIR to do without it")
    data_NP: Pixels = pickle.loads(content, encoding="bytes")[b"data"][:count]
    images_NHWC = np.ascontiguousarray(data_NP.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return Pictures("CIFAR-10 test images", images_NHWC, tuple(map(as_png, images_NHWC)))


def as_png(image_HWC: Pixels) -> bytes:
    """uint8 [H, W, 3] as a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(image_HWC).save(stream, "PNG")
    return stream.getvalue()


def _draw(generator: np.random.Generator, height: int, width: int) -> Pixels:
    background_HWC = _color(generator) + 40 * _clouds(generator, height, width)[..., None] * generator.uniform(
        0.8, 1.2, 3
    )
    inside_HWC = _color(generator) + 25 * _clouds(generator, height, width)[..., None]
    picture_HWC = np.where(_ellipse(generator, height, width)[..., None], inside_HWC, background_HWC)
    grain_HW1 = generator.normal(0, generator.uniform(0, 3), (height, width, 1))
    return np.clip(picture_HWC + grain_HW1, 0, 255).astype(np.uint8)


def _clouds(generator: np.random.Generator, height: int, width: int) -> npt.NDArray[np.float64]:
    """Noise of zero mean and unit deviation whose amplitude falls with a power of the frequency, of 1.2 to 2.2."""
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    frequency_HF = np.hypot(rows, columns)
    frequency_HF[0, 0] = np.inf
    falling_HF = frequency_HF ** generator.uniform(1.2, 2.2)
    clouds_HW = np.fft.irfft2(np.fft.rfft2(generator.normal(size=(height, width))) / falling_HF, (height, width))
    return np.asarray(clouds_HW / clouds_HW.std())


def _ellipse(generator: np.random.Generator, height: int, width: int) -> npt.NDArray[np.bool_]:
    rows, columns = np.mgrid[0:height, 0:width]
    center_row, center_column = generator.uniform(0.3, 0.7, 2) * (height, width)
    radius_row, radius_column = generator.uniform(0.15, 0.35, 2) * (height, width)
    distance_HW = ((rows - center_row) / radius_row) ** 2 + ((columns - center_column) / radius_column) ** 2
    return np.asarray(distance_HW <= 1)


def _color(generator: np.random.Generator) -> npt.NDArray[np.float64]:
    """Of a random brightness and little saturation, as most of what is photographed has."""
    return np.asarray(generator.uniform(60, 190) + generator.normal(0, 20, 3))
