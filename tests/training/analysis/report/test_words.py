"""Sentences follow the numbers: the same findings with other signs are told the other way round."""

from __future__ import annotations

import dataclasses

import pytest

from core.comparison.pairwise import ClassDifference
from core.records.explanations import Check, MethodEvaluation, Randomized
from core.records.studies import AugmentationStudy, Choice, Confirmed, Step, TaughtBy, Tuning
from core.repository.confidence_interval import ConfidenceInterval
from core.statistics.comparison import compare_paired
from training.analysis.report.findings import Findings, VersionResults
from training.analysis.report.words import (
    comparison,
    costs,
    helps,
    interpretation,
    mistakes,
    robustness,
    style,
    verdict,
)


def an(value: float, low: float, high: float) -> ConfidenceInterval:
    return ConfidenceInterval(value=value, low=low, high=high)


def with_classes(findings: Findings, *rows: tuple[str, float, float, bool]) -> Findings:
    """The findings with these classes: label, recall of both, whether that is significant."""
    per_class = tuple(
        ClassDifference(
            label=label,
            images=100,
            first=an(first, first - 0.1, first + 0.1),
            second=an(second, second - 0.1, second + 0.1),
            difference=an(first - second, first - second - 0.05, first - second + 0.05),
            p=0.5,
            holm_p=0.01 if significant else 0.9,
            significant=significant,
        )
        for label, first, second, significant in rows
    )
    return dataclasses.replace(findings, pairwise=findings.pairwise.model_copy(update={"per_class": per_class}))


def with_paired(findings: Findings, first_right: int, second_right: int) -> Findings:
    """The findings of 1,000 images, the first so many of which either version answers right."""
    import numpy as np

    labels_N = np.zeros(1000, np.int64)
    one, other = ((np.arange(1000) >= right).astype(np.int64) for right in (first_right, second_right))
    paired = compare_paired(labels_N, one, other)
    return dataclasses.replace(findings, pairwise=findings.pairwise.model_copy(update={"paired": paired}))


def test_the_better_one_is_named_whichever_it_is(shipped: Findings) -> None:
    assert comparison.accuracy(with_paired(shipped, 900, 600)).startswith("The mlp is the more accurate")
    told = comparison.accuracy(with_paired(shipped, 600, 900))
    assert told.startswith("The cnn is the more accurate")
    assert "+30.0 (+27." in told
    assert comparison.accuracy(with_paired(shipped, 700, 701)).startswith("Neither is significantly more accurate")


def test_classes_are_told_by_who_is_ahead_after_holm(shipped: Findings) -> None:
    every = with_classes(shipped, ("cat", 0.4, 0.8, True), ("dog", 0.5, 0.7, True))
    assert comparison.classes(every) == (
        "The cnn recognizes more images of every class; after Holm's correction the difference is significant in all "
        "two (most of cat, +40.0 (+35.0 to +45.0) points; least of dog, +20.0 (+15.0 to +25.0) points)."
    )
    mixed = with_classes(shipped, ("cat", 0.4, 0.8, True), ("dog", 0.9, 0.7, True), ("owl", 0.5, 0.5, False))
    assert comparison.classes(mixed) == (
        "The mlp recognizes significantly more images of dog; the cnn recognizes significantly more images of cat; in "
        "owl the difference may be chance."
    )
    none = with_classes(shipped, ("cat", 0.7, 0.8, False), ("dog", 0.8, 0.7, False))
    assert comparison.classes(none) == "In no class do the two differ significantly after Holm's correction."


def test_robustness_is_told_by_the_sign_of_the_interval(shipped: Findings) -> None:
    def changed(difference: ConfidenceInterval, kept: ConfidenceInterval) -> Findings:
        rows = tuple(
            row.model_copy(update={"difference": difference, "kept_difference": kept}) for row in shipped.robustness
        )
        return dataclasses.replace(shipped, robustness=rows)

    ahead, behind, unclear = an(0.1, 0.05, 0.15), an(-0.1, -0.15, -0.05), an(0.01, -0.05, 0.07)
    assert "the mlp is ahead by +10.0 (+5.0 to +15.0) points" in robustness.overall(changed(ahead, ahead))
    assert "the cnn is ahead by +10.0 (+5.0 to +15.0) points" in robustness.overall(changed(behind, ahead))
    assert "cannot be told" in robustness.overall(changed(unclear, ahead))
    assert "the cnn loses more, by +10.0" in robustness.lost(changed(ahead, ahead))
    assert "the mlp loses more, by +10.0" in robustness.lost(changed(ahead, behind))
    assert "may be chance" in robustness.lost(changed(ahead, unclear))
    assert robustness.by_corruption(changed(behind, ahead)) == (
        "The cnn is ahead under every one of the 14 corruptions."
    )
    strong = verdict.strengths(changed(behind, ahead), shipped.first)
    assert any(line.startswith("loses less of its accuracy under corruptions, by +10.0") for line in strong)
    weak = verdict.weaknesses(changed(behind, ahead), shipped.second)
    assert any(line.startswith("loses more of its accuracy under corruptions, by +10.0") for line in weak)
    assert not any("corruptions" in line for line in verdict.strengths(changed(behind, unclear), shipped.first))


