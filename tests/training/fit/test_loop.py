import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from core.errors import TrainingDivergedError
from tests.support.training_runs import CPU, RecordingReporter, small_fit, small_recipe
from training.data.preprocessing import scale_pixels
from training.data.split_dataset import Images
from training.fit import trainer
from training.fit.dtype import pick_dtype
from training.fit.loop import FitResult
from training.run.checkpoint import load_checkpoint
from training.run.rng import generator

KINDS = ["mlp", "cnn"]
ONE_FAR_STEP: dict[str, object] = {
    "batch_size": 200,
    "optimization.optimizer": "sgd",
    "optimization.learning_rate": 1e6,
}
"""All images in each step, with a far too high learning rate."""


def state(result: FitResult) -> dict[str, Tensor]:
    return result.classifier.state_dict()


def same(first: FitResult, second: FitResult) -> bool:
    one, other = state(first), state(second)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_do_not_depend_on_the_global_generator(kind: str, images: Images, tmp_path: Path) -> None:
    torch.manual_seed(1)
    first = small_fit(small_recipe(kind), images, tmp_path)
    torch.manual_seed(2)
    again = small_fit(small_recipe(kind), images, tmp_path)
    other = small_fit(small_recipe(kind, seed=1), images, tmp_path)
    assert same(first, again)
    assert not same(first, other)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stop_after", [1, 2])
