"""Removal of versions that are not champions from a folder `models`, given as argument, in the build of an image."""

import json
import shutil
import sys
from pathlib import Path

folder = Path(sys.argv[1])
champions = json.loads((folder / "aliases.json").read_text(encoding="utf-8"))["champions"]
for family, champion in champions.items():
    if not (folder / family / str(champion) / "manifest.json").is_file():
        sys.exit(f"{family}@{champion} is champion but not in {folder}")
    for version in (folder / family).iterdir():
        if version.name != str(champion):
            shutil.rmtree(version)
