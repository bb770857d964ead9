"""Export of a version in the layout of a model hub (Hugging Face): model card, safetensors, ONNX graphs, configuration.

    README.md                  card with front matter that the hub reads
    config.json                classes, input, calibration
    preprocessor_config.json   preparation of an image for the graph
    model.safetensors          weights
    onnx/                      the graphs, unchanged, and the weights that they point into
    manifest.json, evaluation.json, figures/

https://huggingface.co/docs/hub/model-cards, https://huggingface.co/docs/hub/models-widgets
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from core.errors import ConfigurationError, PublishError, RepositoryError
from core.files.home import require_space
from core.repository.evaluation import EVALUATION_NAME, read_evaluation
from core.repository.hub_card import hub_card
from core.repository.manifest import CARD_NAME, FIGURES, GRADIENT_GRAPH, GRAPHS, MANIFEST_NAME, Manifest
from core.repository.repository import ModelRepository

WEIGHTS_NAME = "weights.safetensors"
_HUB_NAMES = {GRAPHS["fp32"]: "model.onnx", GRAPHS["int8"]: "model_int8.onnx", GRADIENT_GRAPH: "gradient.onnx"}
"""Name in `onnx/` of each graph; quantized graphs are named as the hub expects."""
_BICUBIC = 3
"""Number of the filter in Pillow, which preprocessor configurations use."""
_FRONT_MATTER = re.compile(r"\A---\n.*?^---\n", re.DOTALL | re.MULTILINE)


def export_to_hub_layout(repository: ModelRepository, family: str, version: int, folder: Path) -> Manifest:
    """Write a version to a new folder; nothing is left there after an error.

    Args:
        repository: repository of the version.
        family: model family.
        version: number of the version.
        folder: must not exist.

    Raises:
        UnknownFamilyError, UnknownVersionError: there is no such version.
        CorruptVersionError: its files do not match its manifest.
        RepositoryError: it has no evaluation or card.
        ConfigurationError: the folder exists, or its parent does not.
        LowDiskError: too little disk space is free.
        PublishError: the folder cannot be written.
    """
    manifest = repository.verify(family, version)
    source = repository.folder(family, version)
    missing = {CARD_NAME, EVALUATION_NAME, WEIGHTS_NAME, GRAPHS["fp32"]} - manifest.files.keys()
    if missing:
        raise RepositoryError(f"{manifest.reference} has no {min(missing)}, which the layout of a hub needs")
    folder = folder.expanduser().absolute()
    if folder.exists() or not folder.parent.is_dir():
        problem = "exists already" if folder.exists() else f"cannot be created, because {folder.parent} does not exist"
        raise ConfigurationError(f"{folder} {problem}: name a new folder in an existing one")
    size = sum(record.bytes for record in manifest.files.values()) + manifest.files[WEIGHTS_NAME].bytes
    require_space(folder.parent, size, what="the export", advice="free some space")
    try:
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            _write(manifest, source, staging)
            staging.chmod(0o755)
            staging.rename(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise PublishError(f"{manifest.reference} cannot be exported to {folder}: {error.strerror or error}") from error
    return manifest


def _write(manifest: Manifest, source: Path, folder: Path) -> None:
    onnx = folder / "onnx"
    onnx.mkdir()
    for name, hub_name in _HUB_NAMES.items():
        if name in manifest.files:
            shutil.copyfile(source / name, onnx / hub_name)
    # The graphs point into this file, which must be beside them; the hub stores equal files once.
    shutil.copyfile(source / WEIGHTS_NAME, onnx / WEIGHTS_NAME)
    shutil.copyfile(source / WEIGHTS_NAME, folder / "model.safetensors")
    for name in (MANIFEST_NAME, EVALUATION_NAME):
        shutil.copyfile(source / name, folder / name)
    for name in manifest.files:
        if name.startswith(f"{FIGURES}/"):
            (folder / FIGURES).mkdir(exist_ok=True)
            shutil.copyfile(source / name, folder / name)
    _write_json(folder / "config.json", _config(manifest))
    _write_json(folder / "preprocessor_config.json", _preprocessor(manifest))
    body = _FRONT_MATTER.sub("", (source / CARD_NAME).read_text(encoding="utf-8"), count=1)
    (folder / CARD_NAME).write_text(hub_card(manifest, read_evaluation(source), body), encoding="utf-8")


def _config(manifest: Manifest) -> dict[str, Any]:
    labels = manifest.class_names
    return {
        "model_type": "duet",
        "architectures": [manifest.architecture],
        "problem_type": "single_label_classification",
        "num_labels": len(labels),
        "id2label": {str(number): label for number, label in enumerate(labels)},
        "label2id": {label: number for number, label in enumerate(labels)},
        "image_size": [manifest.input.height, manifest.input.width],
        "num_channels": manifest.input.channels,
        "duet": {
            "version": manifest.reference,
            "geometry": manifest.input.geometry,
            "calibration": {name: record.model_dump(mode="json") for name, record in manifest.calibration.items()},
        },
    }


def _preprocessor(manifest: Manifest) -> dict[str, Any]:
    """Preparation of an image as of `core.images.geometry.fit_image`; the graph itself scales and normalizes."""
    spec = manifest.input
    size = {"height": spec.height, "width": spec.width}
    return {
        "do_convert_rgb": True,
        "do_resize": True,
        "size": size,
        "resample": _BICUBIC,
        "do_center_crop": spec.geometry == "crop",
        "crop_size": size,
        "do_pad": spec.geometry == "pad",
        "do_rescale": False,
        "do_normalize": False,
        "image_mean": spec.mean,
        "image_std": spec.std,
    }


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
