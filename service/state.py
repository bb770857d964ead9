"""What the routes are given: the parts of the running app, typed."""

from __future__ import annotations

from typing import TypedDict

from core.repository.repository import ModelRepository
from service.datasets.uploads import DatasetUploader
from service.engine.engine import Engine
from service.http.admission import AdmissionControl
from service.http.lifecycle import Lifecycle
from service.http.request_body import BodyReader
from service.jobs.service import JobService
from service.models.comparisons import Comparisons
from service.models.promotions import Promotions
from service.models.sample_images import Samples
from service.observability.metrics import Metrics
from service.saliency.explainer import Explainer
from service.security.authenticator import Authenticator
from service.settings import Settings
from service.web.pages import Site


class AppState(TypedDict):
    """The lifespan state; every request finds it at `request.state`."""

    settings: Settings
    repository: ModelRepository
    engine: Engine
    explainer: Explainer
    metrics: Metrics
    lifecycle: Lifecycle
    admission: AdmissionControl
    body_reader: BodyReader
    uploader: DatasetUploader
    authenticator: Authenticator
    jobs: JobService | None
    promotions: Promotions
    comparisons: Comparisons
    site: Site
    samples: Samples
