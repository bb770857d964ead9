"""What the routes are given: the parts of the running app, typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from core.repository import ModelRepository
from service.comparisons import Comparisons
from service.datasets.intake import Intake
from service.door import Door
from service.engine.engine import Engine
from service.jobs.desk import JobDesk
from service.metrics import Metrics
from service.promotions import Promotions
from service.saliency.explainer import Explainer
from service.samples import Samples
from service.security.gatekeeper import Gatekeeper
from service.settings import Settings
from service.uploads import UploadReader
from service.web.pages import Site


@dataclass
class Lifecycle:
    """Where the process is in its life; `draining` is set once, when it has been asked to stop."""

    draining: bool = False


class AppState(TypedDict):
    """The lifespan state; every request finds it at `request.state`."""

    settings: Settings
    repository: ModelRepository
    engine: Engine
    explainer: Explainer
    metrics: Metrics
    lifecycle: Lifecycle
    door: Door
    uploads: UploadReader
    intake: Intake
    gatekeeper: Gatekeeper
    jobs: JobDesk | None
    promotions: Promotions
    comparisons: Comparisons
    site: Site
    samples: Samples