def a_method(*failed: str, flat: int = 0, images: int = 10) -> MethodEvaluation:
    gain, loss, unlike, like = (
        an(value, value - 0.05, value + 0.05) if images else None for value in (0.1, -0.1, 0.2, 0.8)
    )
    last = like if "randomisation" in failed else unlike
    return MethodEvaluation(
        method="smoothgrad",
        flat=flat,
        images=images,
        deletion=gain,
        deletion_gain=loss if "deletion" in failed else gain,
        insertion=gain,
        insertion_gain=loss if "insertion" in failed else gain,
        sensitivity=gain,
        deletion_curve=None,
        insertion_curve=None,
        cascade=() if last is None else (Randomized(layer="first", correlation=last),),
        checks=tuple(
            Check(name=name, passed=name not in failed, reason="the figures")
            for name in ("deletion", "insertion", "randomisation")
        ),
    )


def with_methods(findings: Findings, *methods: MethodEvaluation) -> Findings:
    explanations = findings.first.explanations.model_copy(update={"methods": methods})
    return dataclasses.replace(findings, first=dataclasses.replace(findings.first, explanations=explanations))


def test_methods_that_fail_are_reported_as_failing(shipped: Findings) -> None:
    side = with_methods(shipped, a_method("randomisation")).first
    assert interpretation.verdict(side.explanations, side.explanations.methods[0]) == "**fails** randomisation"
    assert interpretation.passing(side) == "For the mlp no method passes every check."
    (told,) = interpretation.failing(side)
    assert told.startswith("SmoothGrad fails for the mlp: its maps stay much the same when the network's weights")
    assert verdict.implications(with_methods(shipped, a_method("deletion")))
    good = with_methods(shipped, a_method(), a_method()).first
    assert interpretation.verdict(good.explanations, good.explanations.methods[0]) == "passes"
    assert interpretation.failing(good) == []
    assert interpretation.passing(good) == "For the mlp all two methods pass every check."


@pytest.mark.parametrize(
    ("gain", "last", "verdict_told", "told"),
    [
        (
            an(-0.1, -0.2, -0.05),
            an(0.6, 0.55, 0.65),
            "**fails** insertion and randomisation",
            "SmoothGrad fails for the mlp: putting in the pixels it names does not raise the probability faster than "
            "with the map moved (the figures); its maps stay much the same when the network's weights are replaced by "
            "fresh ones (the figures).",
        ),
        (
            an(0.01, -0.02, 0.05),
            an(0.6, 0.55, 0.65),
            "**fails** randomization; not shown to pass insertion",
            "SmoothGrad fails for the mlp: its maps stay much the same when the network's weights are replaced by "
            "fresh ones (the figures); putting in the pixels it names is not shown to raise the probability faster "
            "than with the map moved (the figures).",
        ),
        (
            an(0.01, -0.02, 0.05),
            an(0.499, 0.485, 0.511),
            "not shown to pass insertion and randomisation",
            "SmoothGrad is not shown to pass for the mlp: putting in the pixels it names is not shown to raise the "
            "probability faster than with the map moved (the figures); its maps are not shown to change enough when "
            "the network's weights are replaced by fresh ones (the figures).",
        ),
    ],
)
def test_what_an_interval_does_not_decide_is_not_told_as_a_failure(
    shipped: Findings, gain: ConfidenceInterval, last: ConfidenceInterval, verdict_told: str, told: str
) -> None:
    method = a_method("insertion", "randomisation").model_copy(
        update={"insertion_gain": gain, "cascade": (Randomized(layer="first", correlation=last),)}
    )
    side = with_methods(shipped, method).first
    assert interpretation.verdict(side.explanations, method) == verdict_told
    assert interpretation.failing(side) == [told]
    assert interpretation.passing(side) == "For the mlp no method passes every check."


