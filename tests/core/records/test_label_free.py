"""Record of label-free accuracy: errors by kind, and the record of the champions that ship."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from core.files.home import shipped_models
from core.records.label_free import EstimatedCondition, LabelFree
from core.records.lookup import find_report, report_layers
from core.repository.repository import ModelRepository


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> LabelFree:
    home: Path = tmp_path_factory.mktemp("home")
    repository = ModelRepository(home_models=home / "models", shipped=shipped_models())
    manifests = [repository.manifest(*repository.resolve(family)) for family in ("cnn", "mlp")]
    found = find_report(LabelFree, manifests, report_layers(home))
    assert found is not None, "measure the champions with `duet evaluate cnn --robustness --against mlp`"
    return found.record


def test_the_champions_are_estimated_within_three_points(shipped: LabelFree) -> None:
    for fit in shipped.fits:
        corruptions = [each for each in fit.conditions if each.kind in {"noise", "blur", "weather", "digital"}]
        assert len(corruptions) == 70
        assert fit.error() <= 0.03
        assert fit.error("rotation") <= 0.03


def test_errors_are_means_over_the_kinds(shipped: LabelFree) -> None:
    def condition(kind: str, accuracy: float, estimate: float) -> EstimatedCondition:
        return EstimatedCondition.model_validate(
            {"name": kind, "kind": kind, "level": 1, "accuracy": accuracy, "estimate": estimate}
        )

    conditions = (condition("noise", 0.5, 0.6), condition("blur", 0.8, 0.5), condition("clean", 0.9, 0.9))
    fit = shipped.fits[0].model_copy(update={"conditions": conditions})
    assert fit.error() == pytest.approx(np.mean([0.1, 0.3]))
    assert fit.error("clean") == 0
    assert fit.largest_error == pytest.approx(0.3)
    assert math.isnan(fit.error("rotation"))


def test_a_fit_is_found_by_its_version(shipped: LabelFree) -> None:
    assert shipped.fit_of(shipped.fits[1].model.reference) is shipped.fits[1]
    with pytest.raises(KeyError):
        shipped.fit_of("cnn@0")
