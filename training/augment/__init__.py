"""Data augmentation on whole batches: shift, flip, cutout, warp, mixup, CutMix, AugMix and outlier exposure."""
