"""Application factory: creates the parts and routes of the service, and starts and stops them with the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from core.records.lookup import REPORTS_NAME
from core.release import release
from core.repository.repository import MODELS_NAME, ModelRepository
from service.api.common.openapi import summarize
from service.api.routes import (
    builtin_data,
    compare,
    dataset_images,
    dataset_traffic,
    datasets,
    deletions,
    feedback,
    job_events,
    job_results,
    jobs,
    labelling,
    metrics_compare,
    metrics_live,
    models,
    monitoring,
    predict,
    promotions,
    runs,
    saliency,
    samples,
    session,
    traffic,
    train,
    v2,
    view,
)
from service.datasets.files import limits_of
from service.datasets.listings import DatasetListings
from service.datasets.reports import DatasetReports
from service.datasets.thumbnails import Thumbnails
from service.datasets.uploads import DatasetUploader
from service.engine.batcher import Batcher
from service.engine.decoder import Decoder
from service.engine.engine import Engine
from service.engine.memory import return_memory_regularly
from service.engine.model_manager import ModelManager
from service.engine.provider_measurements import MeasurementStore
from service.engine.provider_policy import ProviderPolicy, provider_groups
from service.http.admission import PREDICT
from service.http.cors import CrossOriginAccess
from service.http.fast_routes import FastPathApp, FastRoute
from service.http.middleware import Lifecycle, RequestMiddleware
from service.http.openapi import install_openapi
from service.http.problem_handlers import install_problem_handlers
from service.http.request_body import BodyReader
from service.jobs.home_figures import HomeFiguresReader
from service.jobs.service import open_job_service
from service.labels.files import erase_labels
from service.labels.labelling import Labelling
from service.live.monitor import watching
from service.models.comparisons import Comparisons
from service.models.promotions import Promotions
from service.models.sample_images import Samples, example_pixels
from service.observability.home_monitor import watching_home
from service.observability.metrics import Metrics
from service.saliency.explainer import Explainer
from service.security.authenticator import Authenticator, read_keyring
from service.security.origins import HostCheck, own_names
from service.settings import Settings, read_settings
from service.state import AppState
from service.traffic.capture import capturing
from service.web import routes as web
from service.web.not_found import install_not_found_page
from service.web.pages import read_site

MAX_UPLOADS = 2
"""Maximum number of concurrent uploads of training images per worker."""
MAX_EXPLANATIONS = 8
"""Maximum number of concurrent explanations per worker."""
KEPT_CHAMPIONS = 4
"""Number of champions that stay loaded without requests; those of other families are loaded by the first request."""
IDLE_SECONDS = 600.0
"""Time without requests after which the champion of another family is unloaded."""
EXTRA_VERSIONS = 4
"""Number of requested versions other than champions that stay loaded."""
RETRY_REFUSED_SECONDS = 30.0
"""Time before a version that could not be loaded is tried again."""
GAUGE_REFRESH_SECONDS = 1.0
"""Maximum age of the gauges of a worker when another worker is scraped."""

DESCRIPTION = "Two families of image classifiers, calibrated, compared and served."
ROUTERS: tuple[APIRouter, ...] = (
    predict.router,
    compare.router,
    view.router,
    saliency.router,
    saliency.methods_router,
    samples.router,
    metrics_compare.router,
    metrics_live.router,
    models.router,
    promotions.router,
    builtin_data.router,
    deletions.router,
    datasets.router,
    dataset_images.router,
    dataset_traffic.router,
    train.router,
    jobs.router,
    job_events.router,
    job_results.router,
    runs.router,
    traffic.router,
    feedback.router,
    labelling.router,
    session.router,
    monitoring.router,
    *v2.ROUTERS,
    web.router,
)


def create_app(settings: Settings | None = None, lifecycle: Lifecycle | None = None) -> FastAPI:
    """Create the API as an ASGI app. Models are loaded in the background after the lifespan has started.

    Args:
        settings: settings of the service; by default those of the environment, as `make dev` needs.
        lifecycle: shared with the server, which sets `draining` when it is asked to stop.
    """
    settings = settings or read_settings()
    lifecycle = lifecycle or Lifecycle()
    recorded = Metrics(release())

    def lifespan(_: FastAPI) -> AbstractAsyncContextManager[AppState]:
        return _running(settings, lifecycle, recorded, predict_route=app.early_route(PREDICT))

    app = FastPathApp(
        prefix=settings.root_path,
        title="Duet",
        version=release(),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    summarize(ROUTERS)
    for router in ROUTERS:
        app.include_router(router)
    install_problem_handlers(app, ROUTERS)
    install_not_found_page(app)
    install_openapi(app, ROUTERS, settings.root_path)

    def around(inner: ASGIApp) -> ASGIApp:
        return RequestMiddleware(
            inner,
            metrics=recorded,
            lifecycle=lifecycle,
            deadline_seconds=settings.deadline_seconds,
            hosts=HostCheck(own_names(settings.allowed_hosts, settings.host)),
            cors=CrossOriginAccess(settings.cors_origins) if settings.cors_origins else None,
        )

    app.add_middleware(around)
    app.register(ROUTERS)
    return app


@asynccontextmanager
async def _running(
    settings: Settings, lifecycle: Lifecycle, recorded: Metrics, *, predict_route: FastRoute | None
) -> AsyncIterator[AppState]:
    """Start the parts of the service, yield them, and stop them."""
    repository = ModelRepository(settings.home / MODELS_NAME, settings.shipped_models)
    engine = create_engine(settings, repository, recorded)
    if settings.workers > 1:
        await engine.models.poll()  # otherwise this worker would receive requests before it can serve them
    keyring = read_keyring(settings.api_keys, settings.home)
    uploader = DatasetUploader(settings.home, limits_of(settings), max_uploads=MAX_UPLOADS)
    limits = {"max_pixels": settings.max_pixels, "max_bytes": settings.max_body_bytes}
    reports, thumbnails = DatasetReports(settings.home, **limits), Thumbnails(settings.home, **limits)
    layers = settings.home / REPORTS_NAME, settings.shipped_models / REPORTS_NAME
    comparisons = Comparisons(repository, layers)
    labels = Labelling(settings.home)
    promotions_service = Promotions(repository, engine.models, settings.gate)
    refreshing = [_refresh_gauges(recorded)] if settings.workers > 1 else []
    background = asyncio.gather(engine.models.watch(), return_memory_regularly(), *refreshing)
    loop = asyncio.get_running_loop()
    async with open_job_service(settings, repository, lambda: lifecycle.draining) as jobs:
        with (
            capturing(settings, engine, loop, recorded.count_captured, partial(erase_labels, settings.home)) as capture,
            watching(settings, repository, recorded.show_live) as live,
            watching_home(HomeFiguresReader(settings, repository).read, recorded.home.show),
        ):
            yield AppState(
                settings=settings,
                repository=repository,
                engine=engine,
                explainer=Explainer(engine.run_background, max_explanations=MAX_EXPLANATIONS),
                metrics=recorded,
                lifecycle=lifecycle,
                predict_route=predict_route,
                body_reader=BodyReader(
                    max_body_bytes=settings.max_body_bytes,
                    max_files=settings.max_files,
                    deadline_seconds=settings.deadline_seconds,
                ),
                uploader=uploader,
                listings=DatasetListings(settings.home),
                reports=reports,
                thumbnails=thumbnails,
                authenticator=Authenticator(keyring),
                jobs=jobs,
                promotions=promotions_service,
                comparisons=comparisons,
                site=read_site(settings.root_path),
                samples=Samples(settings.data_dir, settings.home / "datasets" / "cifar10"),
                capture=capture,
                live=live,
                labelling=labels,
            )
            lifecycle.on_closing()
    background.cancel()
    with suppress(asyncio.CancelledError):
        await background
    promotions_service.close()
    comparisons.close()
    engine.close()
    uploader.close()
    reports.close()
    thumbnails.close()
    labels.close()
    recorded.settle()  # other workers still report the metrics of this one


async def _refresh_gauges(recorded: Metrics) -> None:
    while True:
        await asyncio.sleep(GAUGE_REFRESH_SECONDS)
        recorded.refresh()


def create_engine(settings: Settings, repository: ModelRepository, recorded: Metrics) -> Engine:
    """Create the engine with its models, batcher and decoder; no model is loaded yet.

    Raises:
        ProviderMissingError: an execution provider of the settings is not available.
    """
    models = ModelManager(
        repository,
        max_batch=settings.max_batch,
        kept_champions=KEPT_CHAMPIONS,
        idle_seconds=IDLE_SECONDS,
        extra_versions=EXTRA_VERSIONS,
        poll_seconds=settings.poll_seconds,
        retry_refused_seconds=RETRY_REFUSED_SECONDS,
        policy=_provider_policy(settings),
    )
    recorded.watch_loaded(models.loaded, models.providers)
    recorded.champions.read = models.champion_states
    batcher = Batcher(
        threads=settings.model_threads,
        max_batch=settings.max_batch,
        queue_size=settings.queue_size,
        observe_batch=recorded.observe_batch,
    )
    decoder = Decoder(threads=settings.model_threads, max_pixels=settings.max_pixels, queue_size=settings.queue_size)
    return Engine(models, batcher, decoder, recorded.observe_answer)


def _provider_policy(settings: Settings) -> ProviderPolicy:
    groups = provider_groups(settings.providers)
    versions = [provider.versions for group in groups for provider in group]
    return ProviderPolicy(
        groups=groups,
        preferred=settings.precision,
        parallel_runs=settings.model_threads,
        samples=example_pixels,
        store=MeasurementStore(settings.home / "cache" / "providers", versions),
    )
