"""Network architectures (mlp, cnn) and the `Classifier` module that adds input normalization."""

from training.networks.classifier import Classifier, build_classifier, count_macs, count_parameters, initialize, whiten

__all__ = ["Classifier", "build_classifier", "count_macs", "count_parameters", "initialize", "whiten"]
