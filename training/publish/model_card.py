"""Model card of a version: README.md with the `model-index` front matter of model hubs."""

from __future__ import annotations

import json
import re

from core.repository.evaluation import Evaluation, Scores
from core.repository.manifest import Manifest
from core.statistics.intervals import ConfidenceInterval
from training.augment.overlap import overlaps
from training.publish.model_card_use import use_sections

_ROWS = 100
"""Maximum number of classes in the table."""
_NAMED = 20
"""Maximum number of classes that are named in a sentence."""


def model_card(manifest: Manifest, evaluation: Evaluation) -> str:
    """Render the model card as Markdown: scores, per-class table, int8, explanations, usage, provenance and terms."""
    scores = evaluation.scores["fp32"]
    return "\n".join(
        [
            _front_matter(manifest, scores),
            _summary(manifest, scores),
            _table(scores),
            _quantized(manifest, evaluation),
            _bf16(manifest),
            _explained(manifest),
            use_sections(manifest),
        ]
    )


def _front_matter(manifest: Manifest, scores: Scores) -> str:
    name, macro = json.dumps(manifest.data.name), scores.macro
    return f"""---
license: apache-2.0
library_name: onnx
pipeline_tag: image-classification
tags: [image-classification, onnx, duet]
datasets: [{name}]
model-index:
- name: duet-{manifest.family}-{manifest.version}
  results:
  - task: {{type: image-classification}}
    dataset: {{name: {name}, type: {name}, split: test}}
    metrics:
    - {{type: accuracy, value: {scores.accuracy.value:.6f}}}
    - {{type: f1, value: {macro.f1.value:.6f}}}
    - {{type: precision, value: {macro.precision.value:.6f}}}
    - {{type: recall, value: {macro.recall.value:.6f}}}
---"""


def _summary(manifest: Manifest, scores: Scores) -> str:
    cost, calibration = manifest.cost, manifest.calibration["fp32"]
    accuracy, data = scores.accuracy, _cell(manifest.data.name)
    macs, tta = f"{cost.macs / 1e6:.1f} M", manifest.averaged_views["fp32"]
    ood_scores = ", ".join(f"{one.kind} {_number(one.auroc)}" for one in scores.strange or ()) or "not measured"
    macro = scores.macro
    return f"""
# {manifest.reference}

{_made(manifest, data)}: **{accuracy.value:.2%}**
of {manifest.data.counts["test"]:,} test images are correct from one view of each image (95 % interval \
{accuracy.low:.2%} to {accuracy.high:.2%}).

| | |
|---|---|
| test accuracy, logits of {tta.views} views averaged | {_share(tta.test_accuracy)} |
| top-2 accuracy | {_share(scores.top2_accuracy)} |
| macro precision | {_number(macro.precision)} |
| macro recall | {_number(macro.recall)} |
| macro F1 | {_number(macro.f1)} |
| parameters | {cost.parameters:,} |
| multiply-accumulates per image | {macs} |
| training | {cost.epochs} epochs, {cost.training_seconds / 60:.1f} minutes on {manifest.environment.threads} threads, \
{manifest.environment.dtype}{_distillation(manifest)}{_initialization(manifest)} |
| log loss, Brier score | {scores.log_loss:.4f}, {scores.brier:.4f} |
| expected calibration error | {_calibration_error(scores)} after temperature {calibration.temperature:.3f} |
| class biases | {_class_biases(manifest)} |
| prediction sets | contain the true class for {_share(scores.prediction_sets.coverage)} of the test \
images (target {scores.prediction_sets.target:.0%}{_band(scores)}), {scores.prediction_sets.mean_size:.2f} classes on \
average |
| out-of-distribution score, AUROC against | {ood_scores} |
| holdout images under corruption | {_corrupted(manifest)} |

Values in brackets are 95 % intervals: Wilson for accuracies and coverage, DeLong for AUROC (near 1 a Chernoff bound,
because DeLong's variance is 0 for scores that do not overlap), and bootstrap over images for the others.

{_curves(manifest)}![{_confusion_title(scores)}](figures/confusion.png)
![reliability diagram](figures/reliability.png)
"""


def _confusion_title(scores: Scores) -> str:
    return "confusion matrix" if scores.confusion_matrix else "most frequent confusions"


def _calibration_error(scores: Scores) -> str:
    error, perfect = f"{scores.reliability.ece:.2%}", scores.reliability.if_calibrated
    if perfect is None:
        return error
    return (
        f"{error} (a perfectly calibrated model: mean {perfect.mean:.2%}, 95th percentile {perfect.percentile_95:.2%})"
    )


def _class_biases(manifest: Manifest) -> str:
    record = manifest.class_biases
    if record is None:
        return "not tried"
    verdict = "included in the weights" if record.kept else "not used, because the difference is not significant"
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
    """Accuracy and flag rate on corrupted holdout images, with the overlap of the augmentation."""
    accuracy, flags = manifest.metrics.corrupted_accuracy, manifest.metrics.corrupted_flag_rate
    if accuracy is None or flags is None:
        return "not measured"
    similar = overlaps(manifest.config.get("augmentation") or {})
    trained = f"; training images resemble these conditions of the robustness report in part: {similar}"
    return f"accuracy {accuracy:.2%}, {flags:.2%} flagged as out of distribution{trained if similar else ''}"


