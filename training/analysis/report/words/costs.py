"""What the two cost to train, to store and to run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.repository.manifest import Precision
from training.analysis.report.findings import Findings, VersionResults
from training.analysis.report.words.style import counted, factor, listed, percent


def architecture(side: VersionResults) -> str:
    """The network in words, from its configuration."""
    network: Mapping[str, Any] = side.manifest.config["network"]
    if network["kind"] == "mlp":
        layers = f"dense layers of {listed([f'{width:,}' for width in network['hidden']])} units"
        blocks = network.get("blocks", 0)
        more = f", then {counted(blocks, 'residual block')} of two dense layers each" if blocks else ""
        return f"{layers}{more}, with {network['activation']}; no convolution and no weight that is shared"
    design = "a whitening convolution, then " if network.get("design") == "whitened" else ""
    residual = ", residual" if network.get("residual") else ""
    channels = listed([f"{channels:,}" for channels in network["channels"]])
    hidden = (
        f" and dense layers of {listed([f'{width:,}' for width in network['hidden']])} units"
        if network["hidden"]
        else ""
    )
    return (
        f"{design}{counted(len(network['channels']), 'block')} of {counted(network['convolutions'])} 3x3 convolutions "
        f"each{residual} ({channels} channels){hidden}, with {network['activation']}"
    )


def training(side: VersionResults) -> str:
    """How it was trained."""
    manifest = side.manifest
    config = manifest.config
    optimization, augmentation = config["optimization"], config["augmentation"]
    outliers = augmentation.get("outliers", 0.0)
    used = [
        text
        for text, there in (
            ("mirroring", augmentation.get("flip")),
            (f"shifts of up to {augmentation.get('translate')} pixels", augmentation.get("translate")),
            (f"turns of up to {augmentation.get('rotate', 0):g} degrees", augmentation.get("rotate")),
            (f"sides stretched by up to {percent(augmentation.get('stretch', 0), 0)}", augmentation.get("stretch")),
            (f"squares of {augmentation.get('cutout')} pixels cut out", augmentation.get("cutout")),
            (f"mixup ({augmentation.get('mixup')})", augmentation.get("mixup")),
            (f"CutMix of {percent(augmentation.get('cutmix', 0), 0)}", augmentation.get("cutmix")),
            (f"AugMix of {percent(augmentation.get('augmix', 0), 0)}", augmentation.get("augmix")),
            (
                f"frequency mixing of {percent(augmentation.get('frequency_mixing', 0), 0)}",
                augmentation.get("frequency_mixing"),
            ),
            (
                f"texture mixing of {percent(augmentation.get('texture_mixing', 0), 0)}",
                augmentation.get("texture_mixing"),
            ),
            (f"{percent(outliers, 0)} made-up pictures of no class", outliers),
        )
        if there
    ]
    teacher, start = _teacher(side), _start(side)
    taught = f", learning from the answers of {teacher}" if teacher else ""
    begun = f" from the weights of {start}" if start else ""
    parts = listed([f"the {manifest.data.counts[part]:,} {part} images" for part in manifest.data.trained_on])
    augmented = f" with {listed(used)}" if used else " without augmentation"
    environment = manifest.environment
    machine = environment.cpu if environment.device == "cpu" else environment.device
    return (
        f"`{manifest.recipe}`{begun}: {manifest.cost.epochs} epochs of {parts}{augmented}{taught}; "
        f"{optimization['optimizer']}, batches of {config['batch_size']:,}, {environment.dtype}, {minutes(side)} on "
        f"{environment.threads} threads of {machine}"
    )


def minutes(side: VersionResults) -> str:
    """Wall time of the training and what that does not hold, such as the training of the teacher."""
    cost, teacher = side.manifest.cost, _teacher(side)
    notes = []
    if teacher is not None and cost.teacher_seconds is None:
        notes.append("without the teacher's answers")
    elif teacher is not None and cost.teacher_seconds is not None:
        notes.append(f"with {cost.teacher_seconds / 60:.1f} minutes of the teacher's answers")
    others = [reference for reference in (_start(side), teacher) if reference is not None]
    if others:
        notes.append(f"the training of {listed(others)} comes on top")
    told = f"{cost.total_seconds / 60:.1f} minutes"
    return f"{told} ({'; '.join(notes)})" if notes else told


def whole_time(side: VersionResults) -> bool:
    """Whether the time told is that of all training from chance on, answers learnt from included, but the teacher's."""
    return _start(side) is None and (_teacher(side) is None or side.manifest.cost.teacher_seconds is not None)


