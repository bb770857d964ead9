"""Training benchmark: parts of a step, the limit of the machine, and a plain PyTorch loop."""
