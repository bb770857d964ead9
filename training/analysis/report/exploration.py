"""Record of a data set, converted from the findings of `duet explore`."""

from __future__ import annotations

from core.records.studies import Channel, ClassLook, Exploration
from training.analysis.explore.findings import Findings


def exploration_record(found: Findings) -> Exploration:
    """Select the values that the report uses."""
    statistics, duplicates = found.statistics, found.duplicates
    training = [
        sum(statistics.class_counts[part][label] for part in ("train", "validation", "holdout"))
        for label in found.class_names
    ]
    values = statistics.values["training"]
    return Exploration(
        name=found.name,
        digest=found.digest,
        split_digest=found.split_digest,
        height=statistics.height,
        width=statistics.width,
        images=statistics.images,
        smallest_class=min(training),
        largest_class=max(training),
        channels=tuple(
            Channel(name=name, mean=mean, std=std)
            for name, mean, std in zip(("red", "green", "blue"), values.mean, values.std, strict=True)
        ),
        brightness=statistics.brightness.overall.median,
        contrast=statistics.contrast.overall.median,
        looks=tuple(
            ClassLook(
                label=label,
                brightness=statistics.brightness.by_class[label].median,
                contrast=statistics.contrast.by_class[label].median,
            )
            for label in found.class_names
            if label in statistics.brightness.by_class
        ),
        exact_test_images=duplicates.exact_test_images,
        near_test_images=duplicates.near_test_images,
        near_conflicts=duplicates.near_conflicts,
        holdout_images=duplicates.holdout_images,
    )
