"""Evaluation of exported models: scores, calibration, test-time augmentation and out-of-distribution detection."""
