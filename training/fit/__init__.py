"""The training loop with its losses, optimizers, weight averages and distillation."""
