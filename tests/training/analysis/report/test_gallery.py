from __future__ import annotations

import dataclasses

from training.analysis.report.findings import Findings, VersionResults
from training.analysis.report.gallery import numbered


def test_figures_are_numbered_by_the_whole_name_of_their_version(shipped: Findings) -> None:
    def named(side: VersionResults, family: str, version: int) -> VersionResults:
        manifest = side.manifest.model_copy(update={"family": family, "version": version})
        return dataclasses.replace(side, manifest=manifest)

    alike = dataclasses.replace(shipped, first=named(shipped.first, "cnn", 1), second=named(shipped.second, "cnn", 12))
    assert numbered("first_layer.cnn@1", alike) == "first-layer-1"
    assert numbered("first_layer.cnn@12", alike) == "first-layer-2"
    assert numbered("label_candidates", alike) == "label-candidates"
    within = dataclasses.replace(alike, second=named(shipped.second, "my_cnn", 1))
    assert numbered("maps.my_cnn@1", within) == "maps-2"
