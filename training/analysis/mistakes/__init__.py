"""Error analysis of two versions: classes, confusions, confidence, overlap and image properties."""
