"""OpenAPI document: valid, with an example of success and of every error for each route."""

from __future__ import annotations

import re
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from service.app import create_app
from service.errors import EXAMPLES, PROBLEMS, ProblemError, problem_of
from service.errors.base import TooManyRequestsError
from tests.support.onnx_models import gray_png
from tests.support.service import RunningApp, settings_for

PREDICTIONS = {"predict", "compare", "saliency", "view", "v2_infer", "v2_infer_version"}
OPERATIONS = {
    "list_keys",
    "add_key",
    "rotate_key",
    "revoke_key",
    "predict",
    "compare",
    "saliency",
    "list_methods",
    "view",
    "count_samples",
    "get_sample",
    "compare_evaluations",
    "metrics",
    "list_models",
    "live_figures",
    "next_picture",
    "label_picture",
    "export_feedback",
    "add_traffic",
    "send_feedback",
    "get_labelling",
    "get_builtin_dataset",
    "download_dataset",
    "list_datasets",
    "get_dataset",
    "add_images",
    "delete_dataset",
    "list_dataset_images",
    "get_dataset_thumbnail",
    "edit_dataset",
    "list_dataset_edits",
    "get_dataset_report",
    "get_model",
    "get_version",
    "get_card",
    "get_figure",
    "download_file",
    "check_version",
    "promote_version",
    "preview_gate",
    "roll_back",
    "start_shadow_trial",
    "get_shadow_trial",
    "end_shadow_trial",
    "archive_model",
    "delete_version",
    "delete_model",
    "delete_traffic",
    "list_promotions",
    "list_evaluations",
    "begin_session",
    "get_session",
    "end_session",
    "train",
    "evaluate",
    "batch",
    "list_recipes",
    "list_jobs",
    "list_runs",
    "get_run",
    "get_job",
    "cancel_job",
    "retry_job",
    "job_events",
    "job_log",
    "job_result",
    "delete_job_result",
    "livez",
    "readyz",
}
EXPLAINING = {"crop", "target", "steps", "samples", "noise", "seed", "window", "stride", "baseline", "layout"}
PROTOCOL_OPERATIONS = {
    "v2_server",
    "v2_live",
    "v2_ready",
    "v2_model",
    "v2_version",
    "v2_model_ready",
    "v2_version_ready",
    "v2_infer",
    "v2_infer_version",
}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return create_app(settings_for(tmp_path_factory.mktemp("home"))).openapi()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {operation["operationId"]: operation for path in document["paths"].values() for operation in path.values()}


def test_openapi_document_is_valid(document: dict[str, Any]) -> None:
    validate(document)


def test_operations_have_clean_names_and_descriptions(document: dict[str, Any]) -> None:
    assert set(operations(document)) == OPERATIONS | PROTOCOL_OPERATIONS
    for operation in operations(document).values():
        assert " ".join(operation["description"].replace("`", "").split()).startswith(operation["summary"])
        assert len(operation["summary"]) <= 100


@pytest.mark.parametrize("name", sorted(OPERATIONS | PROTOCOL_OPERATIONS))
def test_responses_have_examples_that_fit_their_schema(document: dict[str, Any], name: str) -> None:
    responses = operations(document)[name]["responses"]
    assert any(200 <= int(status) < 300 for status in responses)
    assert any(int(status) >= 400 for status in responses)
    for status, response in responses.items():
        assert ("content" in response) == (status != "204")
        for media_type, content in response.get("content", {}).items():
            is_problem = int(status) >= 400 and name in OPERATIONS
            assert (media_type == "application/problem+json") == is_problem
            shared = document["components"]["examples"]
            named = content.get("examples", {})
            assert (
                all(one == {"$ref": f"#/components/examples/{slug}"} for slug, one in named.items()) or not is_problem
            )
            examples = [shared[slug]["value"] if is_problem else one["value"] for slug, one in named.items()]
            examples += [content["example"]] if "example" in content else []
            assert examples
            for example in examples:
                schema = {**content["schema"], "components": document["components"]}
                OAS31Validator(schema).validate(example)
                if is_problem:
                    assert example["status"] == int(status)
                elif int(status) >= 400:
                    assert set(example) == {"error"}


@pytest.mark.parametrize("name", ["predict", "compare", "saliency"])
def test_image_bodies_are_documented_in_every_form(document: dict[str, Any], name: str) -> None:
    body = operations(document)[name]["requestBody"]
    assert body["required"] is True
    assert set(body["content"]) == {"multipart/form-data", "image/*", "application/octet-stream"}
    assert body["content"]["multipart/form-data"]["schema"]["required"] == ["file"]


@pytest.mark.parametrize("name", ["v2_infer", "v2_infer_version"])
def test_inference_bodies_have_examples_that_fit(document: dict[str, Any], name: str) -> None:
    body = operations(document)[name]["requestBody"]
    assert set(body["content"]) == {"application/json", "application/octet-stream"}
    described = body["content"]["application/json"]
    OAS31Validator({**described["schema"], "components": document["components"]}).validate(described["example"])


