import pytest

from core.errors import ConfigurationError
from core.recipes.init_from import check_no_leakage
from core.repository.manifest import DataRecord, Manifest
from tests.support.training_runs import small_recipe
from tests.support.versions import make_manifest


def version(*trained_on: str) -> Manifest:
    data = DataRecord.model_validate(
        {"name": "tiny", "digest": "d" * 64, "split_digest": "c" * 64, "counts": {}, "trained_on": trained_on}
    )
    return make_manifest(data=data)


def test_version_trained_on_validation_images_is_refused() -> None:
    seen = version("train", "validation")
    with pytest.raises(ConfigurationError, match=r"cnn@1 cannot start this run.*include_validation=true"):
        check_no_leakage(seen, small_recipe("cnn"), "start", same_images=True)
    check_no_leakage(seen, small_recipe("cnn", include_validation=True), "start", same_images=True)


def test_versions_of_the_train_part_or_of_other_images_may() -> None:
    check_no_leakage(version("train"), small_recipe("cnn"), "teach", same_images=True)
    check_no_leakage(version("train", "validation"), small_recipe("cnn"), "teach", same_images=False)
