"""Suggestions in messages of errors about unknown names."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import (
    ConfigurationError,
    DuetError,
    UnknownDatasetError,
    UnknownFamilyError,
    UnknownVersionError,
    did_you_mean,
)
from core.images.labelled_folders import read_folder
from core.recipes import recipe_config
from core.repository.repository import ModelRepository
from tests.support.labelled_folders import write_labelled_folder
from tests.support.onnx_models import write_onnx_version


@pytest.mark.parametrize(
    ("name", "existing", "suggestion"),
    [
        ("cnn_bset", ["cnn_best", "mlp_best"], " (did you mean 'cnn_best'?)"),
        ("epoch", ["batch_size", "epochs"], " (did you mean 'epochs'?)"),
        ("learning_rate", ["optimization.learning_rate", "epochs"], " (did you mean 'optimization.learning_rate'?)"),
        ("resnet", ["cnn_best", "mlp_best"], ""),
        ("cnn", [], ""),
    ],
)
def test_only_similar_names_are_suggested(name: str, existing: list[str], suggestion: str) -> None:
    assert did_you_mean(name, existing) == suggestion


def test_errors_about_names_suggest_the_nearest(tmp_path: Path) -> None:
    write_onnx_version(tmp_path / "models" / "pets" / "3", "pets", 3)
    write_labelled_folder(tmp_path, "pictures", {"night": 4, "grass": 4})
    repository = ModelRepository(home_models=tmp_path / "models", shipped=tmp_path / "none")

    def message(error: type[DuetError], call: object, *arguments: object) -> str:
        with pytest.raises(error) as raised:
            call(*arguments)  # type: ignore[operator]
        return str(raised.value)

    assert "(did you mean 'mlp_labels'?)" in message(ConfigurationError, recipe_config, "mlp_label")
    rate = {"learning_rate": 1}
    known = "(did you mean 'optimization.learning_rate'?)"
    assert known in message(ConfigurationError, recipe_config("mlp_best").with_overrides, rate)
    assert "(did you mean 'pets'?)" in message(UnknownFamilyError, repository.resolve, "pet@3")
    assert "(did you mean '3'?)" in message(UnknownVersionError, repository.resolve, "pets@v3")
    assert "did you mean" not in message(UnknownVersionError, repository.resolve, "pets@4")
    assert "(did you mean 'pictures'?)" in message(UnknownDatasetError, read_folder, tmp_path, "picturs")
