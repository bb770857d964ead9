"""Checks of the audit: each recomputes figures that the pages print, and yields one claim per figure."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator

import numpy as np

from tests.audit.formulas import (
    OWN_CORRUPTIONS,
    Claim,
    corrupted,
    coverage_band,
    log10_mcnemar,
    log_loss,
    logsumexp,
    paired_interval,
    printed,
    same_p,
    softmax,
    stratified,
    wilson,
    within,
)
from tests.audit.sources import MODELS, Sources, bits, cell, json_of
from tests.audit.trail import gate_trail

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def cifar10(sources: Sources) -> Iterator[Claim]:
    """Numbers of images, channel statistics, and labels of the stored predictions."""
    page, (images_NHWC, labels_N) = sources.pages["findings"], sources.training
    for part, name in enumerate(("train", "validation", "holdout")):
        yield printed(f"{name} images", cell(page, name, "images"), int((sources.part_N == part).sum()))
    values, parts = np.arange(256) / 255, ("train", "validation", "holdout")
    trained_on = [version.manifest["data"]["trained_on"] for version in sources.champions]
    seen_N = np.isin(sources.part_N, [parts.index(part) for part in trained_on[0]])
    yield Claim("both versions were trained on", str(trained_on[0]), str(trained_on[1]), trained_on[0] == trained_on[1])
    for channel, name in enumerate(("red", "green", "blue")):
        counts = np.bincount(images_NHWC[seen_N, ..., channel].ravel(), minlength=256) / (1024 * seen_N.sum())
        mean = float(counts @ values)
        found = re.search(rf"{name} (\d\.\d+ and \d\.\d+)", page)
        yield printed(
            f"{name}: mean and std", found[1] if found else "", mean, math.sqrt(counts @ (values - mean) ** 2)
        )
    for version in sources.champions:
        same = np.array_equal(version.stored["test.labels"], sources.test[1])
        index_N = version.stored["holdout.index"]
        same &= np.array_equal(index_N, np.flatnonzero(sources.part_N == 2))
        same &= np.array_equal(version.stored["holdout.labels"], labels_N[index_N])
        yield Claim(f"{version.reference}: stored labels", "those of CIFAR-10", "equal" if same else "differ", same)


def files(sources: Sources) -> Iterator[Claim]:
    """Digests of all shipped files, parameters, and size of the graphs."""
    for path in sorted(MODELS.glob("*/*/manifest.json")):
        listed = json_of(path)["files"]
        wrong = [
            name for name, known in listed.items()
            if hashlib.sha256((path.parent / name).read_bytes()).hexdigest() != known["sha256"]
        ]  # fmt: skip
        yield Claim(
            f"{path.parent.relative_to(MODELS)}: sha256", f"{len(listed)} files", f"{len(wrong)} differ", not wrong
        )
    for version in sources.champions:
        size = sum((version.folder / name).stat().st_size for name in ("model.onnx", "weights.safetensors"))
        text = cell(
            sources.pages["findings"],
            "float32 graph and weights on disk; at least as much memory when loaded",
            version.reference,
        )
        yield printed(f"{version.reference}: size in MB", text, size / 1e6)


def inference(sources: Sources) -> Iterator[Claim]:
    """Predictions of the graphs against the stored ones, and the flag rate, on evenly spaced test images."""
    chosen = np.arange(0, 10_000, 10_000 // sources.images)
    for version in sources.champions:
        logits_NK = version.logits(sources.test[0][chosen])
        probabilities_NK = softmax(logits_NK / version.calibration["temperature"])
        stored_NK = version.test[0][chosen]
        equal = int((probabilities_NK.argmax(axis=1) == stored_NK.argmax(axis=1)).sum())
        yield Claim(f"{version.reference}: same class as stored", f"{len(chosen)}", f"{equal}", equal == len(chosen))
        gap = float(np.abs(probabilities_NK - stored_NK).max())
        yield Claim(f"{version.reference}: largest difference of probabilities", "1e-3", f"{gap:.1e}", gap <= 1e-3)
        flagged = float((-logsumexp(logits_NK) > version.calibration["ood_threshold"]).mean())
        text = cell(sources.pages["findings"], (version.reference, "test images"), "share flagged")
        yield within(
            f"{version.reference}: test images flagged", text, flagged, len(chosen) if len(chosen) < 10_000 else 0
        )


def scores(sources: Sources) -> Iterator[Claim]:
    """Accuracy, precision, recall, F1, log loss and Brier score from the stored probabilities."""
    findings, readme = sources.pages["findings"], sources.pages["README"]
    for version in sources.champions:
        name, (probabilities_NK, labels_N) = version.reference, version.test
        confusion = np.bincount(10 * labels_N + probabilities_NK.argmax(axis=1), minlength=100).reshape(10, 10)
        right_K = np.diag(confusion)
        precision_K, recall_K = right_K / confusion.sum(axis=0), right_K / confusion.sum(axis=1)
        f1 = float((2 * precision_K * recall_K / (precision_K + recall_K)).mean())
        accuracy = right_K.sum() / len(labels_N)
        true_N = probabilities_NK[np.arange(len(labels_N)), labels_N]
        top2 = float(((probabilities_NK > true_N[:, None]).sum(axis=1) < 2).mean())
        brier = float(((probabilities_NK - np.eye(10)[labels_N]) ** 2).sum(axis=1).mean())
        yield printed(f"README {name}: accuracy", cell(readme, name, "accuracy"), accuracy, *wilson(accuracy, 10_000))
        yield printed(f"README {name}: macro F1", cell(readme, name, "macro F1"), f1)
        yield printed(f"{name}: accuracy", cell(findings, "accuracy", name), accuracy, *wilson(accuracy, 10_000))
        for row, value in {
            "top-2 accuracy": top2,
            "macro precision": float(precision_K.mean()),
            "macro recall": float(recall_K.mean()),
            "macro F1": f1,
            "log loss": float(-np.log(true_N).mean()),
            "Brier score": brier,
            "accuracy on the holdout": float((version.holdout[0].argmax(axis=1) == version.holdout[1]).mean()),
            **dict(zip(CLASSES, recall_K.tolist(), strict=True)),
        }.items():
            yield printed(f"{name}: {row}", cell(findings, row, name), value)
        int8, fp32 = (version.stored[f"holdout.{each}"].argmax(axis=1) for each in ("int8", "fp32"))
        labels_N = version.stored["holdout.labels"]
        loss = float((int8 == labels_N).mean() - (fp32 == labels_N).mean())
        row = "int8 minus float32, points of holdout accuracy"
        yield printed(f"{name}: {row}", cell(findings, row, name), 100 * loss)


def calibration(sources: Sources) -> Iterator[Claim]:
    """Calibration error, temperature, thresholds, coverage and its band."""
    findings, readme = sources.pages["findings"], sources.pages["README"]
    for version in sources.champions:
        name, (probabilities_NK, labels_N) = version.reference, version.test
        confidence_N = probabilities_NK.max(axis=1)
        right_N = probabilities_NK.argmax(axis=1) == labels_N
        bin_N = np.ceil(confidence_N * 15)
        gaps = [(right_N.astype(float) - confidence_N)[bin_N == each].sum() for each in range(1, 16)]
        ece = float(np.abs(gaps).sum() / len(labels_N))
        yield printed(f"README {name}: ECE", cell(readme, name, "ECE"), ece)
        yield printed(f"{name}: ECE", cell(findings, "expected calibration error (ECE)", name), ece)

        held_NK, held_labels_N = version.holdout
        true_N = np.sort(held_NK[np.arange(len(held_NK)), held_labels_N])[::-1]
        rank = math.ceil((len(true_N) + 1) * version.calibration["coverage"])
        threshold = version.calibration["conformal_threshold"]
        same = bool(true_N[rank - 1] == threshold)
        yield Claim(
            f"{name}: threshold of the sets from the holdout", f"{threshold:.6g}", f"{true_N[rank - 1]:.6g}", same
        )
        losses = [log_loss(softmax(np.log(held_NK) * factor), held_labels_N) for factor in (1 / 1.02, 1, 1.02)]
        best = losses[1] < min(losses[0], losses[2])
        yield Claim(f"{name}: temperature has the least log loss on the holdout", "true", str(best).lower(), best)

        sets_NK = probabilities_NK >= threshold
        sets_NK[np.arange(len(sets_NK)), probabilities_NK.argmax(axis=1)] = True
        coverage = float(sets_NK[np.arange(len(labels_N)), labels_N].mean())
        row = "coverage of prediction sets"
        yield printed(f"{name}: coverage", cell(findings, row, name), coverage, *wilson(coverage, 10_000))
        row, size = "mean size of prediction sets", float(sets_NK.sum(axis=1).mean())
        yield printed(f"{name}: {row}", cell(findings, row, name), size)
        row = "test images whose 99% prediction set contains the true class"
        yield printed(f"README {name}: coverage", cell(readme, row, name), coverage)
        band = coverage_band(10_000, len(true_N), rank)
        row = "95 % range of this share if the coverage is 99%"
        yield printed(f"README {name}: band", cell(readme, row, name), *band)
        yield printed(f"{name}: band", cell(findings, "95% band of the coverage if the target holds", name), *band)
        row, share = "share of wrong predictions with confidence of 90% or more", (confidence_N[~right_N] >= 0.9).mean()
        yield printed(f"{name}: confident mistakes", cell(findings, row, name), float(share))


def families(sources: Sources) -> Iterator[Claim]:
    """McNemar's exact test between the families, over all images and for each class with Holm's correction."""
    page = sources.pages["findings"]
    right = [version.test[0].argmax(axis=1) == version.test[1] for version in sources.champions]
    labels_N = sources.champions[0].test[1]
    both, only = right[0] & right[1], [right[0] & ~right[1], right[1] & ~right[0]]
    found = re.search(r"Both versions are right on (.+?) \(McNemar's exact test: p (.+?)\)", page)
    text = re.sub(r"\w+@\d+", "", found[1]) if found else ""
    counts = (both.sum(), (~right[0] & ~right[1]).sum(), only[0].sum(), only[1].sum())
    yield printed("right both, wrong both, only mlp, only cnn", text, *map(int, counts))
    yield same_p("McNemar", found[2] if found else "", log10_mcnemar(int(only[0].sum()), int(only[1].sum())))
    difference = float(right[0].mean() - right[1].mean())
    row = cell(page, "accuracy", "difference, first minus second")
    yield printed("difference of accuracy in points", row, 100 * difference, *paired_interval(only, len(labels_N)))
    logs = [log10_mcnemar(*(int(each[labels_N == label].sum()) for each in only)) for label in range(10)]
    adjusted, largest = {}, -math.inf
    for place, label in enumerate(np.argsort(logs)):
        largest = max(largest, min(0.0, logs[label] + math.log10(10 - place)))
        adjusted[int(label)] = largest
    for label, name in enumerate(CLASSES):
        yield same_p(f"{name}: p after Holm", cell(page, name, "p after Holm"), adjusted[label])


def corruptions(sources: Sources) -> Iterator[Claim]:
    """Accuracy under corruption: the pages against the records, and the records against our own corruptions."""
    page, readme, (images_NHWC, labels_N) = sources.pages["findings"], sources.pages["README"], sources.test
    for version in sources.champions:
        record = version.record("robustness")
        count = record["data"]["images"]
        subset = stratified(labels_N, count, record["data"]["seed"])
        right = {(each["name"], each["level"]): bits(each["right"], count) for each in record["conditions"]}
        clean = np.array_equal(right["clean", 0], (version.test[0].argmax(axis=1) == version.test[1])[subset])
        yield Claim(
            f"{version.reference}: unchanged images of the record", "as stored", "equal" if clean else "differ", clean
        )
        kinds = {each["name"]: each["kind"] for each in record["conditions"]}
        named = [name for name, kind in kinds.items() if kind in ("noise", "blur", "weather", "digital")]
        means = {name: float(np.mean([right[key] for key in right if key[0] == name])) for name in kinds}
        text = cell(page, "all corruptions", version.reference)
        overall, lowest = float(np.mean([means[name] for name in named])), min(means[name] for name in named)
        yield printed(f"{version.reference}: all corruptions", text, overall)
        text = cell(readme, version.reference, "under corruption: mean, lowest")
        yield printed(f"README {version.reference}: under corruption", text, overall, lowest)
        attacked = float(right["fgsm", max(level for name, level in right if name == "fgsm")].mean())
        row = "accuracy after one step of FGSM, 8/255"
        yield printed(f"README {version.reference}: {row}", cell(readme, row, version.reference), attacked)
        few = subset[: max(200, sources.images // 5)]
        for condition in record["conditions"]:
            name = condition["name"]
            if condition["level"] != 3 or name not in OWN_CORRUPTIONS:
                continue
            text = cell(page, name.replace("_", " "), version.reference)
            yield printed(f"{version.reference}: {name}", text, means[name])
            changed_NHWC = corrupted(name, images_NHWC[few], float(condition["setting"].split()[-1]))
            ours_N = version.logits(changed_NHWC).argmax(axis=1) == labels_N[few]
            theirs_N = right[name, 3][: len(few)]
            differing = int((ours_N != theirs_N).sum())
            # Random corruptions differ per image; their accuracies may differ by three standard errors.
            limit = len(few) // 100 if name in ("brightness", "contrast", "pixelate") else len(few)
            agrees = differing <= limit and abs(int(ours_N.sum()) - int(theirs_N.sum())) <= 3 * math.sqrt(
                max(1, differing)
            )
            yield Claim(
                f"{version.reference}: {name}, severity 3, {len(few)} images, ours",
                f"{theirs_N.mean():.1%}", f"{ours_N.mean():.1%}, {differing} differ", agrees,
            )  # fmt: skip


def corrupted_holdout(sources: Sources) -> Iterator[Claim]:
    """Accuracy and flag rate on corrupted holdout images in README, from the bits of the records."""
    for version in sources.champions:
        record = version.record("corrupted_holdout")
        for field, row in (
            ("right", "accuracy on corrupted holdout images"),
            ("flagged", "corrupted holdout images flagged as out of distribution"),
        ):
            shares = [bits(each[field], record["data"]["images"]).mean() for each in record["conditions"]]
            text = cell(sources.pages["README"], row, version.reference)
            yield printed(f"README {version.reference}: {row}", text, float(np.mean(shares)))


CHECKS: dict[str, Callable[[Sources], Iterator[Claim]]] = {
    check.__name__: check
    for check in (
        cifar10, files, inference, scores, calibration, families, corruptions, corrupted_holdout, gate_trail,
    )
}  # fmt: skip