def _made(manifest: Manifest, data: str) -> str:
    if manifest.architecture == "imported":
        return f"This graph was imported from `{manifest.config['file']}` and calibrated on {data}"
    return f"This {manifest.architecture} was trained by the recipe `{manifest.recipe}` on {data}"


def _curves(manifest: Manifest) -> str:
    return "" if manifest.architecture == "imported" else "![training curves](figures/history.png)\n"


def _distillation(manifest: Manifest) -> str:
    cost, teacher = manifest.cost, (manifest.config.get("distillation") or {}).get("teacher")
    if teacher is None:
        return ""
    if cost.teacher_seconds is None:
        return f"; the time of the soft labels of {teacher} is unknown"
    minutes, total = cost.teacher_seconds / 60, cost.total_seconds / 60
    return f"; soft labels of {teacher}: {minutes:.1f} minutes; total {total:.1f} minutes"


def _initialization(manifest: Manifest) -> str:
    start, backbone = manifest.config.get("init_from"), manifest.backbone
    if start is None and backbone is not None:
        start = f"a pretrained {backbone.name}"
    return f"; starts from the weights of {start}, whose training time is not included" if start else ""


def _table(scores: Scores) -> str:
    """Scores of each class; of more than `_ROWS` classes, those with the lowest F1."""
    measured = [row for row in scores.per_class if row.support]
    shown = measured
    selection = ""
    if len(measured) > _ROWS:
        lowest = sorted(measured, key=lambda row: row.f1.value)[:_ROWS]
        shown = [row for row in measured if row in lowest]
        selection = f"\nThe {_ROWS} of {len(measured):,} classes with the lowest F1; `evaluation.json` has all.\n"
    rows = "\n".join(
        f"| {_cell(row.label)} | {_number(row.precision)} | {_number(row.recall)} | {_number(row.f1)} | {row.support} |"
        for row in shown
    )
    return f"""## Per class, on the test images
{selection}{_unmeasured(scores)}
| class | precision | recall | F1 | images |
|---|---|---|---|---|
{rows}
"""


def _unmeasured(scores: Scores) -> str:
    """Warning that names the classes without test images."""
    missing = [_cell(row.label) for row in scores.per_class if not row.support]
    if not missing:
        return ""
    more = f" and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
    return f"""
**Warning**: {len(missing):,} of {len(scores.per_class):,} classes have no test image, because they have too few images:
{", ".join(missing[:_NAMED])}{more}. It is not measured how well they are recognized, and macro averages leave them
out. Add images of these classes and train again.
"""


def _cell(label: str) -> str:
    """A class name as literal text in a Markdown table; it may contain any printable character but slashes."""
    return re.sub(r"([\\`*_\[\]<>&|$~])", r"\\\1", label)


def _share(estimate: ConfidenceInterval) -> str:
    return f"{estimate.value:.2%} ({estimate.low:.2%} to {estimate.high:.2%})"


def _number(estimate: ConfidenceInterval) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _quantized(manifest: Manifest, evaluation: Evaluation) -> str:
    record = manifest.quantization
    if record is None:
        return ""
    difference = record.holdout_difference
    measured = f"""Speed-up over float32 on one thread: {record.speedup_batch_1:.2f} for single images, \
{record.speedup_batch_32:.2f} for batches of 32.
The holdout accuracy differs by {100 * difference.value:+.2f} points (95 % interval {100 * difference.low:+.2f} \
to {100 * difference.high:+.2f})."""
    if not record.published:
        return f"## int8\n\nNot published, because it is {record.verdict}.\n{measured}\n"
    accuracy, calibration = evaluation.scores["int8"].accuracy, manifest.calibration["int8"]
    return f"""## int8

`model.int8.onnx` has an accuracy of {accuracy.value:.2%} ({accuracy.low:.2%} to {accuracy.high:.2%}) on
{evaluation.data.images:,} test images.
{measured}

The file contains its weights; its temperature is {calibration.temperature:.6f}. Quantized with \
{record.calibration_images:,} training images:
{record.method}.
"""


def _bf16(manifest: Manifest) -> str:
    record = manifest.bf16
    if record is None:
        return ""
    difference = record.holdout_difference
    decision = "Accepted" if record.accepted else f"Not accepted ({record.verdict})"
    return f"""## bf16

{decision}. In bf16, run by {record.provider}, `model.onnx` predicts the same class as in fp32 on \
{record.equal_classes:.2%} of {record.images:,} holdout images.
The holdout accuracy differs by {100 * difference.value:+.2f} points (95 % interval {100 * difference.low:+.2f} \
to {100 * difference.high:+.2f}), with the temperature and thresholds of fp32. The prediction sets contain the true
class of {record.coverage:.2%} of the images.
"""


def _explained(manifest: Manifest) -> str:
    record, spec = manifest.gradient, manifest.input
    if record is None:
        return ""
    return f"""## Explanations

`gradient.onnx` takes `pixels`, float32 [N, {spec.height}, {spec.width}, 3] from 0 to 1, and `target`, float32
[N, {len(manifest.class_names)}]; it returns `gradient`, the derivative of sum(logits * target) with respect to
`pixels`. The relative error against autograd in float64 is at most {record.max_relative_error:.1e} on {record.images} \
images. For {record.other_pieces} of them, float32 rounding selects a neighboring linear region of ReLU or \
max-pooling; they were compared in that region.
"""
