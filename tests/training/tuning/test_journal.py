"""Journals that cannot be begun, read or gone on with."""

from pathlib import Path

import pytest

from core.errors import CheckpointError, ConfigurationError, LowDiskError
from core.files.home import MIB
from tests.support.disks import let_disks_have
from tests.support.training_runs import small_recipe
from training.analysis.report.studies import tunings
from training.tuning.journal import (
    Description,
    EmptyJournalError,
    begun_config,
    journal_path,
    open_journal,
    read_journal,
)

NAME = "mlp"


def described(**overrides: object) -> Description:
    config = small_recipe("mlp", **overrides)
    return Description(config=config, share=0.5, seed=0, data="cifar10", data_digest="d" * 64, split_digest="s" * 64)


def begun(home: Path) -> Path:
    """The file of a journal without trials."""
    with open_journal(home, NAME, described()):
        return journal_path(home, NAME)


def test_open_journal_without_disk_space_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    description = described()
    let_disks_have(monkeypatch, 255 * MIB)
    with pytest.raises(LowDiskError, match="a study needs 256 MiB"):
        open_journal(tmp_path, "mlp", description).__enter__()
    assert not journal_path(tmp_path, "mlp").exists()
    let_disks_have(monkeypatch, 256 * MIB)
    with open_journal(tmp_path, "mlp", description) as journal:
        assert journal.description == description


@pytest.mark.parametrize(
    "garbage",
    [
        "garbage",
        "5",
        "[]",
        "{}",
        '{"op_code":77}',
        '{"op_code":4}',
        "\xff",
        pytest.param("[" * 100_000, id="nested"),
        "",
    ],
)
@pytest.mark.parametrize("last", [True, False])
def test_damaged_journal_is_neither_read_nor_resumed(garbage: str, last: bool, tmp_path: Path) -> None:
    path = begun(tmp_path)
    lines = path.read_bytes().splitlines()
    lines.insert(len(lines) if last else 1, garbage.encode("latin-1"))
    path.write_bytes(b"\n".join([*lines, b""]))
    damaged = path.read_bytes()
    said = r"mlp\.journal is damaged or of another release: move it away, or give another --study"
    with pytest.raises(CheckpointError, match=said):
        read_journal(tmp_path, NAME)
    with pytest.raises(CheckpointError, match=said):
        open_journal(tmp_path, NAME, described()).__enter__()
    with pytest.raises(CheckpointError, match=said):
        list(tunings(tmp_path, judged_on=5000))
    assert path.read_bytes() == damaged


def test_journal_with_unknown_settings_is_of_another_release(tmp_path: Path) -> None:
    path = begun(tmp_path)
    path.write_text(path.read_text().replace('"batch_size"', '"size_of_batch"'))
    with pytest.raises(CheckpointError, match="of another release"):
        read_journal(tmp_path, NAME)
    with pytest.raises(CheckpointError, match="of another release"):
        open_journal(tmp_path, NAME, described()).__enter__()


def test_begun_config_is_that_of_the_journal(tmp_path: Path) -> None:
    assert begun_config(tmp_path, NAME) is None
    begun(tmp_path)
    assert begun_config(tmp_path, NAME) == described().config
    journal_path(tmp_path, NAME).write_bytes(b"")
    assert begun_config(tmp_path, NAME) is None


def test_renamed_journal_names_its_study(tmp_path: Path) -> None:
    begun(tmp_path).rename(journal_path(tmp_path, "copy"))
    said = r"copy\.journal is of the study 'mlp': rename it to that"
    with pytest.raises(ConfigurationError, match=said):
        read_journal(tmp_path, "copy")
    with pytest.raises(ConfigurationError, match=said):
        open_journal(tmp_path, "copy", described()).__enter__()


@pytest.mark.parametrize("lines", [0, 1])
def test_empty_journal_is_skipped_and_can_be_started(lines: int, tmp_path: Path) -> None:
    path = begun(tmp_path)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]) + b'{"op_code": 2, "wor')
    with pytest.raises(EmptyJournalError, match="has no trials yet"):
        read_journal(tmp_path, NAME)
    assert list(tunings(tmp_path, judged_on=5000)) == []
    begun(tmp_path)
    assert read_journal(tmp_path, NAME).description == described()


def test_journal_of_a_removed_recipe_is_refused(tmp_path: Path) -> None:
    path = begun(tmp_path)
    path.write_text(path.read_text().replace('"mlp_baseline"', '"mlp_bygone"'))
    with pytest.raises(ConfigurationError, match="of the recipe 'mlp_bygone', which no longer exists"):
        list(tunings(tmp_path, judged_on=5000))


def test_open_journal_with_other_settings_lists_the_differences(tmp_path: Path) -> None:
    begun(tmp_path)
    with pytest.raises(ConfigurationError, match=r"batch_size was 50, now 60.*another --study"):
        open_journal(tmp_path, NAME, described(batch_size=60)).__enter__()


def test_open_journal_twice_is_refused(tmp_path: Path) -> None:
    with (
        open_journal(tmp_path, NAME, described()),
        pytest.raises(CheckpointError, match="another process is tuning mlp"),
    ):
        open_journal(tmp_path, NAME, described()).__enter__()


def test_read_journal_of_an_unknown_study_names_the_existing(tmp_path: Path) -> None:
    begun(tmp_path)
    with pytest.raises(ConfigurationError, match=r"unknown study 'other'.*available studies are mlp"):
        read_journal(tmp_path, "other")
    with pytest.raises(ConfigurationError, match="cannot name a study"):
        read_journal(tmp_path, "../small")
