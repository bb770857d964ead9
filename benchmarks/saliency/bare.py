"""The references, and what the service runs without the service: each timed on one thread, in a process of its own.

Started once and asked again and again, so that rounds can be interleaved. Every line on its input is a name and a
number of seconds, every line on its output the seconds that each run took, as JSON:

    python -m benchmarks.saliency.bare --version models/cnn/4 <<< 'forward 1'
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from core.repository.manifest import GRADIENT_GRAPH, GRAPHS
from core.repository.onnx_session import open_session

STEPS = 32
BATCH = 32
TARGET = 0
_WARM_RUNS = 2


def forward(folder: Path, images: int) -> Callable[[], object]:
    """`session.run` of the fp32 graph, with so many images."""
    session = open_session(folder / GRAPHS["fp32"], threads=1)
    height, width = session.get_inputs()[0].shape[1:3]
    images_NHWC = np.random.default_rng(0).integers(0, 256, (images, height, width, 3), np.uint8)
    return lambda: session.run(["logits"], {"images": images_NHWC})


def gradient(folder: Path, points: int) -> Callable[[], object]:
    """`session.run` of the gradient graph, with so many points."""
    session = open_session(folder / GRADIENT_GRAPH, threads=1)
    height, width = session.get_inputs()[0].shape[1:3]
    pixels_NHWC = np.random.default_rng(0).random((points, height, width, 3), np.float32)
    target_NK = np.zeros((points, session.get_inputs()[1].shape[1]), np.float32)
    target_NK[:, TARGET] = 1
    return lambda: session.run(["gradient"], {"pixels": pixels_NHWC, "target": target_NK})


def captum(folder: Path) -> Callable[[], object]:
    """Integrated gradients of one image by captum on the torch network: all steps in one batch, as is its default."""
    import torch
    from captum.attr import IntegratedGradients

    from core.repository.manifest import read_manifest
    from training.export.weights import stored_classifier

    torch.set_num_threads(1)
    manifest = read_manifest(folder)
    method = IntegratedGradients(stored_classifier(manifest, folder).eval().requires_grad_(False))
    pixels_NHWC = torch.rand(1, manifest.input.height, manifest.input.width, 3)
    return lambda: method.attribute(pixels_NHWC, torch.zeros_like(pixels_NHWC), target=TARGET, n_steps=STEPS)


KINDS: dict[str, Callable[[Path], Callable[[], object]]] = {
    "forward": lambda folder: forward(folder, 1),
    "batch": lambda folder: forward(folder, BATCH),
    "gradient": lambda folder: gradient(folder, 1),
    "path": lambda folder: gradient(folder, STEPS),
    "captum": captum,
}


def times(call: Callable[[], object], seconds: float) -> list[float]:
    """Seconds of each call, for about `seconds` in all, at least three."""
    for _ in range(_WARM_RUNS):
        call()
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < 3 or time.perf_counter() < end:
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return taken


def main() -> None:
    """Answer until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", type=Path, required=True)
    folder: Path = parser.parse_args().version
    opened: dict[str, Callable[[], object]] = {}
    for line in sys.stdin:
        name, seconds = line.split()
        if name not in opened:
            opened[name] = KINDS[name](folder)
        print(json.dumps(times(opened[name], float(seconds))), flush=True)


if __name__ == "__main__":
    main()
