"""The HTTP API: parse, call, answer."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import TypeVar

from flask import Blueprint, Response, current_app, request
from pydantic import BaseModel, ValidationError

from model.errors import InputError, StoreError
from model.router import Routing
from service.context import Context
from service.corrections.correction import NewCorrection
from service.corrections.labelling import NamedLabels
from service.problems import RequestError, json_response
from service.schemas import (
    BatchReply,
    BatchRequest,
    CorrectionReply,
    CorrectionRequest,
    HealthReply,
    RouteRequest,
    route_reply,
)

blueprint = Blueprint("api", __name__)
Body = TypeVar("Body", bound=BaseModel)


@blueprint.post("/api/v1/route")
def route() -> Response:
    """Route one issue description."""
    body = _read(RouteRequest)
    context = _context()
    _check_length("text", body.text, context)
    [routing] = _route(context, [body.text], body.region, body.opened_at)
    return json_response(route_reply(routing))


@blueprint.post("/api/v1/route:batch")
def route_batch() -> Response:
    """Route several issue descriptions."""
    body = _read(BatchRequest)
    context = _context()
    if len(body.texts) > context.settings.max_batch_texts:
        raise InputError("texts", f"at most {context.settings.max_batch_texts} texts a call; send them in parts")
    for n, text in enumerate(body.texts):
        _check_length(f"texts.{n}", text, context)
    characters, most = sum(map(len, body.texts)), context.settings.max_batch_characters
    if characters > most:
        raise InputError("texts", f"have {characters} characters, more than the {most} of one call; send them in parts")
    routings = _route(context, body.texts, body.region, body.opened_at)
    return json_response(BatchReply(results=[route_reply(routing) for routing in routings]))


@blueprint.post("/api/v1/corrections")
def correct() -> Response:
    """Record what the labels should have been."""
    body = _read(CorrectionRequest)
    context = _context()
    named = NamedLabels(body.severity, body.owner, body.queue, body.issue_type)
    if named == NamedLabels():
        raise InputError("severity", "name at least one of severity, owner, queue and issue_type")
    if body.text is not None:
        _check_length("text", body.text, context)
    router = context.live.router
    wrong = router.with_precedents(None).decide_many([body.text])[0].labels if body.text is not None else None
    new = NewCorrection(
        labels=named,
        text=body.text,
        routing_id=body.routing_id,
        who=body.who,
        note=body.note or None,
        model_version=router.model_version,
        wrong=wrong,
    )
    made = context.store.record(new, router.matrix)
    reply = CorrectionReply(
        id=made.id,
        severity=made.labels.severity,
        owner=made.labels.owner,
        queue=made.labels.queue,
        issue_type=made.labels.issue_type,
        who=made.who,
        created_at=made.created_at,
        model_version=made.model_version,
    )
    return json_response(reply, HTTPStatus.CREATED)


@blueprint.get("/api/v1/matrix")
def matrix() -> Response:
    """Return the escalation matrix."""
    return json_response(_context().live.router.matrix)


@blueprint.get("/api/v1/model")
def model() -> Response:
    """Return the model that serves and how good it is."""
    return json_response(_context().model_reply())


@blueprint.get("/livez")
def livez() -> Response:
    """Say that the process answers."""
    return json_response(HealthReply(status="ok"))


@blueprint.get("/readyz")
def readyz() -> Response:
    """Say whether model and store of corrections are usable; without either, routing goes on."""
    context = _context()
    status = context.live.status
    problems = [f"model: {status.problem}"] if status.problem else []
    try:
        context.store.ping()
    except StoreError as error:
        problems.append(f"corrections: {error}")
    return json_response(
        HealthReply(status="degraded" if problems else "ok", problems=problems, model_version=status.version)
    )


@blueprint.get("/metrics")
def metrics() -> Response:
    """Return the metrics in Prometheus' text format."""
    content, mimetype = _context().metrics.render()
    return Response(content, content_type=mimetype)


def _context() -> Context:
    context: Context = current_app.extensions["issue-router"]
    return context


def _read(kind: type[Body]) -> Body:
    if request.mimetype != "application/json":
        raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send JSON with Content-Type: application/json")
    content = request.get_data()
    try:
        content.decode("utf-8")
        return kind.model_validate_json(content)
    except UnicodeDecodeError as error:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"the body is not UTF-8: {error.reason} at {error.start}") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        if first["type"] == "json_invalid":
            raise RequestError(HTTPStatus.BAD_REQUEST, first["msg"]) from None
        raise


def _check_length(field: str, text: str, context: Context) -> None:
    most = context.settings.max_text_characters
    if len(text) > most:
        raise InputError(field, f"has {len(text)} characters, more than the {most} that are taken; shorten it")


def _route(context: Context, texts: list[str], region: str | None, opened_at: datetime | None) -> list[Routing]:
    """Route texts and remember the routings, so that they can be corrected by id."""
    opened_at = opened_at or datetime.now(UTC).replace(microsecond=0)
    with context.metrics.timing():
        routings = context.live.router.route_many(texts, region=region, opened_at=opened_at)
    for text, routing in zip(texts, routings, strict=True):
        context.metrics.count(routing.decision)
        labels, version = routing.decision.labels, routing.decision.model_version
        context.store.remember(routing.id, routing.digest, text, labels, version)
    return routings
