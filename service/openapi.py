"""The OpenAPI 3.1 description, made of the types that the views use."""

from __future__ import annotations

from typing import Any

from openapi_pydantic import Info, MediaType, OpenAPI, Operation, PathItem, RequestBody, Response, Server
from openapi_pydantic.util import PydanticSchema, construct_open_api_with_schema_class
from pydantic import BaseModel

from model.matrix import Matrix
from service.schemas import (
    BatchReply,
    BatchRequest,
    CorrectionReply,
    CorrectionRequest,
    HealthReply,
    ModelReply,
    Problem,
    RouteReply,
    RouteRequest,
)
from service.settings import Settings

_ERRORS = {
    400: "The body is no JSON in UTF-8",
    404: "There is no such thing",
    413: "The body is too large",
    415: "The body is not declared as JSON",
    422: "A field cannot be taken; `errors` names it",
    503: "The store of corrections is down; nothing was recorded",
}


def describe(settings: Settings, matrix: Matrix) -> dict[str, Any]:
    """Return the description of the API as plain data.

    Parameters
    ----------
    settings : Settings
        Gives the limits.
    matrix : Matrix
        Gives the regions and labels that are taken.
    """
    paths = {
        "/api/v1/route": PathItem(post=_post("Route one issue description", "route", RouteRequest, RouteReply)),
        "/api/v1/route:batch": PathItem(
            post=_post("Route several issue descriptions", "routeBatch", BatchRequest, BatchReply)
        ),
        "/api/v1/corrections": PathItem(
            post=_post(
                "Record what the labels should have been",
                "correct",
                CorrectionRequest,
                CorrectionReply,
                status=201,
                more_errors=(404, 503),
            )
        ),
        "/api/v1/matrix": PathItem(get=_get("The escalation matrix", "matrix", Matrix)),
        "/api/v1/model": PathItem(get=_get("The model that serves, with its metrics", "model", ModelReply)),
        "/livez": PathItem(get=_get("Whether the process answers", "livez", HealthReply)),
        "/readyz": PathItem(get=_get("Whether model and corrections are usable", "readyz", HealthReply)),
        "/metrics": PathItem(
            get=Operation(
                operationId="metrics",
                summary="Metrics in Prometheus' text format",
                responses={"200": Response(description="Metrics", content={"text/plain": MediaType()})},
            )
        ),
    }
    api = OpenAPI(
        info=Info(
            title="issue-router",
            version="1",
            description="Free-text issue in; severity, owner, queue, deadlines and contacts out.",
        ),
        servers=[Server(url="/")],
        paths=paths,
    )
    described: dict[str, Any] = construct_open_api_with_schema_class(api).model_dump(
        mode="json", by_alias=True, exclude_none=True
    )
    _add_limits(described["components"]["schemas"], settings, matrix)
    return described


def _get(summary: str, name: str, reply: type[BaseModel]) -> Operation:
    return Operation(operationId=name, summary=summary, responses={"200": _response("The answer", reply)})


def _post(
    summary: str,
    name: str,
    body: type[BaseModel],
    reply: type[BaseModel],
    *,
    status: int = 200,
    more_errors: tuple[int, ...] = (),
) -> Operation:
    errors = {
        str(code): _response(_ERRORS[code], Problem, "application/problem+json")
        for code in (400, 413, 415, 422, *more_errors)
    }
    return Operation(
        operationId=name,
        summary=summary,
        requestBody=RequestBody(required=True, content=_content("application/json", body)),
        responses={str(status): _response("The answer", reply), **errors},
    )


def _response(description: str, kind: type[BaseModel], mimetype: str = "application/json") -> Response:
    return Response(description=description, content=_content(mimetype, kind))


def _content(mimetype: str, kind: type[BaseModel]) -> dict[str, MediaType]:
    return {mimetype: MediaType.model_validate({"schema": PydanticSchema.model_validate({"schema_class": kind})})}


def _add_limits(schemas: dict[str, Any], settings: Settings, matrix: Matrix) -> None:
    """Say in the description what only settings and matrix know: longest text, most texts, regions, labels."""
    longest = settings.max_text_characters
    regions = [region.id for region in matrix.regions]
    for name in ("RouteRequest", "BatchRequest"):
        schemas[name]["properties"]["region"] |= {"examples": regions, "enum": [*regions, None]}
    schemas["RouteRequest"]["properties"]["text"]["maxLength"] = longest
    schemas["BatchRequest"]["properties"]["texts"]["maxItems"] = settings.max_batch_texts
    schemas["BatchRequest"]["properties"]["texts"]["items"]["maxLength"] = longest
    for label, values in matrix.labels.items():
        schemas["CorrectionRequest"]["properties"][label] |= {"enum": [*values, None]}
