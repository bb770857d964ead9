import pytest

from core.errors import ConfigurationError
from core.manifest import DataRecord, Manifest
from tests.support.training_runs import small_images, small_recipe
from tests.support.versions import make_manifest
from training.images import Images
from training.unseen import require_unseen_validation


@pytest.fixture(scope="module")
def images() -> Images:
    return small_images()


def version(digest: str, *trained_on: str) -> Manifest:
    data = DataRecord.model_validate(
        {"name": "tiny", "digest": digest, "split_digest": "c" * 64, "counts": {}, "trained_on": trained_on}
    )
    return make_manifest(data=data)


def test_what_was_trained_on_the_validation_images_is_refused_while_they_judge(images: Images) -> None:
    seen = version(images.dataset.digest, "train", "validation")
    with pytest.raises(ConfigurationError, match=r"cnn@1 cannot start this run.*include_validation=true"):
        require_unseen_validation(seen, small_recipe("cnn"), images, "start")
    require_unseen_validation(seen, small_recipe("cnn", include_validation=True), images, "start")


def test_versions_of_the_train_part_or_of_other_images_may(images: Images) -> None:
    for harmless in (version(images.dataset.digest, "train"), version("e" * 64, "train", "validation")):
        require_unseen_validation(harmless, small_recipe("cnn"), images, "teach")
