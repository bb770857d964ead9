"""Publishing of a trained version with its model card and figures."""
