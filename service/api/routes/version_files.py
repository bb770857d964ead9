"""The card and the figures of a version, and whether its files are whole: GET /models/.../card, /figures, /check."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import Response

from core.schemas.models import FileCheck, VersionCheck
from service.api.common.openapi_bodies import success
from service.api.common.openapi_errors import VERSION_ERRORS
from service.api.deps import CatalogDep
from service.api.examples.models import EXAMPLE_MANIFEST
from service.api.routes.models import ModelName, VersionNumber
from service.errors import NoSuchVersionFileError, responses
from service.models.version_files import check_files, read_card, read_figure

router = APIRouter(prefix="/models", tags=["models"])
_CHECK: Any = VersionCheck(
    model="cnn",
    version=3,
    intact=False,
    files=tuple(
        FileCheck(name=name, bytes=record.bytes, sha256=record.sha256, problem="missing")
        for name, record in EXAMPLE_MANIFEST.files.items()
    ),
).model_dump(mode="json")

Figure = Annotated[
    str, Path(pattern=r"^[a-z0-9_-]{1,64}\.png$", description="as the card names it, such as history.png")
]


def _file(media_type: str, schema: dict[str, str], example: str, description: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": description, "content": {media_type: {"schema": schema, "example": example}}}}


@router.get(
    "/{model}/versions/{version}/card",
    response_class=Response,
    responses={
        **_file(
            "text/markdown", {"type": "string"}, "# cnn@3\n", "The model card, with the front matter of model hubs"
        ),
        **responses(*VERSION_ERRORS, NoSuchVersionFileError),
    },
)
def get_card(model: ModelName, version: VersionNumber, catalog: CatalogDep) -> Response:
    """Read the model card of a version: how it was made, how good it is, under which terms it may be used."""
    content = read_card(catalog.repository, catalog.manifest(model, version))
    return Response(content, media_type="text/markdown; charset=utf-8")


@router.get(
    "/{model}/versions/{version}/figures/{figure}",
    response_class=Response,
    responses={
        **_file("image/png", {"type": "string", "format": "binary"}, "\x89PNG...", "The picture"),
        **responses(*VERSION_ERRORS, NoSuchVersionFileError),
    },
)
def get_figure(model: ModelName, version: VersionNumber, figure: Figure, catalog: CatalogDep) -> Response:
    """Show a picture of a version's card: training curves, confusion matrix, reliability diagram."""
    content = read_figure(catalog.repository, catalog.manifest(model, version), figure)
    return Response(content, media_type="image/png")


@router.get(
    "/{model}/versions/{version}/check",
    responses={**success(_CHECK, "Each file with what is wrong with it"), **responses(*VERSION_ERRORS)},
)
def check_version(model: ModelName, version: VersionNumber, catalog: CatalogDep) -> VersionCheck:
    """Hash every file of a version now, and say which ones are not as they were published."""
    return check_files(catalog.repository, catalog.manifest(model, version))
