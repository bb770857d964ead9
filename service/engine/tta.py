"""Answers averaged over several views of each image: what `tta=true` asks for."""

from __future__ import annotations

from collections.abc import Sequence

from core.images.tta_views import VIEW_WEIGHTS, averaged
from core.repository.manifest import Calibration
from service.engine.postprocess import postprocess
from service.engine.queue import Inference

NOTE = f"answers to {len(VIEW_WEIGHTS)} views averaged"
"""What the answer says of it, among the notes of an image."""


def averaged_inference(parts: Sequence[Inference], calibration: Calibration) -> Inference:
    """One answer from those to each of `core.images.tta_views.views`, in their order; interpreted by `calibration`."""
    return Inference(
        postprocess(averaged([part.outputs.logits_NK for part in parts]), calibration),
        queue_seconds=sum(part.queue_seconds for part in parts),
        run_seconds=sum(part.run_seconds for part in parts),
    )