@pytest.mark.parametrize("name", ["train", "evaluate", "batch"])
def test_job_bodies_have_examples_that_fit(document: dict[str, Any], name: str) -> None:
    described = operations(document)[name]["requestBody"]["content"]["application/json"]
    OAS31Validator({**described["schema"], "components": document["components"]}).validate(described["example"])


def test_operations_with_keys_are_documented(document: dict[str, Any]) -> None:
    assert set(document["components"]["securitySchemes"]) == {"key", "bearer", "session"}
    for name, operation in operations(document).items():
        if name in {"begin_session", "get_session", "end_session"}:
            assert ({} in operation["security"]) == (name != "begin_session")  # a key or a cookie where there is one
            continue
        assert ("401" in operation["responses"]) == ("security" in operation)
        if "security" in operation:
            optional = [set[str]()] if name in PREDICTIONS else []
            assert [set(one) for one in operation["security"]] == [*optional, {"key"}, {"bearer"}, {"session"}]
            assert "403" in operation["responses"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("predict", {"model", "version", "precision", "top_k", "tta", "crop"}),
        ("compare", {"models", "precision", "top_k", "saliency", "format", *EXPLAINING}),
    ],
)
def test_query_parameters_are_documented(document: dict[str, Any], name: str, expected: set[str]) -> None:
    parameters = {one["name"]: one for one in operations(document)[name]["parameters"]}
    assert set(parameters) == expected
    assert all(one["description"] for one in parameters.values())
    assert all(one["in"] == "query" and not one["required"] for one in parameters.values())
    assert parameters["precision"]["schema"]["enum"] == ["fp32", "bf16", "int8"]
    assert not any("null" in str(one["schema"]) for one in parameters.values())
    assert parameters["top_k"]["schema"]["minimum"] == 1


@pytest.mark.parametrize("name", ["predict", "compare", "saliency"])
def test_problems_of_fast_routes_are_documented(document: dict[str, Any], name: str) -> None:
    responses = operations(document)[name]["responses"]
    slugs = {
        slug
        for response in responses.values()
        for content in response.get("content", {}).values()
        for slug in content.get("examples", {})
    }
    assert slugs >= {
        "malformed-body",
        "unknown-model",
        "unknown-version",
        "body-timeout",
        "version-refused",
        "body-too-large",
        "unsupported-media-type",
        "unsupported-image-format",
        "invalid-parameters",
        "wrong-field",
        "no-image",
        "too-many-files",
        "unreadable-image",
        "too-many-pixels",
        "queue-full",
        "internal-error",
        "not-ready",
        "deadline-exceeded",
    }
    assert ("precision-not-published" in slugs) == (name != "saliency")
    explaining = {"no-gradient", "unknown-target", "method-does-not-fit", "too-many-explanations", "not-acceptable"}
    assert slugs.isdisjoint(explaining) if name == "predict" else slugs >= explaining


async def test_example_of_metrics_has_known_names_and_labels(running: RunningApp, document: dict[str, Any]) -> None:
    await running.client.post("/predict", content=gray_png(0), headers={"content-type": "image/png"})
    told = (await running.client.get("/metrics")).text
    example = operations(document)["metrics"]["responses"]["200"]["content"]["text/plain"]["example"]
    [line] = [line for line in example.splitlines() if not line.startswith("#")]
    pattern = re.sub(r'"[^"]*"', '"[^"]*"', re.escape(line.rpartition(" ")[0]))
    assert re.search(f"^{pattern} ", told, re.MULTILINE)
    assert all(line in told for line in example.splitlines() if line.startswith("#"))


def exception_classes(root: type[ProblemError] = ProblemError) -> list[type[ProblemError]]:
    return [each for child in root.__subclasses__() for each in (child, *exception_classes(child))]


def test_errors_have_unique_slugs_and_examples() -> None:
    assert {error for error in exception_classes() if error is not TooManyRequestsError} <= PROBLEMS.keys()
    assert len({kind.slug for kind in PROBLEMS.values()}) == len(PROBLEMS) > 20
    for error, kind in PROBLEMS.items():
        body = problem_of(EXAMPLES[error]).body("an-id")
        assert body["type"] == f"urn:duet:problem:{kind.slug}"
        assert (body["status"], body["title"], body["request_id"]) == (kind.status, kind.title, "an-id")
        assert len(body["detail"]) > 10


def test_documented_errors_belong_to_a_route(document: dict[str, Any]) -> None:
    documented = {
        slug
        for operation in operations(document).values()
        for response in operation["responses"].values()
        for content in response.get("content", {}).values()
        for slug in content.get("examples", {})
    }
    assert {kind.slug for kind in PROBLEMS.values()} - documented == {
        "not-found",
        "method-not-allowed",
        "client-gone",
        "invalid-host",
    }


async def test_openapi_document_is_served(running: RunningApp, document: dict[str, Any]) -> None:
    assert (await running.client.get("/openapi.json")).json() == document
