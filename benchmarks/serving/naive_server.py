"""A naive server: FastAPI and onnxruntime as a competent newcomer puts them together in an afternoon.

    python -m benchmarks.serving.naive_server --graph models/cnn/4/model.onnx --labels '["cat", "dog"]' --port 8001

What that means here, so that nobody need guess what the service is compared with:

- one `def` endpoint that takes an `UploadFile`, so FastAPI runs it in its pool of 40 threads;
- Pillow decodes, numpy converts, `session.run` runs one image at a time: no batching, no queue, no limit;
- one onnxruntime session with one intra-op thread, since the server has one core;
- uvicorn with uvloop and httptools, and its default log, access lines included;
- the answer has the label and all probabilities, and nothing of what the service adds (calibration, prediction sets,
  out-of-distribution flags, request ids, metrics), which makes it cheaper per request than the service.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, File, UploadFile
from PIL import Image


def create_app(graph: Path, labels: Sequence[str]) -> FastAPI:
    """The app over one ONNX file, `images` uint8 [N, H, W, 3] -> `logits` float32 [N, K]."""
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


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graph", type=Path, required=True)
    parser.add_argument("--labels", type=json.loads, required=True, help="JSON list of the class names")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    uvicorn.run(create_app(arguments.graph, arguments.labels), host="127.0.0.1", port=arguments.port)


if __name__ == "__main__":
    main()
