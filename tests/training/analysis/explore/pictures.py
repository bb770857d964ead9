"""Random pictures with the spectrum of photographs, and what happens to copies of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.data.types import ImageDataset, LabelledImages

Images = npt.NDArray[np.uint8]


def pictures(count: int, *, seed: int = 0, height: int = 32, width: int = 32) -> Images:
    """uint8 [count, height, width, 3]: noise with the spectrum of photographs, and a color cast."""
    generator = np.random.default_rng(seed)
    frequency_HW = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])
    frequency_HW[0, 0] = np.inf
    noise_NCHW = generator.normal(size=(count, 3, height, width))
    gray_N1HW = generator.normal(size=(count, 1, height, width))
    field = np.fft.ifft2(np.fft.fft2(gray_N1HW + 0.5 * noise_NCHW) / frequency_HW).real
    field /= field.std(axis=(1, 2, 3), keepdims=True)
    cast_NC11 = generator.normal(0, 25, size=(count, 3, 1, 1))
    return np.clip(128 + cast_NC11 + 50 * field, 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)


def altered(image_HWC: Images, *, seed: int = 0) -> Images:
    """The same picture, lighter, with less contrast, and with the noise of another encoding."""
    noise_HWC = np.random.default_rng(seed).normal(0, 3, size=image_HWC.shape)
    return np.clip(0.8 * image_HWC + 40 + noise_HWC, 0, 255).astype(np.uint8)


def dataset_of(
    training: Images, test: Images, training_labels: list[int] | None = None, test_labels: list[int] | None = None
) -> ImageDataset:
    """A data set of the classes cat, dog and eel; without labels the classes take turns."""

    def part(images: Images, labels: list[int] | None) -> LabelledImages:
        given = np.arange(len(images)) % 3 if labels is None else np.array(labels)
        return LabelledImages(images, given.astype(np.int64))

    return ImageDataset(
        "toy", ("cat", "dog", "eel"), part(training, training_labels), part(test, test_labels), "made up"
    )