def test_the_rule_of_the_checks_is_said_with_the_limit_of_the_record(shipped: Findings) -> None:
    told = interpretation.rule(shipped)
    assert (
        "the whole 95% interval must lie on the right side of its limit: above 0 for both gains, at or below 0.5"
        in told
    )


def test_flat_maps_are_flagged(shipped: Findings) -> None:
    side = with_methods(shipped, a_method("deletion", "insertion", "randomisation", flat=10, images=0)).first
    assert interpretation.verdict(side.explanations, side.explanations.methods[0]) == "**fails**: every map is flat"
    assert interpretation.failing(side) == ["SmoothGrad fails for the mlp: every map is flat."]
    assert "10 of SmoothGrad" in interpretation.flat(side)
    assert interpretation.flat(with_methods(shipped, a_method()).first) == ""


@pytest.mark.parametrize(
    ("agreed", "sure", "said"),
    [
        (an(0.95, 0.94, 0.96), an(0.99, 0.98, 1.0), "The cnn's own probability is the better sign."),
        (an(0.99, 0.98, 1.0), an(0.95, 0.94, 0.96), "Disagreement is the better sign."),
        (an(0.95, 0.94, 0.96), an(0.955, 0.945, 0.965), "is no clear gain"),
    ],
)
def test_asking_both_is_held_against_being_sure(
    shipped: Findings, agreed: ConfidenceInterval, sure: ConfidenceInterval, said: str
) -> None:
    together = dataclasses.replace(shipped.together, right_when_agreed=agreed, second_right_when_sure=sure)
    told = verdict.implications(dataclasses.replace(with_paired(shipped, 600, 900), together=together))
    assert said in next(line for line in told if "a person should look at" in line)


@pytest.mark.parametrize(
    ("accuracy", "said"),
    [
        (0.9, "for every ten mistakes of it, the mlp makes 40 (derived)."),
        (1.0, "it makes no mistake on the test images"),
    ],
)
def test_mistakes_are_held_against_each_other_where_there_are_any(
    shipped: Findings, accuracy: float, said: str
) -> None:
    def right(side: VersionResults, share: float) -> VersionResults:
        scores = side.scores.model_copy(update={"accuracy": an(share, share, share)})
        return dataclasses.replace(side, scores=scores)

    changed = dataclasses.replace(
        with_paired(shipped, 600, 900), first=right(shipped.first, 0.6), second=right(shipped.second, accuracy)
    )
    assert verdict.implications(changed)[0].startswith(f"Where being right matters, serve the cnn: {said}")


def test_the_training_is_told_with_all_that_was_done_to_the_images(shipped: Findings) -> None:
    config = dict(shipped.second.manifest.config)
    config["augmentation"] = {"flip": True, "translate": 4, "rotate": 7.5, "stretch": 0.1, "cutout": 8, "mixup": 0.5}
    config["augmentation"]["outliers"] = 0.02
    side = dataclasses.replace(shipped.second, manifest=shipped.second.manifest.model_copy(update={"config": config}))
    assert (
        " images with mirroring, shifts of up to 4 pixels, turns of up to 7.5 degrees, sides stretched by up to 10%, "
        "squares of 8 pixels cut out, mixup (0.5) and 2% made-up pictures of no class; "
    ) in costs.training(side)


def test_what_fgsm_leaves_is_a_share_of_the_images(shipped: Findings) -> None:
    last = shipped.second.robustness.named("fgsm")[-1]
    assert f"{style.interval(last.accuracy)} of the images at 8/255 right" in robustness.attacked(shipped)


def test_what_was_trained_on_names_the_conditions_it_overlaps(shipped: Findings) -> None:
    def told(first: dict[str, object], second: dict[str, object]) -> str:
        sides = [
            dataclasses.replace(side, manifest=side.manifest.model_copy(update={"config": {"augmentation": settings}}))
            for side, settings in zip(shipped.sides, (first, second), strict=True)
        ]
        return robustness.trained_on(dataclasses.replace(shipped, first=sides[0], second=sides[1]))

    assert told({"flip": True, "translate": 2}, {"cutmix": 0.5, "augmix": 0.25, "texture_mixing": 0.15}) == (
        "The mlp was trained on images changed by mirroring and shifts by up to 2 pixels; the cnn was trained on "
        "images changed by CutMix (50% of the images), AugMix (25%) and texture mixing within a class (15%). "
        "Augmentation overlaps for the mlp with shift; for the cnn with shift, rotation and elastic transform: there "
        "the figures are not of changes never seen in training. No training image was changed by noise, blur, weather"
        " or another digital corruption."
    )
    plain = told({}, {"flip": True, "rotate": 0.0})
    assert "the cnn was trained on images changed by mirroring. No training" in plain
    assert plain.startswith("The mlp was trained on images changed by nothing;")


