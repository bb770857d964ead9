"""`duet interpret`, `duet report` and `duet evaluate --robustness`, on two small versions of synthetic images."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.records.base import read_report
from core.records.corrupted_holdout import CORRUPTED_HOLDOUT_NAME, CorruptedHoldout
from core.records.label_free import LabelFree
from core.records.lookup import report_path
from core.records.mistakes import Mistakes
from core.records.robustness import Robustness
from core.repository.manifest import MANIFEST_NAME
from tests.support.duet_command import Duet, duet_command, interrupt
from tests.support.published_pair import PublishedPair, copied_pair, published_pair
from training.pipeline import requests

pytestmark = [pytest.mark.full, pytest.mark.usefixtures("exported_once")]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PublishedPair]:
    home = tmp_path_factory.mktemp("home")
    return home, copied_pair(published_pair(tmp_path_factory), home)


@pytest.fixture
def duet(published: tuple[Path, PublishedPair], monkeypatch: pytest.MonkeyPatch) -> Duet:
    home, pair = published
    monkeypatch.setenv("DUET_HOME", str(home))
    monkeypatch.setenv("DUET_SHIPPED_MODELS", str(home / "shipped"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(requests, "load_images", lambda *_, **__: pair.images)

    return duet_command(monkeypatch)


def test_interpret_records_mistakes_and_figures(
    duet: Duet, published: tuple[Path, PublishedPair], capsys: pytest.CaptureFixture[str]
) -> None:
    assert duet("interpret", "mlp@1", "cnn@1", "--only", "mistakes", "--quick", "--threads", "1") == 0
    folder = published[0] / "reports"
    record = read_report(report_path(folder, "mistakes", "mlp@1", "cnn@1", quick=True), Mistakes)
    assert f"mlp@1: {record.models[0].error.value:.2%} wrong" in capsys.readouterr().out
    figures = {path.name for path in (folder / "mistakes" / "figures").iterdir()}
    assert {f"mlp@1-cnn@1.quick.{name}.png" for name in ("classes", "confusions", "patterns")} <= figures


def test_robustness_of_two_versions_is_recorded(
    duet: Duet, published: tuple[Path, PublishedPair], capsys: pytest.CaptureFixture[str]
) -> None:
    assert duet("evaluate", "cnn@1", "--robustness", "--against", "mlp@1", "--quick", "--threads", "1") == 0
    folder = published[0] / "reports"
    for reference in ("cnn@1", "mlp@1"):
        record = read_report(report_path(folder, "robustness", reference, quick=True), Robustness)
        assert record.model.reference == reference
    assert "CIFAR-10-C (regenerated); frost is left out" in capsys.readouterr().out
    label_free = read_report(report_path(folder, "label_free", "cnn@1", "mlp@1", quick=True), LabelFree)
    assert [fit.model.reference for fit in label_free.fits] == ["cnn@1", "mlp@1"]
    assert label_free.data.images <= 100
    assert not list(folder.rglob("*.partial.jsonl"))
    assert (folder / "robustness" / "figures" / "cnn@1-mlp@1.quick.levels.png").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "interpret mlp@1 cnn@1 --only explanations --target unicorn --quick",
            "unknown class 'unicorn': choose one of",
        ),
        ("evaluate cnn@1 --quick", "--against, --quick and --all-images need --robustness"),
        ("evaluate cnn@1 --robustness --quick --all-images", "use one of them"),
        ("report --docs", "--docs needs a checkout of the project"),
        ("report --docs --quick", "leave out --quick"),
    ],
)
def test_invalid_arguments_are_one_line(
    duet: Duet, words: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert duet(*words.split()) == 1
    assert message in capsys.readouterr().err


def test_evaluate_of_a_changed_version_names_the_file(
    duet: Duet, published: tuple[Path, PublishedPair], capsys: pytest.CaptureFixture[str]
) -> None:
    path = published[1].folder(published[1].cnn) / "evaluation.json"
    original = path.read_text()
    path.chmod(0o644)
    path.write_text(original.replace('"log_loss": ', '"log_loss": 1'))
    try:
        assert duet("evaluate", "cnn@1") == 1
    finally:
        path.write_text(original)
    assert "evaluation.json" in capsys.readouterr().err


def test_report_without_predictions_fails(
    duet: Duet,
    published: tuple[Path, PublishedPair],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home, pair = published
    path = pair.folder(pair.cnn) / "predictions.npz"
    monkeypatch.setattr(
        "core.repository.repository.ModelRepository.verify", lambda self, *version: self.manifest(*version)
    )
    hidden = path.rename(home / "hidden.npz")
    try:
        assert duet("report", "mlp@1", "cnn@1", "--quick", "--threads", "1") == 1
    finally:
        hidden.rename(path)
    assert "has no predictions.npz: publish the version again with `duet export`" in capsys.readouterr().err
    assert not (home / "report").exists()


def test_report_writes_its_page(
    duet: Duet, published: tuple[Path, PublishedPair], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert duet("report", "mlp@1", "cnn@1", "--quick", "--threads", "1", "--out", str(tmp_path / "out")) == 0
    assert f"page: {tmp_path / 'out' / 'index.html'}" in capsys.readouterr().out
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert f"{published[1].cnn.metrics.test_accuracy:.1%}" in page


def test_robustness_of_all_images_fills_the_holdout_record(
    duet: Duet, published: tuple[Path, PublishedPair], capsys: pytest.CaptureFixture[str]
) -> None:
    home, pair = published
    folder, path = pair.folder(pair.mlp), report_path(home / "reports", "corrupted_holdout", "mlp@1")
    stored = read_report(folder / CORRUPTED_HOLDOUT_NAME, CorruptedHoldout)
    assert duet("evaluate", "mlp@1", "--robustness", "--all-images", "--threads", "1") == 0
    assert not path.exists()
    record = read_report(report_path(home / "reports", "robustness", "mlp@1"), Robustness)
    assert record.data.images == len(pair.images.dataset.test)
    out = capsys.readouterr().out
    rate = record.mean_over_corruptions("flag_rate")
    assert rate is not None
    assert f"{rate:.1%}" in next(line for line in out.splitlines() if "flagged, all corruptions" in line)

    (folder / CORRUPTED_HOLDOUT_NAME).unlink()
    files = {name: each for name, each in pair.mlp.files.items() if name != CORRUPTED_HOLDOUT_NAME}
    (folder / MANIFEST_NAME).write_text(pair.mlp.model_copy(update={"files": files}).to_json())
    assert duet("evaluate", "mlp@1", "--robustness", "--all-images", "--threads", "1") == 0
    assert read_report(path, CorruptedHoldout) == stored


@pytest.mark.parametrize(
    ("words", "patched", "advice"),
    [
        ("report mlp@1 cnn@1 --quick", "training.analysis.report.write.make_report", "finished parts are kept"),
        ("interpret mlp@1 cnn@1 --quick", "training.analysis.interpret.commands.explanations", "finished parts"),
        ("tune mlp_labels --trials 1 --epochs 1", "training.tuning.search.search", "run the same command again"),
        ("explore --data cifar10", "training.analysis.explore.explore.explore", "nothing is kept; start over with"),
    ],
)
def test_ctrl_c_says_how_to_resume(
    duet: Duet,
    words: str,
    patched: str,
    advice: str,
    published: tuple[Path, PublishedPair],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("training.data.load.load_images", lambda *_, **__: published[1].images)
    monkeypatch.setattr(patched, interrupt)
    assert duet(*words.split()) == 130
    message = capsys.readouterr().err
    assert advice in message
    assert message.rstrip().endswith(f": duet {words}")
