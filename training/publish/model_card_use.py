"""Sections of a model card on the use, the training and the terms of a version."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from core.repository.manifest import Geometry, Manifest

_FITTED: Mapping[Geometry, str] = MappingProxyType(
    {
        "stretch": "images with another aspect ratio are stretched",
        "crop": "images that are not square are cropped to the center square",
        "pad": "images that are not square are padded with gray bars",
    }
)


def use_sections(manifest: Manifest) -> str:
    """Render the sections Use, Training (or Import) and Terms as Markdown."""
    spec, calibration = manifest.input, manifest.calibration["fp32"]
    return f"""## Use

`model.onnx` takes `images`, uint8 [N, {spec.height}, {spec.width}, 3] in RGB, and returns `logits`, float32
[N, {len(manifest.class_names)}]; {_FITTED[spec.geometry]}; the graph includes scaling and normalization. Probabilities
are softmax(logits / {calibration.temperature:.6f}). Keep `weights.safetensors` in the same folder: it contains the
weights of the graph.

{_training(manifest)}

## Terms

{manifest.licence.weights} {manifest.licence.provenance}

Data: {manifest.licence.data}.
"""


def _training(manifest: Manifest) -> str:
    environment = manifest.environment
    data = f"""Data digest `{manifest.data.digest[:16]}`, split digest
`{manifest.data.split_digest[:16]}`. The full configuration is in `manifest.json`."""
    if manifest.architecture == "imported":
        return f"""## Import

The images that the graph was trained on are unknown; if images of the holdout or of the test part are among them, the
scores above are too high. Thresholds fitted on the holdout. Parity with the imported file on \
{manifest.parity.images:,} images: largest difference of a logit {manifest.parity.max_abs_logit_difference:.1e}.
{data}"""
    return f"""## Training

Seed {manifest.seed}; trained on the {" and ".join(manifest.data.trained_on)} images{_sampling(manifest)}; thresholds \
fitted on the holdout;
test images used only for the scores above. Python {environment.python}, torch {environment.torch},
onnxruntime {environment.onnxruntime}, {environment.cpu}. {data}"""


def _sampling(manifest: Manifest) -> str:
    balanced = manifest.config.get("sampling") == "balanced"
    return ", with every class drawn equally often (balanced sampling)" if balanced else ""
