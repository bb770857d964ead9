"""A home whose one family has two versions that answer differently: the shipped cnn and the shipped mlp."""

from __future__ import annotations

import shutil
from pathlib import Path

from core.repository.alias_files import ALIASES_NAME, AliasFile
from core.repository.manifest import MANIFEST_NAME
from core.repository.repository import MODELS_NAME, ModelRepository

FAMILY = "switched"


def make_home(home: Path, shipped: Path) -> tuple[int, int]:
    """Write `FAMILY` with the champions of mlp and cnn as versions 1 (its champion) and 2; height and width."""
    repository = ModelRepository(home / "none", shipped)
    size = (0, 0)
    for version, source in enumerate(("mlp", "cnn"), start=1):
        family, number = repository.resolve(source)
        manifest = repository.verify(family, number)
        folder = home / MODELS_NAME / FAMILY / str(version)
        shutil.copytree(repository.folder(family, number), folder)
        renamed = manifest.model_copy(update={"family": FAMILY, "version": version})
        (folder / MANIFEST_NAME).chmod(0o644)
        (folder / MANIFEST_NAME).write_text(renamed.to_json(), encoding="utf-8")
        size = manifest.input.height, manifest.input.width
    aliases = AliasFile(champions={FAMILY: 1})
    (home / MODELS_NAME / ALIASES_NAME).write_text(aliases.model_dump_json(), encoding="utf-8")
    return size
