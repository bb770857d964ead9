"""Evaluation of a trained network: scores, calibration, test-time augmentation and OOD detection."""
