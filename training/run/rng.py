"""Generators of random numbers that follow from whole numbers alone."""

from __future__ import annotations

import numpy as np
import torch


def generator(*entropy: int, device: torch.device | None = None) -> torch.Generator:
    """A generator whose state follows from the given whole numbers alone (numpy's SeedSequence mixes them)."""
    seed = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])
    return torch.Generator(device or "cpu").manual_seed(seed % 2**63)
