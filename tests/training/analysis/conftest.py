from __future__ import annotations

import pytest

from tests.support.published_pair import PublishedPair
from training.analysis.interpret.activations import Model
from training.analysis.mistakes.find import VersionPredictions


@pytest.fixture(scope="session")
def evaluated(pair: PublishedPair) -> tuple[VersionPredictions, VersionPredictions]:
    """Both small versions with their stored predictions."""
    first, second = (VersionPredictions.read(each, pair.folder(each)) for each in (pair.mlp, pair.cnn))
    return first, second


@pytest.fixture(scope="session")
def models(pair: PublishedPair) -> tuple[Model, Model]:
    """Both small versions as models to explain."""
    return Model(pair.mlp, pair.folder(pair.mlp)), Model(pair.cnn, pair.folder(pair.cnn))
