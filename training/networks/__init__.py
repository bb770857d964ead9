"""The two families of networks, and the wrapper that carries normalization inside the graph."""

from training.networks.classifier import Classifier, build_classifier, count_macs, count_parameters

__all__ = ["Classifier", "build_classifier", "count_macs", "count_parameters"]
