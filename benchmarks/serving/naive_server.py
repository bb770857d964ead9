"""Naive server for comparison: FastAPI and onnxruntime as a competent newcomer combines them in an afternoon.

BENCHMARK_GRAPH=models/cnn/4/model.onnx BENCHMARK_LABELS='["cat", "dog"]' \
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
import onnxruntime
import uvicorn
from fastapi import FastAPI, File, UploadFile
from PIL import Image


def create_app(graph: Path, labels: Sequence[str]) -> FastAPI:
    """Return the app for one ONNX file, `images` uint8 [N, H, W, 3] -> `logits` float32 [N, K]."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
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
    served = create_app(Path(os.environ["BENCHMARK_GRAPH"]), json.loads(os.environ["BENCHMARK_LABELS"]))
    uvicorn.run(served, host="127.0.0.1", port=parser.parse_args().port)
