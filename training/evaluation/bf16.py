"""Acceptance test of bf16: the exported graph in bf16 on the holdout, compared with fp32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.repository.graph_records import Bf16Record, Calibration
from core.repository.onnx_session import Provider, installed_providers, open_session
from core.statistics.calibration import softmax
from core.statistics.comparison import compare_paired
from core.statistics.conformal import coverage_band, prediction_set_mask
from training.export.quantize import MAX_LOSS
from training.export.run_onnx import predict_logits_in

Logits = npt.NDArray[np.float32]


def bf16_provider() -> Provider | None:
    """Find an execution provider of this machine that computes in bf16; None if there is none."""
    return next((provider for provider in installed_providers() if "bf16" in provider.precisions), None)


def bf16_logits(model: Path, images_NHWC: npt.NDArray[np.uint8], provider: Provider, *, threads: int) -> Logits:
    """Logits float32 [N, K] of images uint8 [N, H, W, 3] from the graph file `model`, computed in bf16."""
    session = open_session(model, threads=threads, provider=provider.name, precision="bf16")
    return predict_logits_in(session, images_NHWC)


def accept_bf16(
    bf16_NK: Logits, fp32_NK: Logits, labels_N: npt.NDArray[np.int64], calibration: Calibration, provider: Provider
) -> Bf16Record:
    """Compare the logits of bf16 and fp32 on the holdout.

    Args:
        bf16_NK: logits in bf16, float32 [N, K].
        fp32_NK: logits in fp32, float32 [N, K].
        labels_N: true classes.
        calibration: calibration of fp32.
        provider: execution provider that computed `bf16_NK`.
    """
    difference = compare_paired(labels_N, bf16_NK.argmax(axis=1), fp32_NK.argmax(axis=1)).difference
    equal_classes = float((bf16_NK.argmax(axis=1) == fp32_NK.argmax(axis=1)).mean())
    probabilities_NK = softmax(bf16_NK, calibration.temperature)
    covered_NK = prediction_set_mask(probabilities_NK, calibration.conformal_threshold)
    coverage = float(covered_NK[np.arange(len(labels_N)), labels_N].mean())
    low, high = coverage_band(len(labels_N), len(labels_N), calibration.coverage)
    reasons = []
    if equal_classes < 1 and difference.low <= -MAX_LOSS:
        reasons.append(f"not shown to lose less than {MAX_LOSS * 100:g} points of accuracy")
    if not low <= coverage <= high:
        reasons.append(f"its prediction sets contain the true class of {coverage:.2%}, outside {low:.2%} to {high:.2%}")
    return Bf16Record(
        provider=provider.name,
        versions=provider.versions,
        images=len(labels_N),
        equal_classes=equal_classes,
        max_difference=float(np.abs(probabilities_NK - softmax(fp32_NK, calibration.temperature)).max()),
        holdout_difference=difference,
        coverage=coverage,
        coverage_band=(low, high),
        accepted=not reasons,
        verdict=" and ".join(reasons) or "not inferior",
    )
