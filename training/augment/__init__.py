"""Augmentations against corruption: AugMix, frequency mixing and texture mixing, on whole batches."""
