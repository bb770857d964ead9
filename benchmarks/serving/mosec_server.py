"""Mosec server for comparison; benchmarks/README.md explains its settings.

BENCHMARK_VERSION (a folder), BENCHMARK_ENGINE (JSON such as ["cpu", "fp32"]) and BENCHMARK_LABELS (a JSON list) are
environment variables, because Mosec parses the command line itself:

    python -m benchmarks.serving.mosec_server --address 127.0.0.1 --port 8002 --log-level warning
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from mosec import Server, Worker
from mosec.errors import DecodingError
from PIL import Image

from benchmarks.common.inputs import Engine

MAX_BATCH = 32
MAX_WAIT_MS = 1


class Classifier(Worker):
    """Decodes and classifies batches of images."""

    def __init__(self) -> None:
        super().__init__()
        self._session = Engine(*json.loads(os.environ["BENCHMARK_ENGINE"])).open(Path(os.environ["BENCHMARK_VERSION"]))
        self._labels: list[str] = json.loads(os.environ["BENCHMARK_LABELS"])
        self._height, self._width = self._session.get_inputs()[0].shape[1:3]
        for size in range(1, MAX_BATCH + 1):  # OpenVINO compiles the graph for each size
            self._session.run(["logits"], {"images": np.zeros((size, self._height, self._width, 3), np.uint8)})

    def deserialize(self, data: bytes) -> npt.NDArray[np.uint8]:
        """Decode a PNG file into uint8 [H, W, 3]."""
        try:
            image = Image.open(io.BytesIO(data)).convert("RGB")
        except OSError as error:
            raise DecodingError(str(error)) from error
        if image.size != (self._width, self._height):
            image = image.resize((self._width, self._height))
        return np.asarray(image)

    def forward(self, data: list[npt.NDArray[np.uint8]]) -> list[dict[str, Any]]:
        """Classify a batch of images."""
        logits_NK = self._session.run(["logits"], {"images": np.stack(data)})[0]
        exponentials_NK = np.exp(logits_NK - logits_NK.max(axis=1, keepdims=True))
        probabilities_NK = exponentials_NK / exponentials_NK.sum(axis=1, keepdims=True)
        return [
            {
                "label": self._labels[int(probabilities_K.argmax())],
                "probabilities": dict(zip(self._labels, probabilities_K.tolist(), strict=True)),
            }
            for probabilities_K in probabilities_NK
        ]


if __name__ == "__main__":
    server = Server()
    server.append_worker(Classifier, num=1, max_batch_size=MAX_BATCH, max_wait_time=MAX_WAIT_MS)
    server.run()
