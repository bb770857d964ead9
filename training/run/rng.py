"""Seeded random generators."""

from __future__ import annotations

import numpy as np
import torch


def generator(*entropy: int, device: torch.device | None = None) -> torch.Generator:
    """Create a generator seeded by integers, which numpy's SeedSequence mixes."""
    seed = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])
    return torch.Generator(device or "cpu").manual_seed(seed % 2**63)
