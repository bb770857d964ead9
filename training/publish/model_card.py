"""The model card of a version: README.md with the `model-index` front matter that model hubs read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from core.repository.confidence_interval import ConfidenceInterval
from core.repository.evaluation import Evaluation, Scores
from core.repository.manifest import Geometry, Manifest


def model_card(manifest: Manifest, evaluation: Evaluation) -> str:
    """Markdown that says what the version is, what it scores, what it was made from and how to run it.

    Every figure is read from the manifest and the evaluation.
    """
    scores = evaluation.scores["fp32"]
    return "\n".join(
        [
            _front_matter(manifest, scores),
            _summary(manifest, scores),
            _table(scores),
            _quantized(manifest, evaluation),
            _explained(manifest),
            _making(manifest),
        ]
    )


def _front_matter(manifest: Manifest, scores: Scores) -> str:
    metrics = {
        "accuracy": scores.accuracy.value,
        "f1": scores.macro.f1.value,
        "precision": scores.macro.precision.value,
        "recall": scores.macro.recall.value,
    }
    lines = [
        "---",
        "license: apache-2.0",
        "library_name: onnx",
        "pipeline_tag: image-classification",
        "tags: [image-classification, onnx, duet]",
        f"datasets: [{json.dumps(manifest.data.name)}]",
        "model-index:",
        f"- name: duet-{manifest.family}-{manifest.version}",
        "  results:",
        "  - task: {type: image-classification}",
        f"    dataset: {{name: {json.dumps(manifest.data.name)}, type: {json.dumps(manifest.data.name)}, split: test}}",
        "    metrics:",
        *(f"    - {{type: {name}, value: {value:.6f}}}" for name, value in metrics.items()),
        "---",
    ]
    return "\n".join(lines)


def _summary(manifest: Manifest, scores: Scores) -> str:
    cost, calibration = manifest.cost, manifest.calibration["fp32"]
    accuracy = scores.accuracy
    macs, tta = f"{cost.macs / 1e6:.1f} M", manifest.averaged_views["fp32"]
    strange = ", ".join(f"{one.kind} {_number(one.auroc)}" for one in scores.strange or ()) or "not measured"
    macro = scores.macro
    return f"""
# {manifest.reference}

A {manifest.architecture} trained by the recipe `{manifest.recipe}` on {manifest.data.name}: **{accuracy.value:.2%}**
test accuracy (95 % interval {accuracy.low:.2%} to {accuracy.high:.2%}) from one view of each image.

| | |
|---|---|
| test accuracy, answers to {tta.views} views averaged | {_share(tta.test_accuracy)} |
| right class among the first two | {_share(scores.top2_accuracy)} |
| macro precision | {_number(macro.precision)} |
| macro recall | {_number(macro.recall)} |
| macro F1 | {_number(macro.f1)} |
| parameters | {cost.parameters:,} |
| multiply-accumulates per image | {macs} |
| training | {cost.epochs} epochs, {cost.training_seconds / 60:.1f} minutes on {manifest.environment.threads} threads, \
{manifest.environment.dtype}{_taught(manifest)}{_begun(manifest)} |
| log loss, Brier score | {scores.log_loss:.4f}, {scores.brier:.4f} |
| expected calibration error | {_calibration_error(scores)} after temperature {calibration.temperature:.3f} |
| class biases | {_class_biases(manifest)} |
| prediction sets | hold the true class for {_share(scores.prediction_sets.coverage)} of the test \
images (aim {scores.prediction_sets.target:.0%}{_band(scores)}), {scores.prediction_sets.mean_size:.2f} classes on \
average |
| out-of-distribution score, AUROC against | {strange} |
| holdout images under corruption | {_corrupted(manifest)} |

Intervals, in brackets, are 95 % intervals: Wilson's for accuracies and coverage, DeLong's for AUROC, bootstrap
over images for the others.