def test_resumed_run_ends_with_the_same_weights(kind: str, stop_after: int, images: Images, tmp_path: Path) -> None:
    config = small_recipe(kind, **{"optimization.optimizer": "sgd" if kind == "cnn" else "adam"})
    whole = small_fit(config, images, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        small_fit(config, images, tmp_path, reporter=RecordingReporter(stop_after=stop_after))
    reporter = RecordingReporter()
    resumed = small_fit(config, images, tmp_path, reporter=reporter, resume_from=load_checkpoint(tmp_path))
    assert same(whole, resumed)
    assert [record.epoch for record in reporter.epochs] == list(range(stop_after + 1, 4))
    assert [(r.train_loss, r.validation_loss) for r in whole.history] == [
        (r.train_loss, r.validation_loss) for r in resumed.history
    ]


MODERN: dict[str, dict[str, object]] = {
    "cnn": {
        "network": {
            "design": "whitened",
            "convolutions": 3,
            "residual": True,
            "channels": (32, 32),
            "hidden": (),
            "whitening_bias": 1,
        },
        "augmentation.alternate": True,
        "augmentation.outliers": 0.1,
        "augmentation.cutmix": 0.5,
        "augmentation.augmix": 0.3,
        "augmentation.frequency_mixing": 0.3,
        "augmentation.texture_mixing": 0.3,
        "optimization.optimizer": "muon",
        "optimization.averaging": 0.7,
    },
    "mlp": {
        "network": {"hidden": (32,), "blocks": 2, "dropout": 0.1},
        "augmentation.mixup": 0.5,
        "augmentation.rotate": 10,
        "augmentation.stretch": 0.1,
        "optimization.optimizer": "muon",
        "optimization.weight_decay": 0.05,
        "optimization.averaging": 0.7,
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_run_with_muon_and_averaging_resumes_to_the_same_weights(kind: str, images: Images, tmp_path: Path) -> None:
    config = small_recipe(kind, **MODERN[kind])
    whole = small_fit(config, images, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        small_fit(config, images, tmp_path, reporter=RecordingReporter(stop_after=2))
    resumed = small_fit(config, images, tmp_path, resume_from=load_checkpoint(tmp_path))
    assert same(whole, resumed)
    assert whole.history[-1].validation_loss == resumed.history[-1].validation_loss


def test_resuming_a_finished_run_returns_its_weight_average(images: Images, tmp_path: Path) -> None:
    config = small_recipe("cnn", **MODERN["cnn"])
    whole = small_fit(config, images, tmp_path)
    checkpoint = load_checkpoint(tmp_path)
    assert len(checkpoint.history) == config.epochs
    assert same(whole, small_fit(config, images, tmp_path, resume_from=checkpoint))
    assert any(not torch.equal(checkpoint.network[name], tensor) for name, tensor in state(whole).items())


def test_weight_averaging_does_not_change_training(images: Images, tmp_path: Path) -> None:
    config = small_recipe("cnn", **MODERN["cnn"])
    small_fit(config, images, tmp_path)
    averaged = load_checkpoint(tmp_path)
    small_fit(config.with_overrides({"optimization.averaging": 0.0}), images, tmp_path)
    plain = load_checkpoint(tmp_path)
    assert plain.averaged is None
    assert all(torch.equal(tensor, averaged.network[name]) for name, tensor in plain.network.items())


_CHILD = """
import sys
from pathlib import Path
from tests.support.training_runs import RecordingReporter, small_fit, small_images, small_recipe
reporter = RecordingReporter(kill_at_step=int(sys.argv[3]))
small_fit(small_recipe(sys.argv[1]), small_images(), Path(sys.argv[2]), reporter=reporter)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "step", "epochs"),
    [
        ("mlp", 5, 1),
        pytest.param("cnn", 6, 1, marks=pytest.mark.full),
        pytest.param("cnn", 10, 2, marks=pytest.mark.full),
    ],
)
def test_killed_run_resumes_to_the_same_weights(
    kind: str, step: int, epochs: int, images: Images, tmp_path: Path
) -> None:
    """Four steps per epoch: the child is killed in the middle of the second or third epoch."""
    (tmp_path / "run").mkdir()
    child = subprocess.run([sys.executable, "-c", _CHILD, kind, str(tmp_path / "run"), str(step)], check=False)
    assert child.returncode == -9
    checkpoint = load_checkpoint(tmp_path / "run")
    assert len(checkpoint.history) == epochs
    whole = small_fit(small_recipe(kind), images, tmp_path)
    resumed = small_fit(small_recipe(kind), images, tmp_path / "run", resume_from=checkpoint)
    assert same(whole, resumed)


def test_resumed_run_keeps_threads_and_dtype(images: Images, tmp_path: Path) -> None:
    config = small_recipe("cnn", precision="bfloat16")
    with pytest.raises(KeyboardInterrupt):
        small_fit(config, images, tmp_path, reporter=RecordingReporter(stop_after=1))
    result = small_fit(config, images, tmp_path, resume_from=load_checkpoint(tmp_path), threads=2)
    assert (result.threads, result.dtype) == (1, "bfloat16")


def test_auto_precision_is_that_of_the_device(images: Images, tmp_path: Path) -> None:
    result = small_fit(small_recipe("cnn", precision="auto", epochs=1), images, tmp_path)
    assert result.dtype == pick_dtype(CPU)
    assert load_checkpoint(tmp_path).dtype == result.dtype


def test_image_order_is_independent_of_augmentation(images: Images, tmp_path: Path) -> None:
    """Both follow from seed and epoch; with one generator state, an image's shift would depend on its position."""
    states = []

    def recorded(*entropy: int, device: torch.device | None = None) -> torch.Generator:
        made = generator(*entropy, device=device)
        states.append(made.initial_seed())
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "generator", recorded)
        small_fit(small_recipe("mlp", epochs=2), images, tmp_path)
    assert len(states) == len(set(states)) == 1 + 2 * 2


def test_features_are_not_captured_without_hints(
    images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def captured(_classifier: object) -> None:
        raise AssertionError("a hook was registered")

    monkeypatch.setattr(trainer, "capture_features", captured)
    assert len(small_fit(small_recipe("mlp", epochs=1), images, tmp_path).history) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_fit_improves_accuracy(kind: str, images: Images, tmp_path: Path) -> None:
    """The synthetic classes are easy: a few epochs exceed the 10 % accuracy of guessing by far."""
    config = small_recipe(kind, epochs=12, **{"network.dropout": 0.0, "augmentation.flip": False})
    result = small_fit(config, images, tmp_path)
    accuracy = result.history[-1].validation_accuracy
    assert accuracy is not None
    assert accuracy > 0.5
    assert result.history[-1].train_loss < result.history[0].train_loss
    assert not result.classifier.training


def test_plain_accuracy_is_that_on_unchanged_training_images(images: Images, tmp_path: Path) -> None:
    result = small_fit(small_recipe("mlp", epochs=3, **{"augmentation.mixup": 1.0}), images, tmp_path)
    train = images.part("train")
    with torch.no_grad():
        predicted_N = result.classifier(torch.from_numpy(scale_pixels(train.images_NHWC))).argmax(1).numpy()
    accuracy = float((predicted_N == train.labels_N).mean())
    assert result.history[-1].plain_accuracy == pytest.approx(accuracy, abs=1.5 / len(train))
    assert load_checkpoint(tmp_path).history == result.history


def test_progress_counts_every_step(images: Images, tmp_path: Path) -> None:
    reporter = RecordingReporter()
    small_fit(small_recipe("mlp"), images, tmp_path, reporter=reporter)
    assert reporter.started == (12, 0)
    assert [epoch for epoch, _, _ in reporter.steps] == [1] * 4 + [2] * 4 + [3] * 4
    assert reporter.ended


def test_diverging_loss_stops_at_the_last_checkpoint(images: Images, tmp_path: Path) -> None:
    config = small_recipe("mlp", **{"optimization.optimizer": "sgd", "optimization.learning_rate": 1e18})
    with pytest.raises(TrainingDivergedError, match=r"step \d+ of epoch 1.*learning_rate"):
        small_fit(config, images, tmp_path)
    assert not (tmp_path / "checkpoint.pt").exists()


@pytest.mark.parametrize("include_validation", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_nonfinite_weights_after_the_last_step_are_not_saved(
    kind: str, include_validation: bool, images: Images, tmp_path: Path
) -> None:
    """One step per epoch: its loss belongs to the weights before it, and the second step makes them nonfinite."""
    config = small_recipe(kind, **ONE_FAR_STEP, include_validation=include_validation)
    with pytest.raises(TrainingDivergedError, match=r"at the end of epoch 2; the checkpoint of epoch 1 is kept"):
        small_fit(config, images, tmp_path)
    checkpoint = load_checkpoint(tmp_path)
    assert len(checkpoint.history) == 1
    assert all(bool(tensor.isfinite().all()) for tensor in checkpoint.network.values())
    validation_loss = checkpoint.history[0].validation_loss
    assert include_validation if validation_loss is None else math.isfinite(validation_loss)


@pytest.mark.parametrize("include_validation", [False, True])
def test_run_diverged_in_its_last_epoch_is_unfinished(include_validation: bool, images: Images, tmp_path: Path) -> None:
    """The weights are finite, but so large that the logits are not."""
    config = small_recipe("mlp", **ONE_FAR_STEP, epochs=1, include_validation=include_validation).with_overrides(
        {"optimization.learning_rate": 1e20}
    )
    with pytest.raises(TrainingDivergedError, match=r"at the end of epoch 1: try a lower"):
        small_fit(config, images, tmp_path)
    assert not (tmp_path / "checkpoint.pt").exists()
