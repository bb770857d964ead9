"""Where two versions go wrong: on which classes and images, how surely, and whether together."""
