"""Robustness: accuracy on corrupted, shifted, rotated and adversarial test images."""
