"""Scripts that the pages run."""