def test_flags_are_told_where_they_were_measured(shipped: Findings) -> None:
    def with_rates(side: VersionResults, rate: float | None) -> VersionResults:
        changed = {"flag_rate": rate, "coverage": rate}
        conditions = [each.model_copy(update=changed) for each in side.robustness.conditions]
        report = side.robustness.model_copy(update={"conditions": tuple(conditions)})
        return dataclasses.replace(side, robustness=report)

    def told(first: float | None, second: float | None) -> Findings:
        sides = with_rates(shipped.first, first), with_rates(shipped.second, second)
        return dataclasses.replace(shipped, first=sides[0], second=sides[1])

    assert robustness.flagged(told(None, None)) == ""
    assert robustness.flagged(told(None, 0.25)) == (
        "The cnn flags 25.0% of the corrupted images as out of distribution, although they are of its classes, and its "
        "prediction sets hold the true class for 25.0% of them."
    )
    assert "flags" not in comparison.strangers(told(None, None).first)
    assert "On average it flags 12.5% of the images" in comparison.strangers(told(0.125, None).first)


def test_transfer_is_told_by_its_interval(shipped: Findings) -> None:
    def told(first: float, second: float) -> str:
        sides = [
            dataclasses.replace(side, activations=side.activations.model_copy(update={"transfer": transfer}))
            for side, transfer in zip(shipped.sides, (first, second), strict=True)
        ]
        return interpretation.transfer(dataclasses.replace(shipped, first=sides[0], second=sides[1]))

    assert told(1.0, 0.0).startswith("Images made for the mlp are recognized more often by the cnn")
    assert told(0.0, 1.0).startswith("Images made for the cnn are recognized more often by the mlp")
    assert "cannot be told" in told(0.5, 0.5)


def test_mistakes_shared_more_than_chance_would_have_it(shipped: Findings) -> None:
    overlap = shipped.mistakes.overlap

    def told(alone: float) -> str:
        changed = overlap.model_copy(update={"both_if_independent": alone})
        return mistakes.shared(
            dataclasses.replace(shipped, mistakes=shipped.mistakes.model_copy(update={"overlap": changed}))
        )

    assert told(overlap.both.low / 2).endswith("they share more than that.")
    assert told(overlap.both.value).endswith("they share about as much as that.")
    assert told(min(1, overlap.both.high * 2)).endswith("they share less than that.")


def a_tuning(**fields: object) -> Tuning:
    better, worse = an(0.05, 0.03, 0.07), an(-0.05, -0.07, -0.03)
    values = {
        "name": "mlp_labels",
        "recipe": "mlp_labels",
        "architecture": "mlp",
        "data_digest": "d" * 64,
        "trials": 5,
        "epochs": 6,
        "share": 0.5,
        "minutes": 12.0,
        "own": {"activation": "relu"},
        "choices": (
            Choice(setting="activation", value="gelu", epochs=6, accuracy=0.6, difference=better),
            Choice(setting="activation", value="tanh", epochs=3, accuracy=0.5, difference=worse),
            Choice(setting="activation", value="silu", epochs=0, accuracy=None, difference=None),
        ),
        "baseline": 0.55,
        "best": 0.6,
        "changes": {"activation": "gelu"},
        "importances": {"activation": 0.7, "rate": 0.3},
        "confirmed": None,
    }
    return Tuning.model_validate(values | fields)


def test_importances_are_of_whole_trials_and_name_nothing_that_has_none() -> None:
    few = a_tuning(importances={"activation": 0.9, "loss": 0.1, "width": 0.0}, whole=5)
    assert helps.importances(few) == (
        "Of the variance between the five trials that ran to their end, fANOVA ascribes most to activation (90%) and "
        "loss (10%); of so few trials, only the order counts."
    )
    assert "say nothing" not in helps.importances(few)
    some = helps.importances(few.model_copy(update={"unvaried": ("depth", "rate")}))
    assert some.endswith("It can say nothing of depth and rate, which had one value in all of them.")
    assert helps.importances(a_tuning(importances={})) == ""


