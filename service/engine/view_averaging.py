"""Test-time augmentation: one inference from the averaged logits of several views of each image."""

from __future__ import annotations

from core.images.tta_views import averaged, views
from core.repository.graph_records import Calibration
from service.engine.arrays import Pixels
from service.engine.batcher import Batcher
from service.engine.postprocess import postprocess
from service.engine.queue import DisconnectSource, Inference, ModelQueue


async def infer_views(
    batcher: Batcher,
    queue: ModelQueue,
    images_NHWC: Pixels,
    calibration: Calibration,
    deadline: float,
    client: DisconnectSource | None,
) -> Inference:
    """Run a model on the views of N images, one view after the other, so that other requests are served in between.

    Args:
        batcher: runs the model.
        queue: queue of the graph.
        images_NHWC: uint8 [N, H, W, 3] of the input size of the model; N >= 1.
        calibration: temperature and thresholds for averaged logits.
        deadline: on the clock of `time.perf_counter`.
        client: watched for disconnects.

    Returns:
        The outputs for the averaged logits; the times are sums over the views.

    Raises:
        QueueFullError, DeadlineExceededError: see `Batcher.submit`.
    """
    parts = [await batcher.submit(queue, view_NHWC, deadline, client) for view_NHWC in views(images_NHWC)]
    return Inference(
        postprocess(averaged([part.outputs.logits_NK for part in parts]), calibration),
        queue_seconds=sum(part.queue_seconds for part in parts),
        run_seconds=sum(part.run_seconds for part in parts),
    )
