"""Image corruptions: CIFAR-10-C (regenerated), its four extra corruptions, shifts and rotations."""
