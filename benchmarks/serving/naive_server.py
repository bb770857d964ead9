"""Naive server for comparison: FastAPI and onnxruntime as a competent newcomer combines them in an afternoon.

BENCHMARK_VERSION=models/cnn/4 BENCHMARK_ENGINE='["cpu", "fp32"]' BENCHMARK_LABELS='["cat", "dog"]' \
      python -m benchmarks.serving.naive_server --port 8001
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import uvicorn
from fastapi import FastAPI, File, UploadFile
from PIL import Image

from benchmarks.common.inputs import Engine


def create_app(version: Path, engine: Engine, labels: Sequence[str]) -> FastAPI:
    """Return the app for one version, whose graph maps `images` uint8 [N, H, W, 3] to `logits` float32 [N, K]."""
    session = engine.open(version)
    height, width = session.get_inputs()[0].shape[1:3]
    app = FastAPI()

    @app.post("/predict")
    def predict(file: Annotated[UploadFile, File()]) -> dict[str, Any]:
        image = Image.open(file.file).convert("RGB")
        if image.size != (width, height):
            image = image.resize((width, height))
        images_NHWC = np.asarray(image)[np.newaxis]
        logits_K = session.run(["logits"], {"images": images_NHWC})[0][0]
        exponentials_K = np.exp(logits_K - logits_K.max())
        probabilities_K = exponentials_K / exponentials_K.sum()
        return {
            "label": labels[int(probabilities_K.argmax())],
            "probabilities": dict(zip(labels, probabilities_K.tolist(), strict=True)),
        }

    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    served = create_app(
        Path(os.environ["BENCHMARK_VERSION"]),
        Engine(*json.loads(os.environ["BENCHMARK_ENGINE"])),
        json.loads(os.environ["BENCHMARK_LABELS"]),
    )
    uvicorn.run(served, host="127.0.0.1", port=parser.parse_args().port)
