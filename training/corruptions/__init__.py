"""Corruptions of images: CIFAR-10-C (regenerated), its four extra kinds, shifts and rotations."""
