from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import ConfigurationError
from core.records.explanations import MethodEvaluation, MethodName
from tests.support.published_pair import PublishedPair
from training.analysis.interpret import evaluate
from training.analysis.interpret.activations import Model
from training.analysis.interpret.evaluate import evaluate_explanations
from training.analysis.interpret.figures import explanation_figures
from training.analysis.interpret.smoothgrad_noise import LEVELS
from training.analysis.interpret.subject import Subject
from training.plots.style import LIGHT, png

pytestmark = pytest.mark.slow


def test_all_applicable_methods_are_measured_and_resume(
    pair: PublishedPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_name: str, done: int, _of: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    def explained(**options: object) -> object:
        return evaluate_explanations(
            pair.mlp, pair.folder(pair.mlp), pair.images, tmp_path / "memory", quick=True, **options  # type: ignore[arg-type]
        )  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        explained(progress=stop)
    again: list[str] = []
    original = evaluate.evaluate_method

    def counted(name: MethodName, subject: Subject) -> MethodEvaluation:
        again.append(name)
        return original(name, subject)

    monkeypatch.setattr(evaluate, "evaluate_method", counted)
    report = evaluate_explanations(pair.mlp, pair.folder(pair.mlp), pair.images, tmp_path / "memory", quick=True)
    names = [method.method for method in report.methods]
    assert names == ["saliency", "input_x_gradient", "smoothgrad", "integrated_gradients", "occlusion"]
    assert again == names[2:]
    assert report.unfit == ("Grad-CAM, as the network has no feature maps",)
    assert [level.noise for level in report.noise_levels] == list(LEVELS)
    assert type(report).model_validate_json(report.model_dump_json()) == report
    for method in report.methods:
        assert method.images + method.flat == report.data.images == evaluate.QUICK_IMAGES
        assert len(method.checks) == 3
    figures = explanation_figures([report], [Model(pair.mlp, pair.folder(pair.mlp))], pair.images.dataset)
    assert sorted(figures) == ["cascade.mlp@1", "checks", "maps.mlp@1"]
    for draw in figures.values():
        assert png(draw(LIGHT)).startswith(b"\x89PNG")


def test_unknown_class_is_refused(pair: PublishedPair, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="unknown class 'unicorn': choose one of airplane"):
        evaluate_explanations(
            pair.cnn, pair.folder(pair.cnn), pair.images, tmp_path / "memory", target="unicorn", quick=True
        )
