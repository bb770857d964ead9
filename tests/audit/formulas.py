"""Formulas of the audit: comparison of printed figures, intervals, tests, and six corruptions.

All are written from their definitions.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from PIL import Image

from tests.audit.sources import Array

Z = NormalDist().inv_cdf(0.975)
OWN_CORRUPTIONS = ("gaussian_noise", "shot_noise", "impulse_noise", "brightness", "contrast", "pixelate")


@dataclass(frozen=True)
class Claim:
    """One printed or recorded figure, and the same figure recomputed."""

    name: str
    claimed: str
    recomputed: str
    agrees: bool


def printed(name: str, text: str, *values: float) -> Claim:
    """Compare the first numbers of a text with values, each to half a unit of its last printed digit.

    Values are shares if the text has percent signs. A text without enough numbers disagrees.
    """
    scale = 100 if "%" in text else 1
    found = re.findall(r"[+-]?\d[\d,]*(?:\.\d+)?", text)
    digits = [len(number.partition(".")[2]) for number in found]
    agrees = len(found) >= len(values) and all(
        abs(float(number.replace(",", "")) - scale * value) <= 0.5 * 10**-places + 1e-9
        for number, places, value in zip(found, digits, values, strict=False)
    )
    shown = [f"{scale * value:,.{places + 2 if places else 0}f}" for value, places in zip(values, digits, strict=False)]
    return Claim(name, text or "not on the page", ", ".join(shown), agrees)


def same_p(name: str, text: str, log10: float) -> Claim:
    """Compare a printed p value, or the bound that it is below, with the logarithm of a p value."""
    found = re.search(r"[\d.]+(?:e-\d+)?", text)
    known = math.log10(float(found[0])) if found else math.inf
    agrees = log10 < known if text.startswith("below") else abs(log10 - known) < 0.03
    return Claim(name, text or "not on the page", f"1e{log10:.2f}", agrees)


def within(name: str, text: str, share: float, sampled: int) -> Claim:
    """As `printed`; a share of a sample may differ by three standard errors."""
    found = re.search(r"([\d.]+)%", text)
    if not sampled or not found:
        return printed(name, text, share)
    claimed = float(found[1]) / 100
    limit = 3 * math.sqrt(claimed * (1 - claimed) / sampled)
    return Claim(name, text, f"{share:.1%} of {sampled} (limit {limit:.1%})", abs(share - claimed) <= limit)


def corrupted(name: str, images_NHWC: Array, strength: float) -> Array:
    """Our own version of six corruptions of CIFAR-10-C (Hendrycks and Dietterich 2019), uint8 [N, 32, 32, 3]."""
    random, x = np.random.default_rng(7), images_NHWC / 255
    if name == "gaussian_noise":
        x = x + strength * random.standard_normal(x.shape)
    elif name == "shot_noise":
        x = random.poisson(x * strength) / strength
    elif name == "impulse_noise":
        draw = random.random(x.shape)
        x = np.where(draw < strength / 2, 0.0, np.where(draw < strength, 1.0, x))
    elif name == "brightness":
        top = x.max(axis=3, keepdims=True)
        raised = np.minimum(top + strength, 1)
        x = np.where(top > 0, x / np.maximum(top, 1e-9) * raised, raised)
    elif name == "contrast":
        mean = x.mean(axis=(1, 2), keepdims=True)
        x = strength * x + (1 - strength) * mean
    else:
        side = int(32 * strength)
        pictures = [Image.fromarray(each).resize((side, side), Image.Resampling.BOX) for each in images_NHWC]
        return np.stack([np.asarray(each.resize((32, 32), Image.Resampling.BOX)) for each in pictures])
    return (x.clip(0, 1) * 255 + 1e-6).astype(np.uint8)


def stratified(labels_N: Array, count: int, seed: int) -> Array:
    """Positions of the record's images: one of each class in turn, in the random order of the seed; ascending."""
    queues: list[list[int]] = [[] for _ in range(10)]
    for position in np.random.default_rng(seed).permutation(len(labels_N)):
        queues[labels_N[position]].append(int(position))
    turns = [queue[turn] for turn in range(max(map(len, queues))) for queue in queues if turn < len(queue)]
    return np.sort(turns[:count])


def softmax(logits_NK: Array) -> Array:
    """Probabilities from logits, float64 [N, K]."""
    powers = np.exp(logits_NK - logits_NK.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def logsumexp(logits_NK: Array) -> Array:
    """Logarithm of the sum of the exponentials of each row, float64 [N]."""
    top = logits_NK.max(axis=1)
    return np.asarray(top + np.log(np.exp(logits_NK - top[:, None]).sum(axis=1)))


def log_loss(probabilities_NK: Array, labels_N: Array) -> float:
    """Mean of -ln p(true class)."""
    return float(-np.log(probabilities_NK[np.arange(len(labels_N)), labels_N]).mean())


def wilson(share: float, count: int) -> tuple[float, float]:
    """95 % score interval of a share of `count` images (Wilson 1927)."""
    middle, scale = share + Z**2 / (2 * count), 1 + Z**2 / count
    margin = Z * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    return (middle - margin) / scale, (middle + margin) / scale


def paired_interval(only: list[Array], count: int) -> tuple[float, float]:
    """Adjusted Wald interval of a difference of matched proportions, in points (Bonett and Price 2012)."""
    one, other = ((int(each.sum()) + 1) / (count + 2) for each in only)
    margin = Z * math.sqrt((one + other - (one - other) ** 2) / (count + 2))
    return 100 * (one - other - margin), 100 * (one - other + margin)


def log10_mcnemar(one: int, other: int) -> float:
    """Logarithm of the two-sided exact p: twice the binomial tail, at most 1."""
    n = one + other
    terms = [math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(min(one, other) + 1)]
    total = max(terms) + math.log(sum(math.exp(term - max(terms)) for term in terms))
    return min(0.0, (total + (1 - n) * math.log(2)) / math.log(10))


def coverage_band(images: int, held: int, rank: int) -> tuple[float, float]:
    """Central 95 % of the beta-binomial coverage of a threshold from `held` images on `images` others."""
    a, b, lgamma = rank, held + 1 - rank, math.lgamma
    whole = lgamma(images + 1) + lgamma(a + b) - lgamma(a) - lgamma(b) - lgamma(images + a + b)
    counts = range(images + 1)
    mass = [
        math.exp(whole + lgamma(k + a) - lgamma(k + 1) + lgamma(images - k + b) - lgamma(images - k + 1))
        for k in counts
    ]
    below = np.cumsum(mass)
    return float(np.argmax(below > 0.025)) / images, float(np.argmax(below >= 0.975)) / images
