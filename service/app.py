"""Builds the app from its settings: parts, routes, and what starts and stops with the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from core.release import release
from core.reports.places import REPORTS_NAME
from core.repository import MODELS_NAME, ModelRepository
from service.api import (
    compare,
    comparison,
    datasets,
    evaluate,
    explanation_methods,
    health,
    job_events,
    job_log,
    jobs,
    metrics,
    models,
    predict,
    promotions,
    recipes,
    saliency,
    samples,
    session,
    train,
    v2,
    version_files,
    view,
)
from service.comparisons import Comparisons
from service.datasets.intake import Intake
from service.datasets.limits import limits_of
from service.door import Door
from service.engine.batcher import Batcher
from service.engine.decoder import Decoder
from service.engine.engine import Engine
from service.engine.models import ServedModels
from service.hot import HotAPI, QueryParser
from service.jobs.desk import open_desk
from service.metrics import Metrics
from service.middleware import RequestMiddleware
from service.openapi import install_openapi
from service.problems import install_problem_handlers
from service.promotions import Promotions
from service.saliency.explainer import Explainer
from service.samples import Samples
from service.security.gatekeeper import create_gatekeeper
from service.settings import Settings, read_settings
from service.state import AppState, Lifecycle
from service.uploads import UploadReader
from service.web import routes as web
from service.web.pages import read_site

FRESH_SECONDS = 1.0
"""How old a worker's gauges are at most when another one is scraped."""

DESCRIPTION = "Two families of image classifiers, calibrated, compared and served."
ROUTERS: tuple[APIRouter, ...] = (
    predict.router,
    compare.router,
    view.router,
    saliency.router,
    explanation_methods.router,
    samples.router,
    metrics.router,
    comparison.router,
    models.router,
    version_files.router,
    promotions.router,
    datasets.router,
    train.router,
    evaluate.router,
    recipes.router,
    jobs.router,
    job_events.router,
    job_log.router,
    session.router,
    health.router,
    *v2.ROUTERS,
    web.router,
)


def create_app(settings: Settings | None = None, lifecycle: Lifecycle | None = None) -> FastAPI:
    """The API as an ASGI app; models are loaded in the background once its lifespan has begun.

    Args:
        settings: how it runs; by default as the environment says, as `make dev` needs it.
        lifecycle: shared with the server, which says there when it has been asked to stop.
    """
    settings = settings or read_settings()
    lifecycle = lifecycle or Lifecycle()
    recorded = Metrics(release())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[AppState]:
        repository = ModelRepository(settings.home / MODELS_NAME, settings.shipped_models)
        engine = create_engine(settings, repository, recorded)
        if settings.workers > 1:
            await engine.models.look()  # or clients would be sent here while other workers can answer them
        gatekeeper = create_gatekeeper(settings)
        intake = Intake(settings.home, limits_of(settings), most=settings.max_uploads)
        layers = settings.home / REPORTS_NAME, settings.shipped_models / REPORTS_NAME
        comparisons = Comparisons(repository, layers)
        moves = Promotions(repository, engine.models, settings.gate)
        fresh = [_keep_fresh(recorded)] if settings.workers > 1 else []
        following = asyncio.gather(engine.models.follow(), *fresh)
        async with open_desk(settings, repository, lambda: lifecycle.draining) as desk:
            yield AppState(
                settings=settings,
                repository=repository,
                engine=engine,
                explainer=Explainer(engine.run_background, most=settings.max_explanations),
                metrics=recorded,
                lifecycle=lifecycle,
                door=Door(engine, QueryParser(predict.PredictQuery)),
                uploads=UploadReader(
                    max_body_bytes=settings.max_body_bytes,
                    max_files=settings.max_files,
                    deadline_seconds=settings.deadline_seconds,
                ),
                intake=intake,
                gatekeeper=gatekeeper,
                jobs=desk,
                promotions=moves,
                comparisons=comparisons,
                site=read_site(),
                samples=Samples(settings.data_dir, settings.home / "datasets" / "cifar10"),
            )
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        moves.close()
        comparisons.close()
        engine.close()
        intake.close()
        recorded.settle()  # other workers may go on, and tell these figures with theirs

    app = HotAPI(
        title="Duet",
        version=release(),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    for router in ROUTERS:
        app.include_router(router)
    install_problem_handlers(app, ROUTERS)
    install_openapi(app, ROUTERS)

    def around(inner: ASGIApp) -> ASGIApp:
        return RequestMiddleware(
            inner, metrics=recorded, lifecycle=lifecycle, deadline_seconds=settings.deadline_seconds
        )

    app.add_middleware(around)
    app.shorten(ROUTERS, around)
    return app


async def _keep_fresh(recorded: Metrics) -> None:
    while True:
        await asyncio.sleep(FRESH_SECONDS)
        recorded.refresh()


def create_engine(settings: Settings, repository: ModelRepository, recorded: Metrics) -> Engine:
    """The models, the batcher and the decoder that the settings ask for; nothing is loaded yet."""
    models = ServedModels(
        repository,
        max_batch=settings.max_batch,
        extra_versions=settings.extra_versions,
        poll_seconds=settings.poll_seconds,
        retry_refused_seconds=settings.retry_refused_seconds,
        preferred=settings.precision,
    )
    recorded.watch_loaded(models.loaded)
    batcher = Batcher(
        threads=settings.model_threads,
        max_batch=settings.max_batch,
        queue_size=settings.queue_size,
        observe_batch=recorded.observe_batch,
    )
    decoder = Decoder(threads=settings.model_threads, max_pixels=settings.max_pixels, queue_size=settings.queue_size)
    return Engine(
        models,
        batcher,
        decoder,
        recorded,
    )