![training curves](figures/history.png)
![confusion matrix](figures/confusion.png)
![reliability diagram](figures/reliability.png)
"""


def _calibration_error(scores: Scores) -> str:
    """The error, beside what a perfectly calibrated model would show."""
    reliability = scores.reliability
    perfect = reliability.if_calibrated
    beside = (
        ""
        if perfect is None
        else f" (a perfectly calibrated model: mean {perfect.mean:.2%}, 95th percentile {perfect.percentile_95:.2%})"
    )
    return f"{reliability.ece:.2%}{beside}"


def _class_biases(manifest: Manifest) -> str:
    """What cross-validation said of biases in the last layer."""
    record = manifest.class_biases
    if record is None:
        return "not tried"
    verdict = "part of the weights" if record.kept else "not used: the difference may be chance"
    return (
        f"{verdict}; log loss on the holdout, {record.folds}-fold cross-validation: {record.log_loss_with:.4f} with "
        f"temperature and biases, {record.log_loss_without:.4f} with temperature alone"
    )


def _band(scores: Scores) -> str:
    sets = scores.prediction_sets
    if sets.band is None or sets.calibration_images is None:
        return ""
    low, high = sets.band
    return f"; {low:.2%} to {high:.2%} in 95 of 100 cases for a threshold from {sets.calibration_images:,} images"


def _corrupted(manifest: Manifest) -> str:
    """Accuracy and flag rate on corrupted holdout images; the flag is judged by this rate and the AUROC together."""
    accuracy, flags = manifest.metrics.corrupted_accuracy, manifest.metrics.corrupted_flag_rate
    if accuracy is None or flags is None:
        return "not measured"
    return f"{accuracy:.2%} answered right, {flags:.2%} flagged as out of distribution"


def _taught(manifest: Manifest) -> str:
    """What the teacher's answers took besides; empty without a teacher."""
    cost, teacher = manifest.cost, (manifest.config.get("distillation") or {}).get("teacher")
    if teacher is None:
        return ""
    if cost.teacher_seconds is None:
        return f"; what the answers of {teacher} took is not known"
    minutes, total = cost.teacher_seconds / 60, cost.total_seconds / 60
    return f"; the answers of {teacher} took {minutes:.1f} minutes, {total:.1f} minutes in all"


def _begun(manifest: Manifest) -> str:
    """Where its training started, if not from chance."""
    start = manifest.config.get("init_from")
    return f"; it starts from the weights of {start}, whose own training comes on top" if start else ""


def _table(scores: Scores) -> str:
    rows = "\n".join(
        f"| {row.label} | {_number(row.precision)} | {_number(row.recall)} | {_number(row.f1)} | {row.support} |"
        for row in scores.per_class
    )
    return f"""## Per class, on the test images

| class | precision | recall | F1 | images |
|---|---|---|---|---|
{rows}
"""


def _share(estimate: ConfidenceInterval) -> str:
    return f"{estimate.value:.2%} ({estimate.low:.2%} to {estimate.high:.2%})"


def _number(estimate: ConfidenceInterval) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _quantized(manifest: Manifest, evaluation: Evaluation) -> str:
    record = manifest.quantization
    if record is None:
        return ""
    difference = record.holdout_difference
    measured = f"""It runs {record.speedup_batch_1:.2f} times as fast as float32 on single images and \
{record.speedup_batch_32:.2f} times in batches of 32 (one thread).
On the holdout its accuracy differs by {100 * difference.value:+.2f} points (95 % interval {100 * difference.low:+.2f} \
to {100 * difference.high:+.2f})."""
    if not record.published:
        return f"## int8\n\nTried and not published, because it is {record.verdict}.\n{measured}\n"
    accuracy, calibration = evaluation.scores["int8"].accuracy, manifest.calibration["int8"]
    return f"""## int8

`model.int8.onnx` gets {accuracy.value:.2%} of the test images right ({accuracy.low:.2%} to {accuracy.high:.2%}).
{measured}

It holds its weights, and its temperature is {calibration.temperature:.6f}. Made from {record.calibration_images:,} \
training images:
{record.method}.
"""


def _explained(manifest: Manifest) -> str:
    record, spec = manifest.gradient, manifest.input
    if record is None:
        return ""
    return f"""## Explanations

`gradient.onnx` takes `pixels`, float32 [N, {spec.height}, {spec.width}, 3] from 0 to 1, and `target`, float32
[N, {len(manifest.class_names)}]; it gives `gradient`, the derivative of sum(logits * target) with respect to `pixels`.
It was held against autograd in float64 on {record.images} images: relative error at most
{record.max_relative_error:.1e}; {record.other_pieces} of them lie, in float32, beyond a kink of ReLU or max-pooling \
and were compared there.
"""


_FITTED: Mapping[Geometry, str] = MappingProxyType(
    {
        "stretch": "images of other proportions are stretched",
        "crop": "of images that are not square, the center square is taken",
        "pad": "images that are not square are padded to one with gray bars",
    }
)


def _making(manifest: Manifest) -> str:
    spec, environment, calibration = manifest.input, manifest.environment, manifest.calibration["fp32"]
    return f"""## Use

`model.onnx` takes `images`, uint8 [N, {spec.height}, {spec.width}, 3] in RGB, and gives `logits`, float32
[N, {len(manifest.class_names)}]; {_FITTED[spec.geometry]}; scaling and normalization are inside. Probabilities are
softmax(logits / {calibration.temperature:.6f}). Keep `weights.safetensors` beside it: the graph points into that file.

## How it was made

Seed {manifest.seed}; trained on the {" and ".join(manifest.data.trained_on)} images; thresholds fitted on the holdout;
the test images were read once, for the figures above. Python {environment.python}, torch {environment.torch},
onnxruntime {environment.onnxruntime}, {environment.cpu}. Data digest `{manifest.data.digest[:16]}`, split digest
`{manifest.data.split_digest[:16]}`. The full configuration is in `manifest.json`.

## Terms

{manifest.licence.weights} {manifest.licence.provenance}

Data: {manifest.licence.data}.
"""
