"""How fast recipes train, beside a plain PyTorch loop: `python -m benchmarks.training`."""
