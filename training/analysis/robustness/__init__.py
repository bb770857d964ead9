"""How much accuracy is left when test images are corrupted, moved, turned or attacked."""
