"""Saliency benchmark: explanations and the Open Inference Protocol against their references."""
