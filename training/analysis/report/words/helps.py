"""What was measured to help which recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.records.studies import AugmentationStudy, Choice, Step, Tuning
from training.analysis.report.words.style import clauses, counted, direction, listed, percent, points, sentence

_NAMED = 0.01
"""Share of the variance below which a setting is not worth its name."""


def outcome(tuning: Tuning) -> str:
    """What the search found, and whether it held with other seeds and images."""
    changed = [f"{name} {value}" for name, value in tuning.settings.items()]
    told = (
        f"{counted(tuning.trials, 'trial')} of {tuning.epochs} epochs on {percent(tuning.share, 0)} of the training "
        f"images, {tuning.minutes:.0f} minutes{f', all with {listed(changed)}' if changed else ''}"
    )
    if not tuning.changes:
        return sentence(f"{told}: none was better than the recipe as it is ({percent(tuning.baseline, 2)}).")
    changes = listed([f"{name} {value}" for name, value in tuning.changes.items()])
    found = (
        f"{told}: the best has {percent(tuning.best, 2)} on the validation images, the recipe as it is "
        f"{percent(tuning.baseline, 2)}; it changes {changes}"
    )
    if tuning.confirmed is None:
        return sentence(f"{found}. That was not confirmed with other seeds and fresh images: part of it is luck.")
    gain = tuning.confirmed.gain
    said = {1: "so it is a gain", -1: "so it is a loss", 0: "which luck can explain"}[direction(gain)]
    return sentence(
        f"{found}. With {counted(tuning.confirmed.seeds, 'new seed')} each, on training images that the search had not "
        f"seen, the difference is {points(gain, 2)} points, {said}."
    )


def settings(tuning: Tuning) -> list[str]:
    """For each setting that was tried alone, a sentence on which choice was best."""
    told = []
    for setting in tuning.own:
        tried = [each for each in tuning.choices if each.setting == setting]
        if tried:
            told.append(_setting(setting, tuning.own[setting], tried))
    return told


def importances(tuning: Tuning) -> str:
    """The settings that explain most of the variance between trials; empty where that is not known."""
    most = [(name, share) for name, share in tuning.importances.items() if share >= _NAMED][:3]
    if not most:
        return ""
    named = listed([f"{name} ({percent(share, 0)})" for name, share in most])
    whole = "the trials" if tuning.whole is None else f"the {counted(tuning.whole, 'trial')}"
    told = (
        f"Of the variance between {whole} that ran to their end, fANOVA ascribes most to {named}; of so few trials, "
        "only the order counts."
    )
    if tuning.unvaried:
        told += f" It can say nothing of {listed(list(tuning.unvaried))}, which had one value in all of them."
    return told


def recipes(study: AugmentationStudy) -> list[str]:
    """For each recipe, which augmentations gave something to it."""
    return [_gains(study, recipe) for recipe in dict.fromkeys(each.recipe for each in study.steps)]


def heading(study: AugmentationStudy) -> str:
    """What the study is about: Augmentation of cnn_fast."""
    return f"Augmentation of {listed(list(study.epochs))}"


def circumstances(study: AugmentationStudy) -> str:
    """On what, and with which changes of the recipes, the steps were measured."""
    changed = [
        f"{recipe} with {listed([f'{name} {value}' for name, value in settings.items()])}"
        for recipe, settings in study.settings.items()
        if settings
    ]
    strong = [f"{listed(_strengths(each))} in {recipe}" for recipe, each in study.strengths.items() if each]
    steps = [f"steps are {listed(strong)}"] if strong else []
    taught = (
        []
        if study.teacher is None
        else [f"{study.teacher.reference} ({study.teacher.recipe}, {percent(study.teacher.test_accuracy)}) teaches"]
    )
    told = (
        f"Each step adds to those before it, on {counted(study.images, 'training image')}, "
        f"{counted(study.seeds, 'seed')} each, judged on the validation images; {study.minutes:.0f} minutes of training"
    )
    return sentence("; ".join([told, *([listed(changed)] if changed else []), *steps, *taught]) + ".")


def _strengths(of_recipe: Mapping[str, str]) -> list[str]:
    words = {"translate": "shifts of up to {} pixels", "cutout": "squares of {} pixels", "mixup": "mixup {}"}
    return [words[name].format(value) for name, value in of_recipe.items()]


def _gains(study: AugmentationStudy, recipe: str) -> str:
    rows = [each for each in study.steps if each.recipe == recipe and each.difference is not None]
    gained, lost, unclear = ([each for each in rows if _sign(each) == sign] for sign in (1, -1, 0))
    told = clauses(
        ("gains by {}", [_step(each) for each in gained]),
        ("loses by {}", [_step(each) for each in lost]),
        ("changes by {} no more than luck can explain", [_step(each) for each in unclear]),
        link="; it ",
    )
    return f"{recipe} ({study.epochs[recipe]} epochs) {told}."


def _setting(setting: str, own: str, tried: Sequence[Choice]) -> str:
    measured = [each for each in tried if each.difference is not None]
    diverged = [each.value for each in tried if each.difference is None]
    ahead = [each for each in measured if each.difference is not None and direction(each.difference) > 0]
    behind = [each for each in measured if each.difference is not None and direction(each.difference) < 0]
    unclear = [each for each in measured if each not in ahead and each not in behind]
    told = clauses(
        (f"{{}} did better than the recipe's {own}", [_choice(each) for each in ahead]),
        (f"{{}} did worse than the recipe's {own}", [_choice(each) for each in behind]),
        (f"{{}} cannot be told from the recipe's {own}", [_choice(each) for each in unclear]),
        ("with {} the loss became infinite", diverged),
    )
    return sentence(f"{setting}: {told}.")


def _choice(choice: Choice) -> str:
    if choice.difference is None:
        return choice.value
    return f"{choice.value} ({points(choice.difference)} points after {counted(choice.epochs, 'epoch')})"


def _step(step: Step) -> str:
    name = step.step.removeprefix("+ ")
    return name if step.difference is None else f"{name} ({points(step.difference, 2)} points)"


def _sign(step: Step) -> int:
    return 0 if step.difference is None else direction(step.difference)