def test_what_was_changed_for_all_trials_is_told() -> None:
    told = helps.outcome(a_tuning(settings={"network.channels": "(8, 16)"}))
    assert " 12 minutes, all with network.channels (8, 16): the best has" in told


def test_choices_are_told_by_their_intervals() -> None:
    assert helps.settings(a_tuning()) == [
        "Activation: gelu (+5.0 (+3.0 to +7.0) points after six epochs) did better than the recipe's relu; tanh "
        "(-5.0 (-7.0 to -3.0) points after three epochs) did worse than the recipe's relu; with silu the loss became "
        "infinite."
    ]
    diverged = Choice(setting="loss", value="mse", epochs=0, accuracy=None, difference=None)
    alone = a_tuning(own={"loss": "cross_entropy"}, choices=(diverged,))
    assert helps.settings(alone) == ["Loss: with mse the loss became infinite."]


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (an(0.02, 0.01, 0.03), "so it is a gain"),
        (an(-0.02, -0.03, -0.01), "so it is a loss"),
        (an(0.02, -0.01, 0.05), "which luck can explain"),
    ],
)
def test_a_confirmation_decides_what_the_best_trial_is_worth(gain: ConfidenceInterval, said: str) -> None:
    assert helps.outcome(a_tuning(confirmed=Confirmed(seeds=3, gain=gain))).endswith(f"points, {said}.")
    assert helps.outcome(a_tuning()).endswith("part of it is luck.")
    assert "none was better than the recipe" in helps.outcome(a_tuning(changes={}))


def test_steps_of_augmentation_are_told_by_their_intervals() -> None:
    steps = [
        Step(recipe="cnn_fast", step=name, accuracy=an(0.9, 0.89, 0.91), difference=difference)
        for name, difference in (
            ("none", None),
            ("+ flip", an(0.02, 0.01, 0.03)),
            ("+ cutout", an(0.001, -0.01, 0.012)),
            ("+ mixup", an(-0.02, -0.03, -0.01)),
        )
    ]
    study = AugmentationStudy(
        name="a",
        data_digest="c" * 64,
        split_digest="d" * 64,
        seeds=3,
        images=8000,
        epochs={"cnn_fast": 8},
        settings={"cnn_fast": {"network.channels": "[8, 16]"}},
        strengths={"cnn_fast": {"cutout": "8", "mixup": "0.5"}},
        teacher=TaughtBy(reference="teacher@1", recipe="cnn_fast", weights="e" * 64, test_accuracy=0.9145),
        minutes=3.0,
        steps=tuple(steps),
    )
    (told,) = helps.recipes(study)
    assert told == (
        "cnn_fast (8 epochs) gains by flip (+2.00 (+1.00 to +3.00) points); it loses by mixup (-2.00 (-3.00 to -1.00) "
        "points); it changes by cutout (+0.10 (-1.00 to +1.20) points) no more than luck can explain."
    )
    assert helps.heading(study) == "Augmentation of cnn_fast"
    assert helps.circumstances(study) == (
        "Each step adds to those before it, on 8,000 training images, three seeds each, judged on the validation "
        "images; 3 minutes of training; cnn_fast with network.channels [8, 16]; steps are squares of 8 pixels and "
        "mixup 0.5 in cnn_fast; teacher@1 (cnn_fast, 91.5%) teaches."
    )


def test_numbers_are_written_for_people() -> None:
    assert style.p_value(0.0) == "below 1e-300"
    assert style.points(an(-0.0001, -0.02, 0.02)) == "0.0 (-2.0 to +2.0)"
    assert style.p_value(3.21e-12) == "3.2e-12"
    assert style.p_value(0.04) == "0.040"
    assert style.listed(["a", "b", "c"]) == "a, b and c"
    assert style.listed(["a"]) == "a"
    assert style.counted(1, "class", "classes") == "one class"
    assert style.counted(1234, "image") == "1,234 images"
    assert style.factor(34.7) == "35"
    assert style.factor(5.83) == "5.8"


def test_the_severities_of_each_corruption_are_listed(shipped: Findings) -> None:
    told = dict(robustness.severities(shipped.second))
    assert len(told) == 14
    assert told["gaussian noise"] == "deviation 0.04, 0.06, 0.08, 0.09, 0.1"
    assert told["motion blur"] == "radius 6, 6, 6, 8, 9; deviation 1, 1.5, 2, 2, 2.5"
    assert told["glass blur"].startswith("deviation 0.05, 0.25, 0.4, 0.25, 0.4; reach 1; rounds 1, 1, 1, 2, 2")
