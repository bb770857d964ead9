import pytest

from core.recipes import recipe_config
from training.augment.overlap import overlaps
from training.corruptions.cifar10c import CORRUPTIONS


@pytest.mark.parametrize(
    ("recipe", "text"),
    [
        ("mlp_baseline", "shift (translate)"),
        ("cnn_best", "shift (translate)"),
        (
            "cnn_robust",
            "shift (translate, augmix), rotation (augmix), elastic transform (augmix), "
            "brightness (augmix, texture_mixing), contrast (augmix, texture_mixing)",
        ),
        (
            "mlp_best",
            "shift (translate), rotation (rotate), elastic transform (rotate, stretch), contrast (mixup)",
        ),
    ],
)
def test_overlaps_name_the_condition_and_the_setting(recipe: str, text: str) -> None:
    assert overlaps(recipe_config(recipe).augmentation.model_dump()) == text


def test_settings_of_an_older_version_may_be_missing() -> None:
    assert overlaps({"flip": True}) == ""
    assert overlaps({"flip": True, "rotate": 10.0}) == "rotation (rotate), elastic transform (rotate)"


def test_noise_blur_and_compression_are_never_trained_on() -> None:
    """The overlaps cover weather and digital corruptions alone."""
    everything = overlaps(dict.fromkeys(recipe_config("cnn_robust").augmentation.model_dump(), 1))
    apart = [name for name, each in CORRUPTIONS.items() if each.kind in ("noise", "blur")]
    assert not any(name.replace("_", " ") in everything for name in (*apart, "pixelate", "jpeg_compression"))
