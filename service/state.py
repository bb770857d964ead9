"""Application state: the parts of the running app and of the current request, typed."""

from __future__ import annotations

from typing import NotRequired, TypedDict, cast

from starlette.requests import HTTPConnection

from core.repository.repository import ModelRepository
from core.tracing.tracer import Tracer
from service.datasets.listings import DatasetListings
from service.datasets.reports import DatasetReports
from service.datasets.thumbnails import Thumbnails
from service.datasets.uploads import DatasetUploader
from service.engine.engine import Engine
from service.engine.loaded_model import ModelVariant
from service.http.callers import AdmittedCaller, CallerAdmission
from service.http.fast_routes import FastRoute
from service.http.middleware import Lifecycle
from service.http.request_body import BodyReader
from service.jobs.service import JobService
from service.labels.labelling import Labelling
from service.live.monitor import LiveMonitor
from service.models.comparisons import Comparisons
from service.models.promotions import Promotions
from service.models.sample_images import Samples
from service.observability.logging import RequestContext
from service.observability.metrics import Metrics
from service.saliency.explainer import Explainer
from service.security.authenticator import Authenticator
from service.settings import Settings
from service.shadow.trials import ShadowTrials
from service.traffic.capture import Capture
from service.web.pages import Site


class AppState(TypedDict):
    """Lifespan state of the app."""

    settings: Settings
    repository: ModelRepository
    engine: Engine
    explainer: Explainer
    metrics: Metrics
    tracer: Tracer | None
    lifecycle: Lifecycle
    predict_route: FastRoute | None
    body_reader: BodyReader
    uploader: DatasetUploader
    listings: DatasetListings
    reports: DatasetReports
    thumbnails: Thumbnails
    authenticator: Authenticator
    callers: CallerAdmission
    jobs: JobService | None
    promotions: Promotions
    comparisons: Comparisons
    site: Site
    samples: Samples
    capture: Capture | None
    shadow: ShadowTrials
    live: LiveMonitor | None
    labelling: Labelling


class RequestState(AppState):
    """Copy of the app state for one request, with its context and, once known, its model.

    `caller` is that of a fast route.
    """

    context: RequestContext
    caller: NotRequired[AdmittedCaller]
    served: NotRequired[ModelVariant]


def state_of(request: HTTPConnection) -> RequestState:
    """The state of a request."""
    return cast(RequestState, request.scope["state"])
