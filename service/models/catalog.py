"""Model catalog: models, versions and manifests of the repository as API schemas. All functions read the disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from core.errors import CorruptVersionError, UnknownVersionError
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from core.schemas.api import ProviderStatus
from core.schemas.models import ModelDetail, ModelList, ModelSummary, VersionDetail, VersionSummary
from core.statistics.intervals import ConfidenceInterval, proportion
from service.errors import VersionRefusedError
from service.errors.hidden_paths import hide_repository_paths


@dataclass(frozen=True)
class ModelRef:
    """Reference to a model: `cnn` for the champion, `cnn@3` for one version."""

    family: str
    version: int | None

    @classmethod
    def parse(cls, text: str) -> ModelRef:
        """Parse a reference.

        Raises:
            ValueError: the name is empty, or the part after @ is neither a version number nor `champion`.
        """
        family, separator, version = text.strip().partition("@")
        if not family:
            raise ValueError("the name of the model is missing")
        if not separator or version == "champion":
            return cls(family, None)
        if not (version.isascii() and version.isdecimal() and 0 < len(version) < 10):
            raise ValueError(f"{text!r} is not a model such as cnn or cnn@3")
        return cls(family, int(version))


@dataclass(frozen=True)
class ModelCatalog:
    """Catalog of a repository; raises API errors.

    Attributes:
        repository: the repository.
        refusal: function that returns the engine's reason for refusing a version, or None.
        providers: function that returns the measured execution providers of each loaded version.
    """

    repository: ModelRepository
    refusal: Callable[[str, int], str | None]
    providers: Callable[[], Mapping[tuple[str, int], tuple[ProviderStatus, ...]]]

    def models(self) -> ModelList:
        """All families with their versions."""
        champions = self.repository.champions()
        return ModelList(
            models=tuple(
                ModelSummary(
                    model=family,
                    champion=champions.get(family),
                    versions=tuple(self.repository.versions(family)),
                )
                for family in self.repository.families()
            )
        )

    def model(self, family: str) -> ModelDetail:
        """One family with a summary of each version.

        Raises:
            UnknownFamilyError: no such family.
        """
        versions = self.repository.versions(family)
        champion = self.repository.champion(family)
        return ModelDetail(
            model=family,
            champion=champion,
            versions=tuple(self._summary(family, version, champion) for version in versions),
        )

    def version(self, family: str, version: int) -> VersionDetail:
        """One version with its manifest.

        Raises:
            UnknownFamilyError, UnknownVersionError: no such version.
            VersionRefusedError: the manifest cannot be read.
        """
        manifest = self.manifest(family, version)
        return VersionDetail(
            model=family,
            version=version,
            champion=self.repository.champion(family) == version,
            layer=self.repository.layer(family, version),
            manifest=manifest,
        )

    def manifest(self, family: str, version: int) -> Manifest:
        """The manifest of a version; see `version` for errors."""
        existing = self.repository.versions(family)
        if version not in existing:
            raise UnknownVersionError(family, version, existing)
        try:
            return self.repository.manifest(family, version)
        except CorruptVersionError as error:
            raise VersionRefusedError(family, version, str(error)) from error

    def resolve(self, reference: ModelRef) -> Manifest:
        """The manifest of a referenced version.

        Raises:
            UnknownFamilyError, UnknownVersionError: no such version, or no champion.
            VersionRefusedError: the manifest cannot be read.
        """
        existing = self.repository.versions(reference.family)
        version = self.repository.champion(reference.family) if reference.version is None else reference.version
        if version is None:
            raise UnknownVersionError(reference.family, None, existing)
        return self.manifest(reference.family, version)

    def _summary(self, family: str, version: int, champion: int | None) -> VersionSummary:
        refused = self.refusal(family, version)
        manifest, layer = None, None
        try:
            manifest, layer = self.repository.manifest(family, version), self.repository.layer(family, version)
        except CorruptVersionError as error:
            refused = hide_repository_paths(str(error), self.repository)
        return VersionSummary(
            version=version,
            champion=version == champion,
            layer=layer,
            created_at=manifest and manifest.created_at,
            recipe=manifest and manifest.recipe,
            metrics=manifest and manifest.metrics,
            test_accuracy=manifest and _test_accuracy(manifest),
            test_images=manifest and manifest.data.counts["test"],
            cost=manifest and manifest.cost,
            refused=refused,
            providers=self.providers().get((family, version), ()),
        )


def _test_accuracy(manifest: Manifest) -> ConfidenceInterval:
    images = manifest.data.counts["test"]
    return proportion(round(manifest.metrics.test_accuracy * images), images)
