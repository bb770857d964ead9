"""GET /models: models, their versions, manifests, model cards, figures, downloads and file integrity."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import FileResponse, Response

from core.schemas.models import ModelDetail, ModelList, VersionCheck, VersionDetail
from core.text_pattern import TextPattern
from service.api.common.openapi import BINARY, MODEL_ERRORS, PNG, VERSION_ERRORS, content, success
from service.api.deps import CatalogDep
from service.api.examples import load_example
from service.errors import NoSuchVersionFileError, NotReadyError, responses
from service.models.version_files import check_files, find_file, read_card, read_figure

router = APIRouter(prefix="/models", tags=["models"])

ModelName = Annotated[str, Path(max_length=64, description="model family")]
VersionNumber = Annotated[int, Path(ge=1, le=999_999_999, description="version number")]
Figure = Annotated[
    str,
    TextPattern(r"^[a-z0-9_-]{1,64}\.png$", "use the file name of a figure as in the card, such as history.png"),
    Path(description="file name as in the card, such as history.png"),
]
FileName = Annotated[
    str,
    TextPattern(r"^[A-Za-z0-9._-]{1,64}$", "use the name of a file as in the manifest, such as model.onnx"),
    Path(description="file name as in the manifest, such as model.onnx"),
]


@router.get(
    "",
    responses={**success(load_example("models"), "All models"), **responses(NotReadyError)},
)
def list_models(catalog: CatalogDep) -> ModelList:
    """List the models with their versions and champions."""
    return catalog.models()


@router.get(
    "/{model}",
    responses={
        **success(load_example("model"), "The model and its versions"),
        **responses(*MODEL_ERRORS),
    },
)
def get_model(model: ModelName, catalog: CatalogDep) -> ModelDetail:
    """Describe one model: its champion, and its versions with their main metrics."""
    return catalog.model(model)


@router.get(
    "/{model}/versions/{version}",
    responses={
        **success(load_example("version"), "The version and its manifest"),
        **responses(*VERSION_ERRORS),
    },
)
def get_version(model: ModelName, version: VersionNumber, catalog: CatalogDep) -> VersionDetail:
    """Describe one version: data, recipe, environment, calibration, metrics and the hash of every file."""
    return catalog.version(model, version)


@router.get(
    "/{model}/versions/{version}/card",
    response_class=Response,
    responses={
        **content(
            "The model card with YAML front matter",
            {"text/markdown": {"schema": {"type": "string"}, "example": "# cnn@3\n"}},
        ),
        **responses(*VERSION_ERRORS, NoSuchVersionFileError),
    },
)
def get_card(model: ModelName, version: VersionNumber, catalog: CatalogDep) -> Response:
    """Read the model card of a version: training, metrics and license."""
    card = read_card(catalog.repository, catalog.manifest(model, version))
    return Response(card, media_type="text/markdown; charset=utf-8")


@router.get(
    "/{model}/versions/{version}/figures/{figure}",
    response_class=Response,
    responses={
        **content("The figure", PNG),
        **responses(*VERSION_ERRORS, NoSuchVersionFileError),
    },
)
def get_figure(model: ModelName, version: VersionNumber, figure: Figure, catalog: CatalogDep) -> Response:
    """Read a figure of the model card: training curves, confusion matrix or reliability diagram."""
    png = read_figure(catalog.repository, catalog.manifest(model, version), figure)
    return Response(png, media_type="image/png")


@router.get(
    "/{model}/versions/{version}/files/{file}",
    response_class=FileResponse,
    responses={
        **content(
            "The file as it was published",
            {"application/octet-stream": {"schema": BINARY, "example": "\x08\x09\x12..."}},
        ),
        **responses(*VERSION_ERRORS, NoSuchVersionFileError),
    },
)
def download_file(model: ModelName, version: VersionNumber, file: FileName, catalog: CatalogDep) -> FileResponse:
    """Download a file of a version: it is compared with its hash in the manifest first.

    A graph may read its weights from another file of the version, such as weights.safetensors: keep both in one folder.
    """
    path = find_file(catalog.repository, catalog.manifest(model, version), file)
    return FileResponse(path, media_type="application/octet-stream", filename=file)


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
