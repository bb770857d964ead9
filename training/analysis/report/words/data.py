"""What is in the data."""

from __future__ import annotations

from training.analysis.report.findings import Findings
from training.analysis.report.words.style import counted, percent


def content(findings: Findings) -> str:
    """How many images of how many classes."""
    found = findings.exploration
    training = sum(found.images[part] for part in ("train", "validation", "holdout"))
    classes = len(found.looks)
    balance = (
        f"{found.largest_class:,} training images of each"
        if found.smallest_class == found.largest_class
        else f"{found.smallest_class:,} to {found.largest_class:,} training images of each"
    )
    channels = "; ".join(f"{each.name} {each.mean:.3f} and {each.std:.3f}" for each in found.channels)
    return (
        f"{training:,} training and {found.images['test']:,} test images of {found.width}x{found.height} pixels in "
        f"{classes} classes, {balance}. Mean and standard deviation of the training images, on the scale from 0 to 1: "
        f"{channels}."
    )


def looks(findings: Findings) -> str:
    """Which classes are bright and rich in contrast, and which are not."""
    rows = findings.exploration.looks
    bright, dark = (pick(rows, key=lambda row: row.brightness) for pick in (max, min))
    rich, poor = (pick(rows, key=lambda row: row.contrast) for pick in (max, min))
    return (
        f"Images of {bright.label} are the brightest (median luma {bright.brightness:.2f}), those of {dark.label} the "
        f"darkest ({dark.brightness:.2f}); contrast is highest for {rich.label} ({rich.contrast:.2f}) and lowest for "
        f"{poor.label} ({poor.contrast:.2f})."
    )


def duplicates(findings: Findings) -> str:
    """What the test images share with the training images."""
    found = findings.exploration
    test = found.images["test"]
    exact = counted(found.exact_test_images) if found.exact_test_images else "none"
    conflicts = (
        "" if not found.near_conflicts else f"; of the pairs, {found.near_conflicts:,} have two different labels"
    )
    return (
        f"{found.near_test_images:,} of the {test:,} test images ({percent(found.near_test_images / test)}) show "
        f"nearly the same as a training image, {exact} of them to the byte{conflicts}. They were "
        "left in, so that figures compare with published ones."
    )