def same_machine(first: VersionResults, second: VersionResults) -> bool:
    """Whether both were trained by the same processor and threads, or device: else their times tell of the machines."""
    one, other = first.manifest.environment, second.manifest.environment
    return (one.cpu, one.device, one.threads) == (other.cpu, other.device, other.threads)


def _teacher(side: VersionResults) -> str | None:
    teacher: str | None = (side.manifest.config.get("distillation") or {}).get("teacher")
    return teacher


def _start(side: VersionResults) -> str | None:
    start: str | None = side.manifest.config.get("init_from")
    return start


def curves(side: VersionResults) -> str:
    """What the last epoch of the training says."""
    last = side.history[-1]
    measured = f"The {side.name} ends with {percent(last.train_accuracy)} of its augmented training images right"
    if last.validation_accuracy is None:
        return f"{measured}; it was trained on the validation images too, so nothing else was measured on the way."
    best = max(record.validation_accuracy or 0.0 for record in side.history)
    after = next(record.epoch for record in side.history if record.validation_accuracy == best)
    highest = "" if after == last.epoch else f", and had {percent(best)} at best, after epoch {after}"
    return f"{measured} and {percent(last.validation_accuracy)} of the validation images{highest}."


def ratios(findings: Findings) -> str:
    """How parameters and multiplications compare."""
    first, second = findings.first, findings.second
    weights = second.manifest.cost.parameters / first.manifest.cost.parameters
    macs = second.manifest.cost.macs / first.manifest.cost.macs
    return (
        f"The {second.name} has {weights:.2f} times the parameters of the {first.name} and does {factor(macs)} times "
        "as many multiply-accumulates for an image (derived)."
    )


def milliseconds(side: VersionResults, precision: Precision, batch: int) -> str:
    """A cell of the table: measured time for an image; empty where there is no such graph."""
    timing = side.latency.of(precision, batch)
    return "" if timing is None else f"{timing.ms.value:.2f} ({timing.ms.low:.2f} to {timing.ms.high:.2f})"


def machine(findings: Findings) -> str:
    """Where latency was measured."""
    return listed(list(dict.fromkeys(side.latency.cpu for side in findings.sides)))


def slower(findings: Findings) -> str:
    """Who takes longer for an image."""
    first, second = (side.latency.of("fp32", 1) for side in findings.sides)
    if first is None or second is None:
        return ""
    slow, fast = (findings.second, findings.first) if second.ms.value > first.ms.value else findings.sides
    slow_ms, fast_ms = sorted((first.ms.value, second.ms.value), reverse=True)
    return (
        f"A single image takes the {slow.name} {slow_ms:.2f} ms and the {fast.name} {fast_ms:.2f} ms in float32, "
        f"{factor(slow_ms / fast_ms)} times as long (derived)."
    )


def quantized(side: VersionResults) -> str:
    """What int8 gives; empty where it was not tried."""
    record = side.manifest.quantization
    if record is None:
        return ""
    if not record.published:
        return f"The {side.name} has no int8 variant: it was tried, and is {record.verdict}."
    plain, small = (side.latency.of(precision, 1) for precision in ("fp32", "int8"))
    faster = (
        ""
        if plain is None or small is None
        else f" takes {small.ms.value:.2f} ms instead of {plain.ms.value:.2f} ms for an image, and"
    )
    difference = record.holdout_difference
    return (
        f"The int8 variant of the {side.name}{faster} differs in accuracy on the holdout by "
        f"{100 * difference.value:+.2f} points ({100 * difference.low:+.2f} to {100 * difference.high:+.2f})."
    )


def megabytes(count: int) -> str:
    """Bytes as megabytes of 10^6."""
    return f"{count / 1e6:.1f} MB"
