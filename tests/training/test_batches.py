import numpy as np
import torch

from core.recipes import RecipeConfig
from tests.support.training_runs import CPU, small_recipe
from training.augmentation import numbered_views, take_views, view_count
from training.batches import Batches
from training.datasets.base import LabelledImages
from training.preprocessing import scale_pixels

N, CLASSES = 40, 10
IMAGES = LabelledImages(
    np.random.default_rng(0).integers(40, 256, (N, 8, 8, 3), dtype=np.uint8), np.arange(N, dtype=np.int64) % CLASSES
)
ALL = torch.arange(N)
NOTHING = {"augmentation.flip": False, "augmentation.translate": 0, "augmentation.cutout": 0}


def recipe(**overrides: object) -> RecipeConfig:
    return small_recipe("mlp", **{**NOTHING, **overrides})


def batches(config: RecipeConfig, *, teacher_VNK: torch.Tensor | None = None) -> Batches:
    return Batches(
        IMAGES,
        CLASSES,
        config,
        fill_C=torch.tensor([1, 2, 3], dtype=torch.uint8),
        mirrored_N=torch.arange(N) % 3 == 0,
        teacher_VNK=teacher_VNK,
        device=CPU,
    )


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_without_augmentation_a_batch_is_the_images_in_the_order_asked_for() -> None:
    index = torch.tensor([7, 3, 30])
    for batch in (batches(recipe()).augmented(index, 0, draw()), batches(recipe()).plain(index)):
        assert torch.equal(batch.pixels_NHWC, torch.from_numpy(IMAGES.images_NHWC[index.numpy()]) / 255)
        assert batch.onehot_NK.argmax(1).tolist() == [7, 3, 0]
        assert batch.teacher_NK is None


def test_alternating_images_are_mirrored_in_every_other_epoch() -> None:
    made = batches(recipe(**{"augmentation.flip": True, "augmentation.alternate": True}))
    epochs = [made.augmented(ALL, epoch, draw(epoch)).pixels_NHWC for epoch in range(4)]
    assert torch.equal(epochs[0], epochs[2])
    assert torch.equal(epochs[1], epochs[3])
    assert torch.equal(epochs[0], epochs[1].flip(2))
    plain = made.plain(ALL).pixels_NHWC
    same = (epochs[0] == plain).flatten(1).all(1)
    assert torch.equal(~same, made.mirrored_N)


def test_cutout_paints_the_given_colour() -> None:
    pixels = batches(recipe(**{"augmentation.cutout": 4})).augmented(ALL, 0, draw()).pixels_NHWC
    assert torch.isclose(pixels, torch.tensor([1.0, 2.0, 3.0]) / 255).all(3).flatten(1).any(1).all()


def test_the_teacher_s_answer_is_that_to_the_view_the_student_sees() -> None:
    config = recipe(**{"augmentation.flip": True, "augmentation.translate": 1, "distillation.temperature": 2.0})
    views = view_count(config.augmentation)
    # Each view of each image has logits of its own.
    teacher = torch.randn(views, N, CLASSES, generator=draw(1)).half()
    batch = batches(config, teacher_VNK=teacher).augmented(ALL, 0, draw())
    assert batch.teacher_NK is not None
    pictures = torch.from_numpy(IMAGES.images_NHWC)
    seen = torch.stack(
        [scale_pixels(take_views(pictures, numbered_views(v, N, config.augmentation))) for v in range(views)]
    )
    chosen = (seen == batch.pixels_NHWC).flatten(2).all(2).int().argmax(0)
    expected = (teacher[chosen, ALL].float() / 2.0).softmax(1)
    assert torch.equal(batch.teacher_NK, expected)
    assert len(chosen.unique()) > views / 2


def test_pictures_labels_and_teacher_are_mixed_alike() -> None:
    teacher = torch.randn(1, N, CLASSES, generator=draw(1)).half()
    plain = batches(recipe(), teacher_VNK=teacher).augmented(ALL, 0, draw())
    batch = batches(recipe(**{"augmentation.mixup": 1.0}), teacher_VNK=teacher).augmented(ALL, 0, draw())
    share = batch.onehot_NK.amax(1)
    assert torch.equal(batch.onehot_NK.argmax(1), plain.onehot_NK.argmax(1))
    assert torch.allclose(batch.onehot_NK.sum(1), torch.ones(N))
    assert 0.5 <= float(share.min()) < float(share.max()) < 1
    for mixture, values in ((batch.pixels_NHWC, plain.pixels_NHWC), (batch.teacher_NK, plain.teacher_NK)):
        assert mixture is not None
        assert values is not None
        by_row = share.reshape(-1, *[1] * (values.dim() - 1))
        assert torch.allclose(mixture, by_row * values + (1 - by_row) * values.roll(1, 0), atol=1e-6)


def test_outliers_come_last_and_belong_to_every_class_alike() -> None:
    config = recipe(**{"augmentation.outliers": 0.1})
    teacher = torch.zeros((view_count(config.augmentation), N, CLASSES), dtype=torch.float16)
    batch = batches(config, teacher_VNK=teacher).augmented(ALL, 0, draw())
    assert batch.teacher_NK is not None
    assert len(batch.pixels_NHWC) == len(batch.onehot_NK) == len(batch.teacher_NK) == N + 4
    assert torch.equal(batch.pixels_NHWC[:N], batches(recipe()).plain(ALL).pixels_NHWC)
    assert batch.onehot_NK[:N].amax(1).eq(1).all()
    for targets in (batch.onehot_NK, batch.teacher_NK):
        assert torch.allclose(targets[N:], torch.full((4, CLASSES), 1 / CLASSES))
