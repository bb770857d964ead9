"""Training loop with losses, optimizers, weight averaging and distillation."""
