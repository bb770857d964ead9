import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import CheckpointError, ConfigurationError, LowDiskError, UnknownVersionError
from core.files.home import MIB
from core.recipes import RecipeConfig
from core.repository.champions import promote
from core.repository.manifest import MANIFEST_NAME, Manifest
from core.repository.repository import ModelRepository
from tests.support.disks import let_disks_have
from tests.support.training_runs import CPU, RecordingReporter, let_int8_fail, small_recipe, train_version
from training.augment.packed_pixels import pack
from training.augment.transforms import round_transforms
from training.data.split_dataset import Images
from training.export.run_onnx import network_logits
from training.export.weights import stored_classifier
from training.fit.distillation import SoftLabels, Teacher, pin_teacher_version, read_teachers, soft_labels
from training.fit.hints import Projection, capture_features, last_dense
from training.pipeline.train import new_classifier, prepare_run
from training.run.checkpoint import Checkpoint, load_checkpoint

pytestmark = pytest.mark.slow

Trained = tuple[ModelRepository, Manifest]

ORANGE = torch.tensor([200, 110, 40], dtype=torch.uint8)


@pytest.fixture(scope="module")
def trained(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("teacher")
    repository = ModelRepository(folder / "models", folder / "shipped")
    with pytest.MonkeyPatch.context() as monkeypatch:
        let_int8_fail(monkeypatch)
        manifest = train(repository, images, folder / "run", small_recipe("cnn", epochs=1))
    return repository, manifest


def train(
    repository: ModelRepository,
    images: Images,
    folder: Path,
    config: RecipeConfig,
    *,
    family: str | None = None,
    reporter: RecordingReporter | None = None,
    resume: bool = False,
) -> Manifest:
    family = family or config.network.kind
    return train_version(config, images, repository, family, folder, reporter=reporter, resume=resume)


def fitted(
    repository: ModelRepository, images: Images, folder: Path, config: RecipeConfig, *, resume: bool = False
) -> Checkpoint:
    """Train like `train`, but stop before publishing, which takes longer; returns the last checkpoint."""
    with pytest.raises(KeyboardInterrupt):
        train(repository, images, folder, config, reporter=RecordingReporter(stop_after=config.epochs), resume=resume)
    return load_checkpoint(folder)


def student(**overrides: object) -> RecipeConfig:
    return small_recipe(
        "mlp",
        **{
            "distillation.teacher": "cnn@1", "distillation.rounds": 6, "augmentation.translate": 1,
            "augmentation.mixup": 0.5, "augmentation.cutout": 6, "epochs": 6, **overrides,
        },
    )  # fmt: skip


def teacher_of(trained: Trained) -> Teacher:
    repository, manifest = trained
    return Teacher(manifest, stored_classifier(manifest, repository.folder("cnn", 1)))


def compute_labels(
    teacher: Teacher, config: RecipeConfig, images: Images, cache: Path, reporter: RecordingReporter | None = None
) -> SoftLabels:
    return soft_labels(
        [teacher], config, images, cache, fill_C=ORANGE, reporter=reporter or RecordingReporter(), device=CPU
    )


def compute_logits(
    teacher: Teacher, config: RecipeConfig, images: Images, cache: Path, reporter: RecordingReporter | None = None
) -> torch.Tensor:
    rounds = compute_labels(teacher, config, images, cache, reporter).rounds
    return torch.stack([labels.logits_NK for labels in rounds])


def test_soft_labels_are_the_calibrated_logits_of_the_teacher(trained: Trained, images: Images, tmp_path: Path) -> None:
    config, teacher = student(), teacher_of(trained)
    labels = compute_logits(teacher, config, images, tmp_path)
    assert labels.shape == (6, 160, 10)
    assert labels.dtype == torch.float32
    train_NHWC = torch.from_numpy(images.part("train").images_NHWC)
    N, H, W, _ = train_NHWC.shape
    for number in (0, 4, 5):
        transforms = round_transforms(N, H, W, config.augmentation, number)
        with torch.no_grad():
            logits_NK = teacher.classifier(transforms.pixels(transforms.views(pack(train_NHWC), pack(ORANGE))))
        expected = logits_NK / teacher.manifest.calibration["fp32"].temperature
        assert torch.allclose(labels[number].float(), expected, atol=0.05, rtol=0.02)
    assert not torch.equal(labels[0], labels[5])


def test_cached_rounds_are_not_computed_again(trained: Trained, images: Images, tmp_path: Path) -> None:
    config, teacher = student(), teacher_of(trained)
    first = compute_logits(teacher, config, images, tmp_path)
    folder = next(path for path in tmp_path.iterdir() if path.is_dir())
    times = {path: path.stat().st_mtime_ns for path in folder.glob("*.npy")}
    (folder / "round-5.npy").unlink()
    reporter = RecordingReporter()
    again = compute_logits(teacher, config, images, tmp_path, reporter)
    assert torch.equal(first, again)
    changed = [path.name for path in folder.glob("*.npy") if times[path] != path.stat().st_mtime_ns]
    assert changed == ["round-5.npy"]
    assert [note for note in reporter.notes if "round" in note] == ["cnn@1: round 6 done, 0 remaining, about 0 minutes"]


def test_cached_rounds_keep_their_time(trained: Trained, images: Images, tmp_path: Path) -> None:
    teacher = teacher_of(trained)
    first = compute_labels(teacher, student(), images, tmp_path).seconds
    fewer = compute_labels(teacher, student(**{"distillation.rounds": 2}), images, tmp_path).seconds
    assert 0 < fewer < first
    assert compute_labels(teacher, student(), images, tmp_path).seconds == first


def test_cache_separates_augmentations_and_adds_rounds(trained: Trained, images: Images, tmp_path: Path) -> None:
    for translate, rounds in ((0, 1), (1, 2), (1, 4)):
        config = student(**{"augmentation.translate": translate, "distillation.rounds": rounds})
        compute_logits(teacher_of(trained), config, images, tmp_path)
    counts = sorted(len(list(folder.glob("*.npy"))) for folder in tmp_path.iterdir())
    assert counts == [1, 4]


def test_cache_key_ignores_augmentation_of_the_student_only(trained: Trained, images: Images, tmp_path: Path) -> None:
    for augmentation in ({"outliers": 0.0}, {"outliers": 0.1, "augmix": 0.5}, {"rotate": 15.0}):
        config = student(**{f"augmentation.{name}": value for name, value in augmentation.items()})
        compute_logits(teacher_of(trained), config, images, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_cache_write_error_tells_to_resume(trained: Trained, images: Images, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(CheckpointError, match=r"cannot store the soft labels of cnn@1.*--resume"):
        compute_logits(teacher_of(trained), student(), images, tmp_path / "cache")


def test_too_little_space_for_soft_labels_is_refused(
    trained: Trained, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_disks_have(monkeypatch, 6 * 160 * 10 * 2 - 1)
    with pytest.raises(LowDiskError, match=r"computing soft labels for 6 rounds.* needs .*fewer distillation\.rounds"):
        compute_logits(teacher_of(trained), student(), images, tmp_path)
    assert not list(tmp_path.rglob("*.npy"))
    let_disks_have(monkeypatch, 6 * 160 * 10 * 2)
    assert compute_logits(teacher_of(trained), student(), images, tmp_path).shape == (6, 160, 10)


def test_too_little_space_for_soft_labels_and_run_is_refused(
    trained: Trained, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_disks_have(monkeypatch, 40 * MIB)
    teacher, reporter = teacher_of(trained), RecordingReporter()
    with pytest.raises(LowDiskError, match=r"and the training after it.* 41 MiB"):
        soft_labels([teacher], student(), images, tmp_path, fill_C=ORANGE, reporter=reporter, device=CPU, room=40 * MIB)
    assert not list(tmp_path.rglob("*.npy"))


def test_rounds_are_limited_to_the_epochs(trained: Trained, images: Images, tmp_path: Path) -> None:
    short = compute_logits(teacher_of(trained), student(epochs=2), images, tmp_path)
    assert len(list(tmp_path.rglob("*.npy"))) == 2
    long = compute_logits(teacher_of(trained), student(), images, tmp_path)
    assert torch.equal(long[:2], short)
    assert len(list(tmp_path.rglob("*.npy"))) == len(long) == 6


def test_teacher_trained_on_validation_images_is_refused(
    trained: Trained, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_int8_fail(monkeypatch)
    repository = ModelRepository(tmp_path / "models", tmp_path / "shipped")
    train(repository, images, tmp_path / "run", small_recipe("cnn", epochs=1, include_validation=True))
    with pytest.raises(ConfigurationError, match=r"cnn@1 cannot teach.*validation images.*include_validation=true"):
        read_teachers(student(), images, repository)
    (final,) = read_teachers(student(include_validation=True), images, repository)
    assert final.manifest.data.trained_on == ("train", "validation")
    assert len(read_teachers(student(), images, trained[0])) == 1


def test_teacher_of_other_classes_is_refused(trained: Trained, images: Images) -> None:
    repository, _ = trained
    other = images.dataset.__class__(
        "other", ("cat", *images.dataset.class_names[1:]), images.dataset.training, images.dataset.test, "none"
    )
    with pytest.raises(ConfigurationError, match=r"cnn@1 cannot be the teacher on other"):
        read_teachers(student(), Images(other, images.split), repository)


def test_teacher_none_or_missing(trained: Trained, images: Images) -> None:
    assert read_teachers(small_recipe("mlp"), images, trained[0]) == ()
    with pytest.raises(UnknownVersionError, match="cnn"):
        read_teachers(student(**{"distillation.teacher": "cnn@7"}), images, trained[0])


@pytest.mark.full
def test_distilled_run_resumes_to_the_same_weights(
    trained: Trained, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_int8_fail(monkeypatch)
    repository, _ = trained
    config = student(**{"augmentation.alternate": True, "optimization.averaging": 0.5})
    whole = train(repository, images, tmp_path / "whole", config)
    with pytest.raises(KeyboardInterrupt):
        train(repository, images, tmp_path / "run", config, reporter=RecordingReporter(stop_after=2))
    resumed = train(repository, images, tmp_path / "run", config, resume=True)
    plain = train(repository, images, tmp_path / "plain", config.with_overrides({"distillation.teacher": None}))
    assert resumed.files["weights.safetensors"] == whole.files["weights.safetensors"]
    assert plain.files["weights.safetensors"] != whole.files["weights.safetensors"]
    assert whole.cost.teacher_seconds
    assert resumed.cost.teacher_seconds == whole.cost.teacher_seconds
    assert plain.cost.teacher_seconds is None
    assert "distilled from cnn@1" in whole.licence.provenance
    assert whole.config["distillation"]["teacher"] == "cnn@1"


@pytest.fixture
def two(
    images: Images, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[ModelRepository, RecipeConfig]:
    """Repository with two teachers, and a student of both that sees the clean view."""
    let_int8_fail(monkeypatch)
    repository = ModelRepository(tmp_path / "models", tmp_path / "shipped")
    shutil.copytree(trained[0].folder("cnn", 1), tmp_path / "shipped" / "cnn" / "1")
    train(repository, images, tmp_path / "second", small_recipe("cnn", epochs=1, seed=1))
    clean = {"distillation.teacher": "cnn@2+cnn@1", "distillation.view": "clean", "distillation.weight": 0.8}
    return repository, student(epochs=3, **clean, **{"augmentation.cutmix": 0.5, "augmentation.augmix": 0.3})


@pytest.mark.full
def test_two_teachers_are_averaged_recorded_and_resumed(
    two: tuple[ModelRepository, RecipeConfig], images: Images, tmp_path: Path
) -> None:
    repository, config = two
    whole = train(repository, images, tmp_path / "whole", config)
    assert whole.config["distillation"]["teacher"] == "cnn@2+cnn@1"
    manifests = [repository.manifest("cnn", number) for number in (2, 1)]
    assert whole.teachers == {each.reference: each.files["weights.safetensors"].sha256 for each in manifests}
    assert "distilled from cnn@2 and cnn@1." in whole.licence.provenance
    # Two rounds of each teacher: the images and their mirror images.
    stored = sorted((tmp_path / "cache" / "teachers").rglob("*.npy"))
    assert [path.name for path in stored] == ["round-0.npy", "round-1.npy"] * 2
    with pytest.raises(KeyboardInterrupt):
        train(repository, images, tmp_path / "run", config, reporter=RecordingReporter(stop_after=1))
    resumed = train(repository, images, tmp_path / "run", config, resume=True)
    assert resumed.files["weights.safetensors"] == whole.files["weights.safetensors"]
    alone = config.with_overrides({"distillation.teacher": "cnn@1"})
    assert (
        train(repository, images, tmp_path / "alone", alone).files["weights.safetensors"]
        != whole.files["weights.safetensors"]
    )


def test_two_teachers_are_checked_one_by_one(
    two: tuple[ModelRepository, RecipeConfig], images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, config = two
    teachers = read_teachers(config, images, repository)
    assert [teacher.manifest.reference for teacher in teachers] == ["cnn@2", "cnn@1"]
    labels = soft_labels(
        teachers, config, images, tmp_path / "a", fill_C=ORANGE, reporter=RecordingReporter(), device=CPU
    )
    singles = [compute_labels(teacher, config, images, tmp_path / "b") for teacher in teachers]
    for number, both in enumerate(labels.rounds):
        mean = torch.stack([single.rounds[number].logits_NK.softmax(1) for single in singles]).mean(0)
        assert torch.allclose(both.logits_NK.softmax(1), mean, atol=1e-6)
    # The space for all teachers is checked before the first one predicts.
    with monkeypatch.context() as full_disk:
        let_disks_have(full_disk, 2 * 2 * 160 * 10 * 2 - 1)
        with pytest.raises(LowDiskError, match="4 rounds"):
            soft_labels(
                teachers, config, images, tmp_path / "c", fill_C=ORANGE, reporter=RecordingReporter(), device=CPU
            )
    assert not list((tmp_path / "c").rglob("*.npy"))
    folder, manifest = tmp_path / "shipped" / "cnn" / "3", repository.manifest("cnn", 1)
    shutil.copytree(folder.with_name("1"), folder)
    seen = manifest.data.model_copy(update={"trained_on": ("train", "validation")})
    (folder / MANIFEST_NAME).write_text(manifest.model_copy(update={"version": 3, "data": seen}).to_json())
    leaking = config.with_overrides({"distillation.teacher": "cnn@1+cnn@3"})
    with pytest.raises(ConfigurationError, match="cnn@3 cannot teach"):
        read_teachers(leaking, images, repository)
    promote(repository, "cnn", 2, actor="test", reason="to be found")
    pinned = pin_teacher_version(config.with_overrides({"distillation.teacher": "cnn@1+cnn"}), repository)
    assert pinned.distillation.teacher == "cnn@1+cnn@2"
    promote(repository, "cnn", 1, actor="test", reason="later")
    family = config.with_overrides({"distillation.teacher": "cnn"})
    earlier = config.with_overrides({"distillation.teacher": "cnn@2"})
    assert pin_teacher_version(family, repository, resumed=earlier).distillation.teacher == "cnn@2"
    assert pin_teacher_version(family, repository).distillation.teacher == "cnn@1"


def test_teacher_family_is_pinned_to_its_champion(trained: Trained, images: Images, tmp_path: Path) -> None:
    repository, _ = trained
    promote(repository, "cnn", 1, actor="test", reason="to be found")
    config = student(**{"distillation.teacher": "cnn"})
    assert prepare_run(config, images, repository, "mlp", tmp_path).config.distillation.teacher == "cnn@1"


def test_resumed_run_keeps_its_teacher_when_the_champion_changes(
    images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_int8_fail(monkeypatch)
    repository = ModelRepository(tmp_path / "models", tmp_path / "shipped")
    for seed in (0, 1):
        train(repository, images, tmp_path / f"cnn-{seed}", small_recipe("cnn", epochs=1, seed=seed))
    promote(repository, "cnn", 1, actor="test", reason="teaches")
    config = student(epochs=2, **{"distillation.teacher": "cnn"})
    with pytest.raises(KeyboardInterrupt):
        train(repository, images, tmp_path / "run", config, reporter=RecordingReporter(stop_after=1))
    promote(repository, "cnn", 2, actor="test", reason="while the student was away")
    resumed = fitted(repository, images, tmp_path / "run", config, resume=True)
    assert resumed.config.distillation.teacher == "cnn@1"
    named = config.with_overrides({"distillation.teacher": "cnn@2"})
    with pytest.raises(KeyboardInterrupt):
        train(repository, images, tmp_path / "named", config, reporter=RecordingReporter(stop_after=1))
    promote(repository, "cnn", 1, actor="test", reason="back")
    with pytest.raises(CheckpointError, match=r"distillation\.teacher was 'cnn@2', now 'cnn@1'"):
        train(
            repository, images, tmp_path / "named", named.with_overrides({"distillation.teacher": "cnn@1"}), resume=True
        )


@pytest.mark.full
def test_teacher_can_be_distilled_itself(
    trained: Trained, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """cnn@1 is the teacher of a narrower cnn, which is published in another family and is the teacher of an mlp."""
    let_int8_fail(monkeypatch)
    repository, _ = trained
    narrow = small_recipe(
        "cnn",
        **{
            "network.channels": (4, 8), "augmentation.alternate": True, "augmentation.outliers": 0.1, "epochs": 2,
            "distillation.teacher": "cnn@1", "distillation.rounds": 2,
        },
    )  # fmt: skip
    teacher = train(repository, images, tmp_path / "teacher", narrow, family="teacher")
    assert teacher.reference == "teacher@1"
    assert teacher.config["distillation"]["teacher"] == "cnn@1"
    assert teacher.cost.teacher_seconds
    config = student(epochs=2, **{"distillation.teacher": "teacher@1", "distillation.hint_weight": 1.0})
    assert fitted(repository, images, tmp_path / "student", config).hints is not None


HINTS: dict[str, object] = {"distillation.hint_weight": 0.5}


def test_hints_are_the_projected_features_of_the_teacher(trained: Trained, images: Images, tmp_path: Path) -> None:
    config, teacher = student(**HINTS), teacher_of(trained)
    rounds = compute_labels(teacher, config, images, tmp_path).rounds
    (folder,) = tmp_path.iterdir()
    projection = Projection.load(folder / "projection.npz")
    train_NHWC = torch.from_numpy(images.part("train").images_NHWC)
    N, H, W, _ = train_NHWC.shape
    for number in (0, 5):
        transforms = round_transforms(N, H, W, config.augmentation, number)
        pixels = transforms.pixels(transforms.views(pack(train_NHWC), pack(ORANGE)))
        with torch.no_grad(), capture_features(teacher.classifier) as features:
            logits_NK = teacher.classifier(pixels)
            assert torch.allclose(last_dense(teacher.classifier)(features[0]), logits_NK, atol=1e-5)
        hints_NF = rounds[number].hints_NF
        assert hints_NF is not None
        assert hints_NF.dtype == torch.float16
        assert torch.allclose(hints_NF.float(), projection(features[0]).float(), atol=0.1)


def test_hints_are_added_to_cached_logits(trained: Trained, images: Images, tmp_path: Path) -> None:
    teacher = teacher_of(trained)
    plain = compute_labels(teacher, student(), images, tmp_path)
    (folder,) = tmp_path.iterdir()
    times = {path: path.stat().st_mtime_ns for path in folder.glob("round-*.npy")}
    hinted = compute_labels(teacher, student(**HINTS), images, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in folder.glob("round-*.npy")} == times
    assert len(list(folder.glob("hints-*.npy"))) == 6
    assert hinted.seconds > plain.seconds
    # The other way around: the cache of a run with hints serves a run without.
    reporter = RecordingReporter()
    assert all(
        labels.hints_NF is None for labels in compute_labels(teacher, student(), images, tmp_path, reporter).rounds
    )
    assert not [note for note in reporter.notes if "remaining" in note]


def test_projection_is_kept_when_rounds_are_added(trained: Trained, images: Images, tmp_path: Path) -> None:
    teacher = teacher_of(trained)
    compute_labels(teacher, student(**HINTS, **{"distillation.rounds": 2}), images, tmp_path / "some")
    added = compute_labels(teacher, student(**HINTS), images, tmp_path / "some").rounds
    at_once = compute_labels(teacher, student(**HINTS), images, tmp_path / "all").rounds
    for one, other in zip(added, at_once, strict=True):
        assert one.hints_NF is not None
        assert other.hints_NF is not None
        assert torch.equal(one.hints_NF, other.hints_NF)


def test_space_check_includes_hints(
    trained: Trained, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = 16
    needed = 6 * 160 * (10 + features) * 2
    let_disks_have(monkeypatch, needed - 1)
    with pytest.raises(LowDiskError, match=r"fewer distillation\.rounds"):
        compute_labels(teacher_of(trained), student(**HINTS), images, tmp_path)
    let_disks_have(monkeypatch, needed)
    compute_labels(teacher_of(trained), student(**HINTS), images, tmp_path)


def test_deleted_round_is_computed_again_on_resume(trained: Trained, images: Images, tmp_path: Path) -> None:
    teacher = teacher_of(trained)
    rounds = compute_labels(teacher, student(), images, tmp_path).rounds
    before = rounds[3].logits_NK
    next(tmp_path.rglob("round-3.npy")).unlink()
    with pytest.raises(CheckpointError, match=r"round-3\.npy.*--resume"):
        rounds[3]
    assert torch.equal(compute_labels(teacher, student(), images, tmp_path).rounds[3].logits_NK, before)


@pytest.mark.parametrize("optimizer", ["muon", "adam"])
def test_run_with_hints_resumes_to_the_same_weights(
    optimizer: str, trained: Trained, images: Images, tmp_path: Path
) -> None:
    repository, _ = trained
    config = student(
        **{
            "network": {"hidden": (48, 16), "blocks": 2, "dropout": 0.1},
            "optimization.optimizer": optimizer, "optimization.weight_decay": 0.05,
            "optimization.averaging": 0.5, "distillation.hint_weight": 0.5,
        }
    )  # fmt: skip
    whole = fitted(repository, images, tmp_path / "whole", config)
    with pytest.raises(KeyboardInterrupt):
        train(repository, images, tmp_path / "run", config, reporter=RecordingReporter(stop_after=2))
    resumed = fitted(repository, images, tmp_path / "run", config, resume=True)
    plain = fitted(repository, images, tmp_path / "plain", config.with_overrides({"distillation.hint_weight": 0.0}))
    # The hint head is not part of the network.
    assert plain.network.keys() == whole.network.keys()
    assert resumed.averaged is not None
    assert whole.averaged is not None
    assert all(torch.equal(tensor, whole.averaged[name]) for name, tensor in resumed.averaged.items())
    assert any(not torch.equal(tensor, whole.network[name]) for name, tensor in plain.network.items())


def test_distilled_student_agrees_more_with_its_teacher(trained: Trained, images: Images, tmp_path: Path) -> None:
    """The teacher is hardly trained, so agreement with it comes from distillation and not from the labels."""
    repository, _ = trained
    test_NHWC = images.dataset.test.images_NHWC
    overrides = {"epochs": 15, "network.dropout": 0.0, "augmentation.flip": False, "augmentation.translate": 0,
                 "augmentation.mixup": 0.0}  # fmt: skip
    theirs = network_logits(teacher_of(trained).classifier, test_NHWC).argmax(1)
    agreement = []
    for teacher in ("cnn@1", None):
        config = student(**overrides, **{"distillation.teacher": teacher})
        taught = new_classifier(config, images).eval()
        taught.load_state_dict(fitted(repository, images, tmp_path / str(teacher), config).network)
        agreement.append(float(np.mean(network_logits(taught, test_NHWC).argmax(1) == theirs)))
    assert agreement[0] > agreement[1] + 0.2
