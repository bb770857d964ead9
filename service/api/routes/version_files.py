"""GET /models/.../card, /figures and /check: model card, figures and file integrity of a version."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import Response

from core.schemas.models import VersionCheck
from service.api.common.openapi_bodies import success
from service.api.common.openapi_errors import VERSION_ERRORS
from service.api.deps import CatalogDep
from service.api.examples import load_example
from service.api.routes.models import ModelName, VersionNumber
from service.errors import NoSuchVersionFileError, responses
from service.models.version_files import check_files, read_card, read_figure

router = APIRouter(prefix="/models", tags=["models"])
Figure = Annotated[
    str, Path(pattern=r"^[a-z0-9_-]{1,64}\.png$", description="file name as in the card, such as history.png")
]


def _file(media_type: str, schema: dict[str, str], example: str, description: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": description, "content": {media_type: {"schema": schema, "example": example}}}}


@router.get(
    "/{model}/versions/{version}/card",
    response_class=Response,
    responses={
        **_file("text/markdown", {"type": "string"}, "# cnn@3\n", "The model card with YAML front matter"),
        **responses(*VERSION_ERRORS, NoSuchVersionFileError),
    },
)
def get_card(model: ModelName, version: VersionNumber, catalog: CatalogDep) -> Response:
    """Read the model card of a version: training, metrics and license."""
    content = read_card(catalog.repository, catalog.manifest(model, version))
    return Response(content, media_type="text/markdown; charset=utf-8")


@router.get(
    "/{model}/versions/{version}/figures/{figure}",
    response_class=Response,
    responses={
        **_file("image/png", {"type": "string", "format": "binary"}, "\x89PNG...", "The figure"),
        **responses(*VERSION_ERRORS, NoSuchVersionFileError),
    },
)
def get_figure(model: ModelName, version: VersionNumber, figure: Figure, catalog: CatalogDep) -> Response:
    """Read a figure of the model card: training curves, confusion matrix or reliability diagram."""
    content = read_figure(catalog.repository, catalog.manifest(model, version), figure)
    return Response(content, media_type="image/png")


@router.get(
    "/{model}/versions/{version}/check",
    responses={
        **success(load_example("version_check"), "Each file with what is wrong with it"),
        **responses(*VERSION_ERRORS),
    },
)
def check_version(model: ModelName, version: VersionNumber, catalog: CatalogDep) -> VersionCheck:
    """Hash every file of a version now, and say which ones are not as they were published."""
    return check_files(catalog.repository, catalog.manifest(model, version))
