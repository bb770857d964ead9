"""Setup of a study: images, teacher and arguments of its short runs."""

from pathlib import Path
from typing import Any

import pytest
import torch

from core.repository.repository import ModelRepository
from tests.support.training_runs import CPU, RecordingReporter, let_int8_fail, small_images, small_recipe, train_version
from training.augment.packed_pixels import pack
from training.augment.transforms import round_transforms
from training.export.weights import stored_classifier
from training.fit.inputs import FitInputs
from training.pipeline.train import new_classifier
from training.tuning.ablation import study_setup
from training.tuning.ablation.study_setup import make_study_setup, short_run

pytestmark = pytest.mark.slow


class _BegunError(Exception):
    """Raised instead of fitting."""


def test_soft_labels_belong_to_the_share_of_the_student(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    let_int8_fail(monkeypatch)
    images = small_images()
    repository = ModelRepository(tmp_path / "models", tmp_path / "shipped")
    teacher = train_version(
        small_recipe("cnn", epochs=1), images, repository, "cnn", tmp_path / "run",
        reporter=RecordingReporter(), threads=1, device=CPU,
    )  # fmt: skip
    config = small_recipe(
        "mlp",
        **{
            "distillation.teacher": "cnn@1", "distillation.rounds": 2, "augmentation.translate": 2,
            "augmentation.mixup": 1.0, "augmentation.cutout": 6,
        },
    )  # fmt: skip
    setup = make_study_setup(images, 0.5, repository, threads=1, device=CPU)
    given: list[FitInputs] = []

    def fit(_: Any, __: Any, inputs: FitInputs, *arguments: Any, **options: Any) -> None:
        given.append(inputs)
        raise _BegunError

    monkeypatch.setattr(study_setup, "fit", fit)
    with pytest.raises(_BegunError):
        short_run(config, setup, tmp_path / "short", validation=setup.fresh, reporter=RecordingReporter())

    classifier = stored_classifier(teacher, repository.folder("cnn", 1))
    pictures_NHWC = torch.from_numpy(given[0].train.images_NHWC)
    N, H, W, _ = pictures_NHWC.shape
    answers = given[0].teacher
    assert N == 80
    assert answers is not None
    painted_C = new_classifier(config, setup.images).mean_color
    for number in range(2):
        transforms = round_transforms(N, H, W, config.augmentation, number)
        pixels_NHWC = transforms.pixels(transforms.views(pack(pictures_NHWC), pack(painted_C)))
        with torch.no_grad():
            expected_NK = classifier(pixels_NHWC) / teacher.calibration["fp32"].temperature
        assert torch.allclose(answers[number].logits_NK.float(), expected_NK, atol=0.05, rtol=0.02)
