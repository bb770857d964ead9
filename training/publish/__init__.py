"""Publishing of a trained network as a version, with model card and figures."""
