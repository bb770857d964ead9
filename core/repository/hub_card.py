"""Model card for a model hub: front matter with measured figures, and how to run the files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from core.repository.evaluation import Evaluation
from core.repository.manifest import GRAPHS, Geometry, Manifest

_DATASETS: Mapping[str, str] = MappingProxyType({"cifar10": "uoft-cs/cifar10"})
"""Name on the hub of each built-in data set."""
_FIT: Mapping[Geometry, str] = MappingProxyType(
    {
        "crop": "ImageOps.fit(image, size, Image.Resampling.BICUBIC)",
        "pad": "ImageOps.pad(image, size, Image.Resampling.BICUBIC, color=(128, 128, 128))",
        "stretch": "image.resize(size, Image.Resampling.BICUBIC)",
    }
)


def hub_card(manifest: Manifest, evaluation: Evaluation, body: str) -> str:
    """Render the card as Markdown: front matter, the text of the version's own card, and the section Files.

    Args:
        manifest: of the version.
        evaluation: its scores on the test images.
        body: text of the version's card, without front matter.
    """
    fields = "\n".join(f"{name}: {json.dumps(value)}" for name, value in _front_matter(manifest, evaluation).items())
    return f"---\n{fields}\n---\n{body.rstrip()}\n{_files(manifest)}"


def _front_matter(manifest: Manifest, evaluation: Evaluation) -> dict[str, Any]:
    """Fields of the card's metadata. JSON values are YAML too."""
    name = manifest.data.name
    datasets = {"datasets": [_DATASETS[name]]} if name in _DATASETS else {}
    scores = evaluation.scores["fp32"]
    measured = {
        "accuracy": scores.accuracy.value,
        "f1": scores.macro.f1.value,
        "precision": scores.macro.precision.value,
        "recall": scores.macro.recall.value,
    }
    result = {
        "task": {"type": "image-classification"},
        "dataset": {"name": name, "type": _DATASETS.get(name, "imagefolder"), "split": evaluation.data.split},
        "metrics": [{"type": metric, "value": round(value, 6)} for metric, value in measured.items()],
    }
    return {
        "license": "apache-2.0" if "Apache-2.0" in manifest.licence.weights else "other",
        "library_name": "onnx",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "onnx", "safetensors", "duet"],
        **datasets,
        "metrics": list(measured),
        "model-index": [{"name": f"duet-{manifest.family}-{manifest.version}", "results": [result]}],
    }


def _files(manifest: Manifest) -> str:
    """Section with the layout and an example; paths of the version's card are those of `onnx/`."""
    int8 = "| `onnx/model_int8.onnx` | the int8 graph with its weights |\n" if GRAPHS["int8"] in manifest.files else ""
    gradient = "| `onnx/gradient.onnx` | gradients for explanations |\n" if manifest.gradient is not None else ""
    return f"""
## Files

The graphs and `weights.safetensors` that the text above names are in `onnx/`.

| file | contents |
|---|---|
| `model.safetensors` | the weights |
| `onnx/model.onnx`, `onnx/weights.safetensors` | the graph, and the weights that it points into |
{int8}{gradient}| `config.json`, `preprocessor_config.json` | classes, calibration, preparation of an image |
| `manifest.json`, `evaluation.json` | provenance, all scores |

To classify an image with onnxruntime, NumPy and Pillow:

```python
import json

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

with open("config.json", encoding="utf-8") as stream:
    config = json.load(stream)
height, width = config["image_size"]
size = (width, height)
image = Image.open("image.png").convert("RGB")
image = {_FIT[manifest.input.geometry]}
session = onnxruntime.InferenceSession("onnx/model.onnx", providers=["CPUExecutionProvider"])
(logits,) = session.run(["logits"], {{"images": np.asarray(image, np.uint8)[None]}})
scaled = logits[0] / config["duet"]["calibration"]["fp32"]["temperature"]
probabilities = np.exp(scaled - scaled.max())
probabilities /= probabilities.sum()
label = config["id2label"][str(probabilities.argmax())]
print(label, probabilities.max())
```
"""
