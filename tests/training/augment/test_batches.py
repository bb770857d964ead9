from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from core.recipes import RecipeConfig
from tests.support.training_runs import CPU, small_recipe
from training.augment.batches import Batches
from training.augment.teacher_rounds import RoundSoftLabels
from training.augment.transforms import draw_transforms, round_transforms, teacher_augmentation
from training.data.types import LabelledImages

N, CLASSES = 40, 10
IMAGES = LabelledImages(
    np.random.default_rng(0).integers(40, 256, (N, 8, 8, 3), dtype=np.uint8), np.arange(N, dtype=np.int64) % CLASSES
)
ALL = torch.arange(N)
NOTHING = {"augmentation.flip": False, "augmentation.translate": 0, "augmentation.cutout": 0}


def recipe(**overrides: object) -> RecipeConfig:
    return small_recipe("mlp", **{**NOTHING, **overrides})


def batches(config: RecipeConfig, *, teacher: Sequence[RoundSoftLabels] | None = None) -> Batches:
    return Batches(
        IMAGES,
        CLASSES,
        config,
        fill_C=torch.tensor([1, 2, 3], dtype=torch.uint8),
        mirrored_N=torch.arange(N) % 3 == 0,
        teacher=teacher,
        device=CPU,
    )


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_batch_without_augmentation_keeps_the_images() -> None:
    index = torch.tensor([7, 3, 30])
    for batch in (batches(recipe()).augmented(index, 0, draw()), batches(recipe()).plain(index)):
        assert torch.equal(batch.pixels_LHWC, torch.from_numpy(IMAGES.images_NHWC[index.numpy()]) / 255)
        assert batch.onehot_NK.argmax(1).tolist() == [7, 3, 0]
        assert batch.teacher_NK is None


def test_alternating_images_are_mirrored_in_every_other_epoch() -> None:
    made = batches(recipe(**{"augmentation.flip": True, "augmentation.alternate": True}))
    epochs = [made.augmented(ALL, epoch, draw(epoch)).pixels_LHWC for epoch in range(4)]
    assert torch.equal(epochs[0], epochs[2])
    assert torch.equal(epochs[1], epochs[3])
    assert torch.equal(epochs[0], epochs[1].flip(2))
    plain = made.plain(ALL).pixels_LHWC
    same = (epochs[0] == plain).flatten(1).all(1)
    assert torch.equal(~same, made.mirrored_N)


def test_batch_cutout_uses_the_fill_color() -> None:
    pixels = batches(recipe(**{"augmentation.cutout": 4})).augmented(ALL, 0, draw()).pixels_LHWC
    assert torch.isclose(pixels, torch.tensor([1.0, 2.0, 3.0]) / 255).all(3).flatten(1).any(1).all()


def test_soft_labels_belong_to_the_views_of_the_student() -> None:
    config = recipe(
        **{"augmentation.flip": True, "augmentation.translate": 1, "augmentation.mixup": 1.0,
           "distillation.temperature": 2.0}
    )  # fmt: skip
    logits_RNK = torch.randn(3, N, CLASSES, generator=draw(1)).half()
    hints_RNF = torch.randn(3, N, 4, generator=draw(2)).half()
    made = batches(config, teacher=list(map(RoundSoftLabels, logits_RNK, hints_RNF)))
    index = torch.tensor([5, 0, 31, 12])
    for epoch, number in ((0, 0), (1, 1), (2, 2), (4, 1)):
        batch = made.augmented(index, epoch, draw(epoch))
        transforms = round_transforms(N, 8, 8, config.augmentation, number)
        assert torch.equal(batch.pixels_LHWC, transforms.pixels(transforms.views(made.images_NHW, made.fill), index))
        assert torch.equal(batch.onehot_NK, transforms.targets(made.onehot_NK, index))
        assert batch.teacher_NK is not None
        assert torch.equal(batch.teacher_NK, (logits_RNK[number, index].float() / 2.0).softmax(1))
        assert batch.hints_NF is not None
        assert torch.equal(batch.hints_NF, hints_RNF[number, index])
    assert made.plain(index).hints_NF is None


def test_clean_view_soft_labels_are_flipped_and_mixed() -> None:
    """A round of the teacher is the image or its mirror image; the student may be shifted, mixed and changed."""
    config = recipe(
        **{"augmentation.flip": True, "augmentation.translate": 1, "augmentation.cutmix": 0.5,
           "augmentation.mixup": 1.0, "augmentation.texture_mixing": 0.3, "augmentation.outliers": 0.1,
           "distillation.view": "clean"}
    )  # fmt: skip
    clean = teacher_augmentation(config)
    rounds = [round_transforms(N, 8, 8, clean, number) for number in (0, 1)]
    assert torch.equal(rounds[0].shift_flip.mirrored_N, ~rounds[1].shift_flip.mirrored_N)
    assert not rounds[0].shift_flip.top_N.any()
    # The teacher tells image and mirror image apart: class 0 for a plain view, class 1 for a mirrored one.
    teacher = [RoundSoftLabels(80.0 * torch.eye(CLASSES)[each.shift_flip.mirrored_N.long()], None) for each in rounds]
    made = batches(config, teacher=teacher)
    index = torch.arange(0, N, 2)
    batch = made.augmented(index, 0, draw(3))
    transforms = draw_transforms(len(index), 8, 8, config.augmentation, draw(3))
    mirrored = torch.eye(CLASSES)[transforms.shift_flip.mirrored_N.long()]
    assert batch.teacher_NK is not None
    assert torch.allclose(batch.teacher_NK, transforms.targets(mirrored, torch.arange(len(index))), atol=1e-6)
    mixed = (batch.teacher_NK[:, 0] > 0.01) & (batch.teacher_NK[:, 0] < 0.99)
    assert int(mixed.sum()) > 3
    assert torch.equal(batch.onehot_NK, transforms.targets(made.onehot_NK[index], torch.arange(len(index))))
    assert batch.hints_NF is None
    assert len(batch.pixels_LHWC) == len(batch.teacher_NK) + 2


