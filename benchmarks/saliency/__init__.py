"""How fast explanations are, each figure against a reference that is measured in the same run."""
