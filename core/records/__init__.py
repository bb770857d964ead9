"""Records of analyses: robustness, latency, explanations and others, as JSON beside the models."""
