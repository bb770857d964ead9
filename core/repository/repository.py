"""Model repository: immutable, numbered versions of each family in two layers, and the champion of each family.

    <layer>/<family>/<version>/manifest.json and the files that it names
    <layer>/aliases.json

The shipped layer comes with the project and is read-only; new versions go to the home layer. A number is unique over
both layers. Other processes may publish and promote at any time, so every call reads from disk.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from core.errors import CorruptVersionError, RepositoryError, UnknownFamilyError, UnknownVersionError, explain
from core.files.home import duet_home, shipped_models
from core.files.regular import read_regular
from core.repository.alias_files import read_aliases
from core.repository.integrity import file_problems
from core.repository.manifest import FAMILY_PATTERN, MANIFEST_NAME, Manifest, read_manifest

Layer = Literal["shipped", "home"]
MODELS_NAME = "models"
_VERSION_NAME = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class ModelRepository:
    """Reader of both layers; `core.repository.publishing` and `core.repository.champions` write."""

    home_models: Path
    shipped: Path

    @classmethod
    def open(cls, home: Path | None = None) -> ModelRepository:
        """The repository of `home`, by default DUET_HOME; the folders may not exist yet."""
        return cls(home_models=(home or duet_home()) / MODELS_NAME, shipped=shipped_models())

    def families(self) -> list[str]:
        """Names of the families that have a version, sorted."""
        names = {name for layer in (self.shipped, self.home_models) for name in _folder_names(layer)}
        return sorted(name for name in names if re.fullmatch(FAMILY_PATTERN, name) and self.numbers(name))

    def versions(self, family: str) -> list[int]:
        """The version numbers of a family, ascending, at least one.

        Raises:
            UnknownFamilyError: the family has no version.
        """
        numbers = self.numbers(family) if re.fullmatch(FAMILY_PATTERN, family) else []
        if not numbers:
            raise UnknownFamilyError(family, self.families())
        return numbers

    def numbers(self, family: str) -> list[int]:
        """Same as `versions`, but empty for a family without versions. `family` is a valid family name."""
        names = {name for layer in (self.shipped, self.home_models) for name in _folder_names(layer / family)}
        return sorted(int(name) for name in names if _VERSION_NAME.fullmatch(name))

    def folder(self, family: str, version: int) -> Path:
        """Folder of a version.

        Raises:
            UnknownFamilyError, UnknownVersionError: there is no such version.
            CorruptVersionError: both layers have the number with different content.
        """
        return self._located(family, version)[1]

    def layer(self, family: str, version: int) -> Layer:
        """Layer of a version; raises as `folder` does."""
        return self._located(family, version)[0]

    def manifest(self, family: str, version: int) -> Manifest:
        """Read the manifest of a version without checking its files; raises as `folder` does.

        Raises:
            CorruptVersionError: the manifest is not valid, or describes another version.
        """
        folder = self.folder(family, version)
        try:
            manifest = read_manifest(folder)
        except OSError as error:
            raise CorruptVersionError(f"{family}@{version}: {MANIFEST_NAME}: {error.strerror}") from error
        except ValidationError as error:
            raise CorruptVersionError(f"{family}@{version}: {MANIFEST_NAME}: {explain(error)}") from error
        if (manifest.family, manifest.version) != (family, version):
            raise CorruptVersionError(f"{family}@{version}: {MANIFEST_NAME}: it describes {manifest.reference}")
        return manifest

    def verify(self, family: str, version: int) -> Manifest:
        """Read the manifest and check the hash of every file; raises as `manifest` does.

        Raises:
            CorruptVersionError: files are missing or changed; the message lists them.
        """
        manifest = self.manifest(family, version)
        problems = file_problems(self.folder(family, version), manifest)
        if problems:
            raise CorruptVersionError(f"{manifest.reference}: {'; '.join(problems)}")
        return manifest

    def champion(self, family: str) -> int | None:
        """Champion of a family, or None; the version may no longer exist."""
        return self.champions().get(family)

    def champions(self) -> dict[str, int]:
        """Champions by family, from the home layer's aliases.json, then the shipped one.

        Raises:
            RepositoryError: an alias file is damaged.
        """
        return {**read_aliases(self.shipped).champions, **read_aliases(self.home_models).champions}

    def resolve(self, text: str) -> tuple[str, int]:
        """Resolve `cnn@3`, `cnn@champion` or `cnn` (the champion) to an existing family and version.

        Raises:
            UnknownFamilyError, UnknownVersionError: there is no such version, or the family has no champion.
        """
        family, separator, version = text.strip().partition("@")
        existing = self.versions(family)
        if separator and version != "champion":
            if not _VERSION_NAME.fullmatch(version) or int(version) not in existing:
                raise UnknownVersionError(family, version, existing)
            return family, int(version)
        champion = self.champion(family)
        if champion is None or champion not in existing:
            raise UnknownVersionError(family, champion, existing, champion=True)
        return family, champion

    def _located(self, family: str, version: int) -> tuple[Layer, Path]:
        existing = self.versions(family)
        if version not in existing:
            raise UnknownVersionError(family, version, existing)
        shipped, home = (layer / family / str(version) for layer in (self.shipped, self.home_models))
        if not shipped.is_dir():
            return "home", home
        if home.is_dir() and _manifest_bytes(shipped) != _manifest_bytes(home):
            raise CorruptVersionError(
                f"{family}@{version}: two different versions have this number, in {shipped} and {home}: remove one"
            )
        return "shipped", shipped


def _manifest_bytes(folder: Path) -> bytes | None:
    try:
        return read_regular(folder / MANIFEST_NAME)
    except OSError:
        return None


def _folder_names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise RepositoryError(f"cannot read {folder}: {error.strerror}") from error
