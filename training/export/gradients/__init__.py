"""Gradient graph (gradient.onnx): gradient of the logits with respect to the pixels, served without torch."""

from training.export.gradients.check import check_gradient
from training.export.gradients.graph import export_gradient

__all__ = ["check_gradient", "export_gradient"]