def test_clean_view_without_flips_has_one_round() -> None:
    config = recipe(**{"augmentation.translate": 1, "distillation.view": "clean"})
    logits_NK = torch.randn(N, CLASSES, generator=draw(1))
    batch = batches(config, teacher=[RoundSoftLabels(logits_NK, None)]).augmented(ALL, 5, draw())
    assert batch.teacher_NK is not None
    assert torch.allclose(batch.teacher_NK, logits_NK.softmax(1))


class _Counted(Sequence[RoundSoftLabels]):
    """Sequence of rounds that records the numbers of the rounds read."""

    def __init__(self, rounds: list[RoundSoftLabels]) -> None:
        self.rounds = rounds
        self.read: list[int] = []

    def __len__(self) -> int:
        return len(self.rounds)

    def __getitem__(self, number: Any) -> Any:
        self.read.append(number)
        return self.rounds[number]


def test_soft_labels_of_a_round_are_read_once() -> None:
    labels = RoundSoftLabels(torch.zeros(N, CLASSES).half(), None)
    teacher = _Counted([labels, labels, labels])
    made = batches(recipe(), teacher=teacher)
    for epoch in range(4):
        for index in ALL.split(10):
            assert made.augmented(index, epoch, draw()).hints_NF is None
    assert teacher.read == [0, 1, 2, 0]


def test_pixels_and_labels_are_mixed_with_the_same_share() -> None:
    batch = batches(recipe(**{"augmentation.mixup": 1.0})).augmented(ALL, 0, draw())
    plain = batches(recipe()).plain(ALL).pixels_LHWC
    share = batch.onehot_NK.amax(1)
    partner = (batch.onehot_NK - share[:, None] * batch.onehot_NK.eq(share[:, None])).argmax(1)
    assert 0.5 <= float(share.min()) < float(share.max()) <= 1
    assert torch.allclose(batch.onehot_NK.sum(1), torch.ones(N))
    # The part that is not from the image itself is from an image of the partner's class.
    rest = (batch.pixels_LHWC - share[:, None, None, None] * plain) / (1 - share)[:, None, None, None]
    clear = (share < 0.9) & batch.onehot_NK.gt(0).sum(1).eq(2)
    for row in torch.nonzero(clear).flatten().tolist():
        candidates = plain[partner[row] == ALL % CLASSES]
        assert (candidates - rest[row]).abs().flatten(1).amax(1).min() < 1e-4
    assert int(clear.sum()) > N / 4


def test_outliers_come_last_and_have_no_target() -> None:
    config = recipe(**{"augmentation.outliers": 0.1})
    labels = RoundSoftLabels(torch.zeros(N, CLASSES).half(), torch.zeros(N, 4).half())
    batch = batches(config, teacher=[labels, labels]).augmented(ALL, 0, draw())
    assert batch.teacher_NK is not None
    assert batch.hints_NF is not None
    assert len(batch.hints_NF) == N
    assert len(batch.pixels_LHWC) == N + 4
    assert len(batch.onehot_NK) == len(batch.teacher_NK) == N
    assert torch.equal(batch.pixels_LHWC[:N], batches(recipe()).plain(ALL).pixels_LHWC)
    assert batch.onehot_NK.amax(1).eq(1).all()


def test_robust_augmentation_changes_images_but_not_targets() -> None:
    config = recipe(**{"augmentation.augmix": 0.4, "augmentation.frequency_mixing": 0.3})
    teacher = [
        RoundSoftLabels(logits_NK, None) for logits_NK in torch.arange(2.0 * N * CLASSES).reshape(2, N, -1).half() / 100
    ]
    plain = batches(recipe(), teacher=teacher).augmented(ALL, 1, draw())
    for labels in (None, teacher):
        batch = batches(config, teacher=labels).augmented(ALL, 1, draw())
        changed = (batch.pixels_LHWC != plain.pixels_LHWC).flatten(1).any(1)
        assert 0.5 * N < int(changed.sum()) < 0.9 * N
        assert torch.equal(batch.onehot_NK, plain.onehot_NK)
    assert batch.teacher_NK is not None
    assert plain.teacher_NK is not None
    assert torch.equal(batch.teacher_NK, plain.teacher_NK)
