"""Which version is better on the test images, at which classes, and how far its probabilities can be trusted."""

from __future__ import annotations

from core.comparison.pairwise import ClassDifference
from training.analysis.report.findings import Findings, VersionResults
from training.analysis.report.words.style import (
    SIGNIFICANCE,
    counted,
    direction,
    interval,
    listed,
    number,
    p_value,
    percent,
    points,
    sentence,
    signed,
    turned,
)


def winner(findings: Findings) -> tuple[VersionResults, VersionResults] | None:
    """The version that is significantly more accurate, and the other one; None where neither is."""
    paired = findings.pairwise.paired
    if paired.mcnemar_p >= SIGNIFICANCE:
        return None
    return (findings.first, findings.second) if paired.difference.value > 0 else (findings.second, findings.first)


def accuracy(findings: Findings) -> str:
    """Which is more accurate, and how surely."""
    paired, better = findings.pairwise.paired, winner(findings)
    first, second = findings.first, findings.second
    if better is None:
        return (
            f"Neither is significantly more accurate: the {first.name} answers {interval(first.scores.accuracy)} of "
            f"the {paired.images:,} test images right, the {second.name} {interval(second.scores.accuracy)} "
            f"(difference {points(paired.difference)} points; McNemar's exact test: p {p_value(paired.mcnemar_p)})."
        )
    good, bad = better
    gain = paired.difference if good is first else turned(paired.difference)
    return (
        f"The {good.name} is the more accurate: it answers {interval(good.scores.accuracy)} of the {paired.images:,} "
        f"test images right, the {bad.name} {interval(bad.scores.accuracy)}. That is a difference of {points(gain)} "
        f"points on the same images, significant by McNemar's exact test (p {p_value(paired.mcnemar_p)})."
    )


def pair_counts(findings: Findings) -> str:
    """Where the two are right and wrong together."""
    paired, first, second = findings.pairwise.paired, findings.first, findings.second
    kappa = "" if paired.cohen_kappa is None else f" (Cohen's kappa {paired.cohen_kappa:.2f})"
    return (
        f"Both are right on {paired.both_right:,} images and both wrong on {paired.both_wrong:,}; only the "
        f"{first.name} is right on {paired.only_first_right:,}, only the {second.name} on "
        f"{paired.only_second_right:,}. They give the same answer to {percent(paired.agreement)} of the images{kappa}."
    )


def classes(findings: Findings) -> str:
    """On which classes either is significantly better after Holm's correction."""
    rows = findings.pairwise.per_class
    of_first = [row for row in rows if row.significant and row.difference.value > 0]
    of_second = [row for row in rows if row.significant and row.difference.value < 0]
    unclear = [row for row in rows if not row.significant]
    told = []
    for side, won, sign in ((findings.first, of_first, 1), (findings.second, of_second, -1)):
        if not won:
            continue
        if len(won) == len(rows):
            told.append(
                f"the {side.name} recognizes more images of every class; after Holm's correction the difference is "
                f"significant in all {counted(len(rows))}"
            )
        else:
            told.append(f"the {side.name} recognizes significantly more images of {listed([row.label for row in won])}")
        most, least = (pick(won, key=lambda row: sign * row.difference.value) for pick in (max, min))
        if most is not least:
            told[-1] += (
                f" (most of {most.label}, {_share(most, sign)} points; least of {least.label}, "
                f"{_share(least, sign)} points)"
            )
    if unclear and len(unclear) < len(rows):
        told.append(f"in {listed([row.label for row in unclear])} the difference may be chance")
    if not told:
        return "In no class do the two differ significantly after Holm's correction."
    return sentence("; ".join(told)) + "."


def hardest(findings: Findings) -> str:
    """The classes that each version recognizes least and most."""
    told = []
    for name, own in ((findings.first.name, "first"), (findings.second.name, "second")):
        shares = sorted(
            ((row.label, getattr(row, own)) for row in findings.pairwise.per_class), key=lambda pair: pair[1].value
        )
        (worst, least), (best, most) = shares[0], shares[-1]
        told.append(
            f"The hardest class for the {name} is {worst}, of which it recognizes {interval(least)}, the easiest "
            f"{best} with {interval(most)}."
        )
    return " ".join(told)


def probabilities(findings: Findings) -> str:
    """Whose probabilities are better, and whose are better calibrated."""
    pairwise, first, second = findings.pairwise, findings.first, findings.second
    told: dict[str, list[str]] = {}
    for name, difference, of_first, of_second in (
        ("log loss", pairwise.log_loss_difference, pairwise.first.log_loss, pairwise.second.log_loss),
        ("Brier score", pairwise.brier_difference, pairwise.first.brier, pairwise.second.brier),
    ):
        sign = direction(difference)
        if sign == 0:
            told.setdefault("the two do not differ clearly in", []).append(f"{name} ({signed(difference)})")
        else:
            good = second if sign > 0 else first
            low, high = sorted((of_first.value, of_second.value))
            told.setdefault(f"the {good.name} has", []).append(f"the lower {name} ({low:.3f} against {high:.3f})")
    return sentence("; ".join(f"{who} {listed(what)}" for who, what in told.items())) + "."


