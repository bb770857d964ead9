"""Shell completion, through the requests that the scripts of `duet --show-completion` send."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support.onnx_models import write_onnx_version

pytestmark = pytest.mark.slow
DUET = Path(sysconfig.get_path("scripts")) / "duet"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for reference in ("cnn/1", "cnn/12", "pets/1"):
        family, _, version = reference.partition("/")
        write_onnx_version(tmp_path / "models" / reference, family, int(version))
    (tmp_path / "datasets" / "pictures").mkdir(parents=True)
    return tmp_path


def completed(home: Path, **request: str) -> list[str]:
    environment = os.environ | {"DUET_HOME": str(home), "DUET_SHIPPED_MODELS": str(home / "none")} | request
    command = [sys.executable, str(DUET)]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["train", "cnn_b"], ["cnn_baseline", "cnn_best"]),
        (["tune", "mlp_l"], ["mlp_labels"]),
        (["models", "show", ""], ["cnn", "cnn@1", "cnn@12", "pets", "pets@1"]),
        (["models", "show", "cnn", "@"], ["1", "12"]),
        (["models", "show", "cnn", "@", "12"], ["12"]),
        (["models", "verify", "cnn", "@", "1", "pe"], ["pets", "pets@1"]),
        (["models", "rollback", ""], ["cnn", "pets"]),
        (["train", "cnn_best", "--init-from", "p"], ["pets", "pets@1"]),
        (["train", "cnn_best", "--data", ""], ["cifar10", "folder:pictures"]),
        (["train", "cnn_best", "--data", "folder", ":", "pi"], ["pictures"]),
        (["train", "cnn_best", "--data", "=", "folder", ":"], ["pictures"]),
        (["train", "cnn_best", "--family", "p"], ["pets"]),
        (["train", "nothing"], []),
    ],
    ids=" ".join,
)
def test_bash_completes_the_last_of_its_words(home: Path, words: list[str], expected: list[str]) -> None:
    joined = "\n".join(["duet", *words])
    assert completed(home, COMP_WORDS=joined, COMP_CWORD=str(len(words)), _DUET_COMPLETE="complete_bash") == expected


def test_zsh_completes_a_version(home: Path) -> None:
    [line] = completed(home, _TYPER_COMPLETE_ARGS="duet evaluate cnn@12", _DUET_COMPLETE="complete_zsh")
    assert '"cnn@12"' in line


def test_unreadable_home_completes_nothing(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "cnn").mkdir(mode=0)
    (tmp_path / "models" / "aliases.json").write_text("{")
    request = {"COMP_WORDS": "duet\nmodels\nrollback\n", "COMP_CWORD": "3", "_DUET_COMPLETE": "complete_bash"}
    assert completed(tmp_path, **request) == []