def calibration(findings: Findings) -> str:
    """How far confidence and accuracy lie apart."""
    pairwise, first, second = findings.pairwise, findings.first, findings.second
    sign = direction(pairwise.ece_difference)
    measured = (
        f"{interval(pairwise.first.ece)} for the {first.name}, {interval(pairwise.second.ece)} for the {second.name}"
    )
    said = (
        "which of the two is better calibrated cannot be told"
        if sign == 0
        else f"the {(second if sign > 0 else first).name} is the better calibrated"
    )
    return (
        f"The expected calibration error, the mean gap between confidence and accuracy, is {measured}; {said} "
        f"(difference {points(pairwise.ece_difference, 2)} points). {_calibrated(first)} {_calibrated(second)}"
    )


def if_calibrated(side: VersionResults) -> str:
    """Mean and 95th percentile of the error that a perfectly calibrated model would show, for a table."""
    perfect = side.probability.ece_if_calibrated
    return f"{percent(perfect.mean, 2)}, {percent(perfect.percentile_95, 2)}"


def _calibrated(side: VersionResults) -> str:
    """The calibration error beside that of a perfectly calibrated model."""
    perfect = side.probability.ece_if_calibrated
    inside = side.probability.ece.value <= perfect.percentile_95
    return (
        f"A perfectly calibrated model with the confidences of the {side.name} would show {percent(perfect.mean, 2)} "
        f"on as many images, and at most {percent(perfect.percentile_95, 2)} in 95 of 100 cases: the "
        f"{percent(side.probability.ece.value, 2)} of the {side.name} {'may be chance' if inside else 'is more'}."
    )


def temperature(side: VersionResults) -> str:
    """What the temperature that was fitted says about the network before."""
    fitted = side.manifest.calibration["fp32"].temperature
    before = side.scores.ece_before_temperature
    said = "too sure of itself" if fitted > 1 else "not sure enough of itself"
    change = (
        ""
        if before is None
        else f", and its calibration error went from {percent(before, 2)} to {percent(side.scores.reliability.ece, 2)}"
    )
    return (
        f"The {side.name} was {said} as trained: its logits are divided by {fitted:.2f}, fitted on the holdout{change}."
    )


def prediction_sets(side: VersionResults) -> str:
    """Whether prediction sets keep their promise, and how large they are."""
    sets = side.scores.prediction_sets
    kept = ""
    if sets.band is not None:
        low, high = sets.band
        inside = low <= sets.coverage.value <= high
        kept = (
            f", {'within' if inside else 'outside'} the {percent(low, 2)} to {percent(high, 2)} in which the coverage "
            f"lies in 95 of 100 cases if a threshold from {sets.calibration_images:,} images keeps the promise"
        )
    return (
        f"Prediction sets of the {side.name}, which promise to hold the true class for {percent(sets.target, 0)} of "
        f"the images, hold it for {interval(sets.coverage, 2)}{kept}; they name {sets.mean_size:.2f} classes on "
        f"average, and a single one for {percent(sets.singletons)} of the images."
    )


def strangers(side: VersionResults) -> str:
    """How well images of no class are told from test images; empty where that was not measured."""
    rows = side.scores.strange or ()
    if not rows:
        return ""
    measured = listed([f"{row.kind} {number(row.auroc)}" for row in rows])
    blind = [row.kind for row in rows if row.auroc.low <= 0.5]
    remark = f" It does not tell {listed(blind)} from test images better than chance." if blind else ""
    flags = side.robustness.mean_over_corruptions("flag_rate")
    rate = "" if flags is None else f" On average it flags {percent(flags)} of the images under the corruptions below."
    return (
        "Its out-of-distribution flag is judged by two figures together: the AUROC of its score on images of no class, "
        f"and its rate on corrupted images of the classes. AUROC (0.5 is chance): {measured}.{remark}{rate}"
    )


def agreement(findings: Findings) -> str:
    """What it is worth to know that both say the same."""
    together, first, second = findings.together, findings.first, findings.second
    told = [f"The two agree on {interval(together.agree)} of the test images"]
    if together.right_when_agreed is not None:
        told.append(f"and are right on {interval(together.right_when_agreed)} of those")
    if together.first_right_otherwise is not None and together.second_right_otherwise is not None:
        told.append(
            f"where they disagree, the {first.name} is right on {interval(together.first_right_otherwise)} and the "
            f"{second.name} on {interval(together.second_right_otherwise)}"
        )
    return " ".join(told[:2]) + ("; " + told[2] if len(told) > 2 else "") + "."


def _share(row: ClassDifference, sign: int) -> str:
    return points(row.difference if sign > 0 else turned(row.difference))
